"""Row identities, manifests, and files that are whole or absent."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from harken.errors import HarkenError
from harken.records import (
    fingerprint,
    generator,
    read_manifest,
    read_parquet,
    replace_atomically,
    row_id,
    write_json,
    write_parquet,
)

SCHEMA = pa.schema([("id", pa.string()), ("value", pa.int64())])


def test_identities_depend_on_stage_seed_and_index_only() -> None:
    identities = {row_id(stage, seed, index) for stage in "ab" for seed in (0, 1) for index in range(50)}
    assert len(identities) == 200
    assert row_id("a", 0, 7) == row_id("a", 0, 7)


def test_random_choices_follow_the_identity_and_the_purpose() -> None:
    assert generator("x", "voice").random() == generator("x", "voice").random()
    assert generator("x", "voice").random() != generator("x", "noise").random()
    assert generator("x", "voice").random() != generator("y", "voice").random()


def test_a_fingerprint_ignores_the_order_of_keys_but_not_values() -> None:
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": 2})


def test_parquet_comes_back_as_written(tmp_path: Path) -> None:
    rows = [{"id": "a", "value": 1}, {"id": "b", "value": None}]
    write_parquet(tmp_path / "deep" / "part.parquet", rows, SCHEMA)
    assert read_parquet(tmp_path / "deep" / "part.parquet") == rows
    assert read_parquet(tmp_path / "deep" / "part.parquet", ["id"]) == [{"id": "a"}, {"id": "b"}]


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"
    write_json(path, {"a": 1})

    def half(temporary: str) -> None:
        Path(temporary).write_text("half", encoding="utf-8")
        raise OSError(28, "No space left on device")

    with pytest.raises(HarkenError, match="No space left on device"):
        replace_atomically(path, half)
    assert json.loads(path.read_text(encoding="utf-8")) == {"a": 1}
    assert [entry.name for entry in tmp_path.iterdir()] == ["figures.json"]


def test_json_refuses_what_is_not_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "x.json", {"a": float("nan")})


def test_a_damaged_part_is_named(tmp_path: Path) -> None:
    path = tmp_path / "part-00000.parquet"
    path.write_bytes(b"PAR1 this is not parquet")
    with pytest.raises(HarkenError, match=r"part-00000\.parquet"):
        read_parquet(path)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "no rows"),
        ("\n\n", "no rows"),
        ('{"id": "a", "text": "x"}\n{"id": \n', "line 2"),
        ('{"id": "a"}\n', "'text'"),
        ('{"id": "a", "text": "  "}\n', "'text'"),
        ('{"id": "a", "text": 3}\n', "'text'"),
        ('["a"]\n', "object"),
        ('{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}\n', "line 1"),
    ],
)
def test_a_broken_manifest_names_the_file_and_the_line(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HarkenError, match=part) as failure:
        read_manifest(path)
    assert "seeds.jsonl" in str(failure.value)


def test_a_manifest_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_bytes('{"id": "a", "text": "喜欢"}'.encode("gb18030"))
    with pytest.raises(HarkenError, match="UTF-8"):
        read_manifest(path)
