"""The soak: kills happen, and a difference between two datasets is found."""

import json
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.soak import differences, main
from harken.records import write_parquet
from harken.stages import Stage

SCHEMA = pa.schema([("id", pa.string()), ("audio", pa.binary())])


def stage(folder: Path, *shards: list[tuple[str, bytes]]) -> Stage:
    made = Stage.under(folder, "speech", "0" * 16, len(shards))
    for number, rows in enumerate(shards):
        write_parquet(made.part(number), [{"id": name, "audio": audio} for name, audio in rows], SCHEMA)
    return made


def test_equal_datasets_have_no_difference(tmp_path: Path) -> None:
    shards = [("a", b"1"), ("b", b"2")], [("c", b"3")]
    assert differences(stage(tmp_path / "left", *shards), stage(tmp_path / "right", *shards)) == (3, [])


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ([[("a", b"1"), ("b", b"!")], [("c", b"3")]], "shard 0, row b: audio differ"),
        ([[("b", b"2"), ("a", b"1")], [("c", b"3")]], "shard 0, row a: audio, id differ"),
        ([[("a", b"1"), ("b", b"2")], []], "shard 1: 1 rows against 0"),
        ([[("a", b"1"), ("b", b"2")]], "2 shards against 1"),
    ],
)
def test_every_difference_is_told(tmp_path: Path, other: list[list[tuple[str, bytes]]], told: str) -> None:
    left = stage(tmp_path / "left", [("a", b"1"), ("b", b"2")], [("c", b"3")])
    _, found = differences(left, stage(tmp_path / "right", *other))
    assert any(told in difference for difference in found)


@pytest.mark.faults
@pytest.mark.slow
def test_rows_are_the_same_after_kills(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sizes = ["--rows", "96", "--kills", "4", "--set", "labels.rows_per_shard=4"]
    assert main([*sizes, "--json", "--work", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert told["identical"]
    assert told["rows"] == {"labels": 96, "speech": 96}
    assert len(told["kills"]) == 4
