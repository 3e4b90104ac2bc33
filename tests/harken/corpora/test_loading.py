import json
from pathlib import Path

import pytest

from harken.corpora.loading import load_corpus
from harken.errors import HarkenError
from tests.harken.corpora.recordings import record, write_lines


def write_manifest(folder: Path, *rows: dict) -> Path:
    return write_lines(folder / "set.jsonl", *(json.dumps(row, ensure_ascii=False) for row in rows))


def test_a_manifest_of_recordings_and_texts(tmp_path: Path) -> None:
    wav = record(tmp_path / "clips" / "b.wav")
    path = write_manifest(
        tmp_path,
        {"id": "b", "text": "喜欢手提包", "audio": "clips/b.wav", "language": "zh"},
        {"id": "a", "text": "gosto da bolsa"},
        {"id": "c", "text": "gosta de nada", "audio": "clips/c.wav"},
    )
    corpus = load_corpus("manifest", path, languages=["pt"])
    assert corpus.rows == [{"id": "a", "text": "gosto da bolsa", "audio_path": None, "language": "pt"}]
    assert corpus.without_audio == 1
    write_manifest(tmp_path, {"id": "b", "text": "喜欢手提包", "audio": "clips/b.wav", "language": "zh"})
    assert load_corpus("manifest", path).rows == [
        {"id": "b", "text": "喜欢手提包", "audio_path": str(wav), "language": "zh"}
    ]


def test_a_manifest_needs_languages(tmp_path: Path) -> None:
    path = write_manifest(tmp_path, {"id": "a", "text": "x"})
    with pytest.raises(HarkenError, match=r"row: 'a'. It has no language"):
        load_corpus("manifest", path)
    with pytest.raises(HarkenError, match=r"row: 'a'. It has no language"):
        load_corpus("manifest", path, languages=["pt", "es"])
    assert load_corpus("manifest", path, languages=["pt"]).rows[0]["language"] == "pt"
    with pytest.raises(HarkenError, match="does not exist"):
        load_corpus("manifest", tmp_path / "none.jsonl")
