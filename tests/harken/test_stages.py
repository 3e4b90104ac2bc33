"""Stages on disk: what counts as done."""

from pathlib import Path

import pyarrow as pa

from harken.records import FAILED, OK, write_parquet
from harken.stages import Stage, cause

SCHEMA = pa.schema([("id", pa.string()), ("status", pa.string()), ("error", pa.string())])


def make(stage: Stage, shard: int, *errors: str | None) -> None:
    rows = [
        {"id": f"{shard}-{index}", "status": FAILED if error else OK, "error": error}
        for index, error in enumerate(errors)
    ]
    write_parquet(stage.part(shard), rows, SCHEMA)


def test_a_stage_is_complete_only_with_every_part_and_the_marker(tmp_path: Path) -> None:
    stage = Stage.under(tmp_path, "speech", "abc", 2)
    make(stage, 0, None)
    assert stage.missing() == [1]
    make(stage, 1, None)
    assert not stage.complete()
    stage.finish(1.0)
    assert stage.complete()
    stage.part(0).unlink()
    assert not stage.complete()


def test_the_record_counts_rows_and_failures_by_cause(tmp_path: Path) -> None:
    stage = Stage.under(tmp_path, "speech", "abc", 2)
    make(stage, 0, None, "too long: 31 s", "synthesis: silence")
    make(stage, 1, "too long: 40 s", None)
    record = stage.finish(2.345, {"hours": 1})
    assert record["rows"] == 5
    assert record["failed"] == 3
    assert list(record["failures"].items()) == [("too long", 2), ("synthesis", 1)]
    assert record["hours"] == 1
    assert stage.record() == record


def test_rows_come_in_order_across_parts(tmp_path: Path) -> None:
    stage = Stage.under(tmp_path, "speech", "abc", 3)
    for shard in (2, 0, 1):
        make(stage, shard, None, None)
    assert [row["id"] for row in stage.rows(["id"])] == ["0-0", "0-1", "1-0", "1-1", "2-0", "2-1"]


def test_another_fingerprint_is_another_folder(tmp_path: Path) -> None:
    first, second = (Stage.under(tmp_path, "speech", mark, 1) for mark in ("abc", "abd"))
    make(first, 0, None)
    assert first.part(0).exists()
    assert not second.part(0).exists()


def test_a_cause_is_what_stands_before_the_colon() -> None:
    assert cause("too long: 31 s of at most 30 s") == "too long"
    assert cause(None) == "unknown"
