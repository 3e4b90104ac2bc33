from pathlib import Path

import numpy as np
import pytest
import soundfile

from actors.speaker import Speaker
from harken.audio import SAMPLE_RATE, read_audio
from harken.corpora.loading import load_corpus
from harken.errors import HarkenError
from harken.settings import SpeechSettings, VoiceSettings
from tests.harken.corpora.recordings import record, write_lines

TEXTS = {
    "12249_10229_000000": "e quando ia sendo arrebatado pela dos seus",
    "12249_10229_000001": "a avó e o avô disseram-lhe que não",
    "6566_5323_000000": "o coração da menina",
}


def write_mls(root: Path, name: str, texts: dict[str, str], split: str = "dev", suffix: str = ".flac") -> Path:
    """A language's folder as OpenSLR 94 has it."""
    home = root / name / split
    write_lines(home / "transcripts.txt", *(f"{key}\t{text}" for key, text in texts.items()))
    for number, key in enumerate(texts):
        speaker, book, _ = key.split("_")
        record(home / "audio" / speaker / book / f"{key}{suffix}", pitch=300 + 100 * number)
    return home


def test_a_language_is_read_with_its_recordings(tmp_path: Path) -> None:
    home = write_mls(tmp_path, "mls_portuguese", TEXTS)
    corpus = load_corpus("mls", tmp_path, split="dev", languages=["pt"])
    assert corpus.without_audio == 0
    assert [row["id"] for row in corpus.rows] == sorted(TEXTS)
    assert corpus.rows[1] == {
        "id": "12249_10229_000001",
        "text": "a avó e o avô disseram-lhe que não",
        "audio_path": str(home / "audio" / "12249" / "10229" / "12249_10229_000001.flac"),
        "language": "pt",
    }
    wave, rate = read_audio(corpus.rows[1]["audio_path"])
    assert rate == SAMPLE_RATE
    assert np.argmax(np.abs(np.fft.rfft(wave))) * rate / len(wave) == pytest.approx(400, abs=5)


def test_opus_archives_and_several_languages(tmp_path: Path) -> None:
    write_mls(tmp_path, "mls_polish_opus", {"1_2_000000": "zażółć gęślą jaźń"}, suffix=".opus")
    write_mls(tmp_path, "mls_english", {"3_4_000000": "the story of a tailor"})
    rows = load_corpus("mls", tmp_path, split="dev").rows
    assert [(row["id"], row["language"]) for row in rows] == [("1_2_000000", "pl"), ("3_4_000000", "en")]
    assert len(read_audio(rows[0]["audio_path"])[0]) > 0
    assert [row["language"] for row in load_corpus("mls", tmp_path, split="dev", languages=["pl"]).rows] == ["pl"]


def test_the_rows_are_what_the_speech_stage_reads(tmp_path: Path) -> None:
    write_mls(tmp_path, "mls_portuguese", TEXTS)
    voices = VoiceSettings(speakers=("cmn",))
    rows = load_corpus("mls", tmp_path, split="dev").rows
    spoken = Speaker(SpeechSettings(voices=voices), voices, {})(rows)
    assert [(row["status"], row["speaker"]) for row in spoken] == [("ok", "recording")] * 3


def many(count: int) -> dict[str, str]:
    return {f"{number % 7}_{number % 3}_{number:06d}": f"text {number}" for number in range(count)}


def test_a_limit_draws_of_each_language_by_seed_and_whatever_the_order(tmp_path: Path) -> None:
    write_mls(tmp_path / "a", "mls_french", many(40))
    write_mls(tmp_path / "b", "mls_french", dict(reversed(many(40).items())))

    def drawn(root: str, limit: int | None, seed: int = 0) -> list[str]:
        return [row["id"] for row in load_corpus("mls", tmp_path / root, split="dev", limit=limit, seed=seed).rows]

    ten = drawn("a", 10)
    assert len(ten) == 10
    assert ten == drawn("b", 10)
    assert ten != drawn("a", 10, seed=1)
    assert ten != sorted(many(40))[:10]
    assert set(ten) < set(drawn("a", 20)) < set(drawn("a", None))
    write_mls(tmp_path / "a", "mls_spanish", {"9_9_000000": "una", "9_9_000001": "dos"})
    assert len(drawn("a", 10)) == 12


def test_transcripts_without_a_recording_are_counted_and_replaced(tmp_path: Path) -> None:
    home = write_mls(tmp_path, "mls_french", many(30))
    complete = [row["id"] for row in load_corpus("mls", tmp_path, split="dev", limit=10).rows]
    missing = complete[::2]
    for key in missing:
        (next(home.rglob(f"{key}.flac"))).unlink()
    drawn = load_corpus("mls", tmp_path, split="dev", limit=10)
    assert (len(drawn.rows), drawn.without_audio) == (10, 5)
    assert set(complete) - set(missing) < {row["id"] for row in drawn.rows}
    everything = load_corpus("mls", tmp_path, split="dev")
    assert (len(everything.rows), everything.without_audio) == (25, 5)


def test_a_published_list_keeps_its_utterances(tmp_path: Path) -> None:
    write_mls(tmp_path, "mls_portuguese", TEXTS)
    only = write_lines(tmp_path / "positives.tsv", "12249_10229_000001\tavó\t17", "6566_5323_000000")
    rows = load_corpus("mls", tmp_path, split="dev", only=only).rows
    assert [row["id"] for row in rows] == ["12249_10229_000001", "6566_5323_000000"]
    with pytest.raises(HarkenError, match=r"1 ids.*None of them is in"):
        load_corpus("mls", tmp_path, split="dev", only=write_lines(tmp_path / "other", "1_1_000000"))


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match=r"mls_<language>"):
        load_corpus("mls", tmp_path)
    home = write_mls(tmp_path, "mls_german", {"1_2_000000": "die straße"})
    with pytest.raises(HarkenError, match=r"mls_german/train/transcripts\.txt.*does not exist"):
        load_corpus("mls", tmp_path, split="train")
    with pytest.raises(HarkenError, match=r"mls_dutch or .*mls_dutch_opus.*no such folder"):
        load_corpus("mls", tmp_path, split="dev", languages=["de", "nl"])
    with pytest.raises(HarkenError, match=r"MLS language: 'xx'. Use de, en"):
        load_corpus("mls", tmp_path, split="dev", languages=["xx"])
    next(home.rglob("*.flac")).unlink()
    with pytest.raises(HarkenError, match=r"1_2_000000\.flac or .*\.opus.*None of 1 transcripts"):
        load_corpus("mls", tmp_path, split="dev")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["1_2_000000\tdie", "1_2_000000\tder"], "utterance id: '1_2_000000'.*twice"),
        (["1_2_000000 die"], r"line 1.*TAB"),
        (["", "1_2_000000\t "], r"line 2.*TAB"),
        (["1-2-000000\tdie"], r"line 1.*<speaker>"),
        ([""], "holds no transcripts"),
    ],
)
def test_damaged_transcripts(tmp_path: Path, lines: list[str], message: str) -> None:
    home = write_mls(tmp_path, "mls_german", {"1_2_000000": "die straße"})
    write_lines(home / "transcripts.txt", *lines)
    with pytest.raises(HarkenError, match=message):
        load_corpus("mls", tmp_path, split="dev")


def test_transcripts_in_another_encoding(tmp_path: Path) -> None:
    home = write_mls(tmp_path, "mls_german", {"1_2_000000": "die straße"})
    (home / "transcripts.txt").write_bytes("1_2_000000\tstraße\n".encode("latin-1"))
    with pytest.raises(HarkenError, match="UTF-8"):
        load_corpus("mls", tmp_path, split="dev")


def test_opus_is_opus(tmp_path: Path) -> None:
    assert soundfile.info(record(tmp_path / "a.opus")).subtype == "OPUS"
