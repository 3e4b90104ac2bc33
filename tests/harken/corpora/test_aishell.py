from pathlib import Path

import pytest

from harken.audio import SAMPLE_RATE, read_audio
from harken.corpora.loading import load_corpus
from harken.errors import HarkenError
from tests.harken.corpora.recordings import record, write_lines

LINES = (
    "BAC009S0002W0122 而 对 楼市 成交 抑制 作用 最 大 的 限 购",
    "BAC009S0764W0121 甚至 出现 交易 几乎 停滞 的 情况",
    "BAC009S0764W0122 苹果 ｉ ｐｈｏｎｅ 六 s  plus 手机",
    "BAC009S0765W0121 詹妮弗 奥赛尔 说",
)


def write_aishell(root: Path) -> Path:
    home = root / "data_aishell"
    write_lines(home / "transcript" / "aishell_transcript_v0.8.txt", *LINES)
    for split, key in (("train", LINES[0]), ("test", LINES[1]), ("test", LINES[2]), ("test", LINES[3])):
        record(home / "wav" / split / key[6:11] / f"{key.split()[0]}.wav")
    return home


def test_a_split_is_its_speakers_and_chinese_is_not_spaced(tmp_path: Path) -> None:
    home = write_aishell(tmp_path)
    corpus = load_corpus("aishell", tmp_path, split="test")
    assert corpus.without_audio == 0
    assert [(row["id"], row["text"]) for row in corpus.rows] == [
        ("BAC009S0764W0121", "甚至出现交易几乎停滞的情况"),
        ("BAC009S0764W0122", "苹果i phone六s plus手机"),
        ("BAC009S0765W0121", "詹妮弗奥赛尔说"),
    ]
    assert {row["language"] for row in corpus.rows} == {"zh"}
    assert read_audio(corpus.rows[0]["audio_path"])[1] == SAMPLE_RATE
    assert load_corpus("aishell", home, split="test") == corpus
    assert [row["id"] for row in load_corpus("aishell", home).rows] == ["BAC009S0002W0122"]


def test_the_hotword_subset_is_a_list_of_ids(tmp_path: Path) -> None:
    write_aishell(tmp_path)
    only = write_lines(tmp_path / "uttid", "BAC009S0765W0121")
    (row,) = load_corpus("aishell", tmp_path, split="test", only=only).rows
    assert row["text"] == "詹妮弗奥赛尔说"


def test_a_missing_recording_is_counted(tmp_path: Path) -> None:
    home = write_aishell(tmp_path)
    (home / "wav" / "test" / "S0764" / "BAC009S0764W0122.wav").unlink()
    corpus = load_corpus("aishell", tmp_path, split="test")
    assert (len(corpus.rows), corpus.without_audio) == (2, 1)


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    home = write_aishell(tmp_path)
    with pytest.raises(HarkenError, match=r"wav/dev or .*data_aishell/wav/dev.*unpack"):
        load_corpus("aishell", tmp_path, split="dev")
    (home / "wav" / "dev").mkdir()
    with pytest.raises(HarkenError, match=r"no folder of a speaker"):
        load_corpus("aishell", tmp_path, split="dev")
    with pytest.raises(HarkenError, match="zh alone"):
        load_corpus("aishell", tmp_path, split="test", languages=["en"])
    transcripts = home / "transcript" / "aishell_transcript_v0.8.txt"
    write_lines(transcripts, "BAC009S0764W0121")
    with pytest.raises(HarkenError, match=r"line 1.*words"):
        load_corpus("aishell", tmp_path, split="test")
    transcripts.unlink()
    with pytest.raises(HarkenError, match=r"aishell_transcript_v0.8.txt.*does not exist"):
        load_corpus("aishell", tmp_path, split="test")
