"""Where input rows come from."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from harken.errors import HarkenError
from harken.records import write_parquet
from harken.sources import Indices, Manifest, Parts, Selection


def test_indices_give_stable_unique_identities_in_shards() -> None:
    source = Indices("f", seed=3, count=10, rows_per_shard=4)
    rows = [row for shard in range(source.shards()) for row in source.rows(shard)]
    assert [row["index"] for row in rows] == list(range(10))
    assert len({row["id"] for row in rows}) == 10
    other = Indices("f", seed=3, count=10, rows_per_shard=3)
    assert [row["id"] for shard in range(other.shards()) for row in other.rows(shard)] == [row["id"] for row in rows]


def test_a_manifest_is_cut_into_shards_and_audio_is_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    lines = [{"id": f"{index}", "text": "x", "audio": "clips/a.wav"} for index in range(5)]
    path.write_text("\n".join(json.dumps(line) for line in lines), encoding="utf-8")
    source = Manifest(path, 2)
    assert [len(source.rows(shard)) for shard in range(source.shards())] == [2, 2, 1]
    assert source.rows(2) == [{"id": "4", "text": "x", "audio_path": str(tmp_path / "clips" / "a.wav")}]


def test_a_manifest_that_changed_is_read_again_and_its_rows_belong_to_the_caller(tmp_path: Path) -> None:
    path = tmp_path / "test.jsonl"
    path.write_text('{"id": "a", "text": "x"}', encoding="utf-8")
    source = Manifest(path, 2)
    source.rows(0)[0]["text"] = "changed by who asked"
    assert source.rows(0) == [{"id": "a", "text": "x"}]
    path.write_text('{"id": "a", "text": "xyz"}', encoding="utf-8")
    assert source.rows(0) == [{"id": "a", "text": "xyz"}]


def test_a_manifest_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match=r"gone\.jsonl"):
        Manifest(tmp_path / "gone.jsonl", 2).shards()


def test_a_selection_is_cut_into_shards(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    write_parquet(path, [{"id": name} for name in "abcde"], pa.schema([("id", pa.string())]))
    source = Selection(path, 2)
    assert [[row["id"] for row in source.rows(shard)] for shard in range(source.shards())] == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
    ]


def test_parts_join_columns_of_other_stages_by_identity(tmp_path: Path) -> None:
    left, right = tmp_path / "left.parquet", tmp_path / "right.parquet"
    write_parquet(
        left,
        [{"id": "a", "cer": 0.1}, {"id": "b", "cer": 0.2}],
        pa.schema([("id", pa.string()), ("cer", pa.float64())]),
    )
    write_parquet(
        right,
        [{"id": "b", "text": "乙"}, {"id": "a", "text": "甲"}],
        pa.schema([("id", pa.string()), ("text", pa.string())]),
    )
    rows = Parts([left], ["id", "cer"], beside={"text": [right]}).rows(0)
    assert rows == [{"id": "a", "cer": 0.1, "text": "甲"}, {"id": "b", "cer": 0.2, "text": "乙"}]


def test_a_joined_column_can_have_another_name_there(tmp_path: Path) -> None:
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    schema = pa.schema([("id", pa.string()), ("hypothesis", pa.string())])
    write_parquet(first, [{"id": "a", "hypothesis": "甲"}], schema)
    write_parquet(second, [{"id": "a", "hypothesis": "乙"}], schema)
    source = Parts([first], beside={"second_hypothesis": [second]}, stored_as={"second_hypothesis": "hypothesis"})
    assert source.rows(0) == [{"id": "a", "hypothesis": "甲", "second_hypothesis": "乙"}]
