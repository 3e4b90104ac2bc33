"""Transcripts biased by a real glossary, in batches: the embedded models, espeak's speech in voices nobody heard."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from actors.biased_rows import BIASED_SCHEMA, detections_of, stretches_of
from actors.biased_transcriber import BiasedTranscriber, GuidedTranscriber
from actors.tts.espeak import HELD_OUT_VOICES, EspeakSynthesizer
from actors.tts.interface import SpeechRequest
from compression.glossary.manifest import read_manifest
from harken.audio import SAMPLE_RATE, decode_audio, encode_flac
from harken.biasing.settings import BiasingSettings
from harken.cascade_settings import CascadeSettings
from harken.config import load_config
from harken.errors import HarkenError
from harken.glossary_settings import GlossarySettings
from harken.records import Row
from harken.vad_settings import VadSettings
from jobs.glossary import build
from tests.small_glossary import CONFIG, NANO, ROOT, save_models

SPOTTER = ROOT / "models" / "nano-spotter" / "LHF"
TERMS = ("陀飞轮", "birkin", "明星同款", "铂金包", "serpenti", "香奈儿")
# The last one holds no term.
SAID = ("男士，喜欢陀飞轮，留学生。", "看重明星同款，四川人。", "老客户，喜欢香奈儿的小包。", "风格休闲，喜欢黑色。")


@pytest.fixture(scope="module")
def glossary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("glossary")
    terms = folder / "terms.csv"
    terms.write_text("term,category\n" + "".join(f"{term},TYPE\n" for term in TERMS), encoding="utf-8")
    overrides = [
        f"run.output={folder / 'run'}",
        f"model={NANO}",
        f"spotter={SPOTTER}",
        f"terms.path={terms}",
        f"terms.pronunciations={ROOT / 'examples/luxury/pronunciations.csv'}",
        "resources={reader_workers: 0, speech_workers: 0, encoder_workers: 0}",
    ]
    run = load_config(CONFIG, overrides, GlossarySettings)
    build(run)
    return run.store_folder


def biased(glossary: Path, vad: VadSettings | None = None, **changes: object) -> BiasedTranscriber:
    arguments: dict = {
        "model": str(NANO),
        "spotter": SPOTTER,
        "search": SPOTTER / "search",
        "glossary": glossary,
        "version": read_manifest(glossary).version,
        "cascade": CascadeSettings(),
        "vad": vad,
        "rules": BiasingSettings(),
        "max_new_tokens": 64,
    }
    return BiasedTranscriber(**arguments | changes)


@pytest.fixture(scope="module")
def transcriber(glossary: Path) -> BiasedTranscriber:
    return biased(glossary, VadSettings())


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    requests = [SpeechRequest(text, text, text, voice) for text, voice in zip(SAID, HELD_OUT_VOICES, strict=False)]
    return [
        {"id": spoken.id, "audio": encode_flac(spoken.wave, spoken.sample_rate), "status": "ok", "error": None}
        for spoken in EspeakSynthesizer().synthesize(requests)
    ]


@pytest.fixture(scope="module")
def heard(transcriber: BiasedTranscriber, rows: list[Row]) -> list[Row]:
    return transcriber(rows)


def test_terms_that_the_model_cannot_write_are_written(heard: list[Row]) -> None:
    written = {term for term in TERMS for row in heard if term in row["hypothesis"] and term in row["id"]}
    assert len(written) >= 2
    assert not [term for term in TERMS for row in heard if term in row["unbiased"]]
    assert not [term for term in TERMS for row in heard if term in row["hypothesis"] and term not in row["id"]]


def test_every_detection_says_where_how_sure_and_what_became_of_it(heard: list[Row]) -> None:
    terms = [(row, term) for row in heard for term in row["terms"]]
    assert {"applied"} <= {term["outcome"] for _, term in terms} <= {"applied", "already right", "rejected"}
    for row, term in terms:
        assert 0.5 <= term["probability"] <= 1
        assert set(dict(term["evidence"])) == {"span", "path", "verifier"}
        assert term["reason"]
        speech = row["speech"][term["window"]]
        assert speech["start"] <= term["start"] * SAMPLE_RATE < term["end"] * SAMPLE_RATE
        if term["outcome"] == "applied":
            place = slice(term["character_start"], term["character_end"])
            assert row["hypothesis"][place] == term["written"]
            assert term["mechanisms"]
            assert term["heard"] in row["unbiased"]


def test_rows_of_parquet_give_the_detections_back(heard: list[Row]) -> None:
    stored = pa.Table.from_pylist(heard, schema=BIASED_SCHEMA).to_pylist()
    for row, kept in zip(heard, stored, strict=True):
        assert detections_of(kept) == detections_of(row)
        assert [len(found) for found in detections_of(kept)] == [
            sum(term["window"] == number for term in row["terms"]) for number in range(len(row["speech"]))
        ]
        assert all(stretch.start < stretch.end for stretch in stretches_of(kept))


def test_a_model_that_is_told_what_was_detected_decodes_the_same(heard: list[Row], rows: list[Row]) -> None:
    stored = pa.Table.from_pylist(heard, schema=BIASED_SCHEMA).to_pylist()
    told = [row | {"speech": kept["speech"], "terms": kept["terms"]} for row, kept in zip(rows, stored, strict=True)]
    again = GuidedTranscriber(str(NANO), BiasingSettings(), max_new_tokens=64)(told)
    assert [row["hypothesis"] for row in again] == [row["hypothesis"] for row in heard]
    assert [[term["outcome"] for term in row["terms"]] for row in again] == [
        [term["outcome"] for term in row["terms"]] for row in heard
    ]


def test_one_bad_row_costs_no_other_and_silence_has_no_terms(
    transcriber: BiasedTranscriber, rows: list[Row], heard: list[Row]
) -> None:
    silence = encode_flac(np.zeros(2 * SAMPLE_RATE, np.float32), SAMPLE_RATE)
    mixed = [
        {"id": "earlier", "audio": None, "status": "failed", "error": "synthesis: too long"},
        rows[0],
        {"id": "broken", "audio": b"no recording", "status": "ok", "error": None},
        {"id": "silence", "audio": silence, "status": "ok", "error": None},
    ]
    found = transcriber(mixed)
    assert [row["status"] for row in found] == ["failed", "ok", "failed", "ok"]
    assert found[0]["error"] == "synthesis: too long"
    assert found[1]["hypothesis"] == heard[0]["hypothesis"]
    assert found[2]["error"].startswith("audio: ")
    assert found[3]["hypothesis"] == ""
    assert found[3]["terms"] == []


def test_long_recordings_are_cut_and_times_are_the_recordings(glossary: Path, rows: list[Row]) -> None:
    waves = [decode_audio(row["audio"], name=row["id"]) for row in rows]
    rate = waves[0][1]
    pause = np.zeros(rate, np.float32)
    whole = np.concatenate([piece for wave, _ in [*waves, *waves] for piece in (wave, pause)])
    (found,) = biased(glossary)([{"id": "long", "audio": encode_flac(whole, rate), "status": "ok", "error": None}])
    assert found["windows"] > 1
    assert found["speech"][0]["start"] == 0
    assert found["speech"][-1]["end"] == pytest.approx(len(whole) * SAMPLE_RATE / rate, abs=2)
    applied = [term for term in found["terms"] if term["outcome"] == "applied"]
    assert max(term["start"] for term in applied) > len(whole) / rate / 2


def test_models_and_versions_that_do_not_fit_are_refused(glossary: Path, tmp_path: Path) -> None:
    other = save_models(tmp_path / "other")
    with pytest.raises(HarkenError, match="spotter of"):
        biased(glossary, spotter=other)
    with pytest.raises(HarkenError, match="spotter of the glossary"):
        biased(glossary, spotter=other, search=other / "search")
    with pytest.raises(HarkenError, match="version of"):
        biased(glossary, version=99)
