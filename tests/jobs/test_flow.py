"""The resumable flow on a real Ray: what is made, what is skipped, and how failures are told."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

from harken.errors import HarkenError
from harken.records import FAILED, OK, Row, read_parquet
from harken.settings import PipelineSettings
from harken.sources import Indices, Parts
from harken.stages import Stage
from jobs.flow import exclusive, run_stage

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("index", pa.int64()),
        ("square", pa.int64()),
        ("process", pa.int64()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)


class Squarer:
    """Squares the index; a multiple of ``poison`` is a failed row."""

    def __init__(self, poison: int = 0, broken: bool = False) -> None:
        if broken:
            raise HarkenError("voice", "nobody", "Choose another.")
        self.poison = poison

    def __call__(self, rows: list[Row]) -> list[Row]:
        return [self._square(row) for row in rows]

    def _square(self, row: Row) -> Row:
        bad = bool(self.poison) and row["index"] % self.poison == 0
        return row | {
            "square": None if bad else row["index"] ** 2,
            "process": os.getpid(),
            "status": FAILED if bad else OK,
            "error": f"poison: {row['index']}" if bad else None,
        }


class Dropper:
    def __call__(self, rows: list[Row]) -> list[Row]:
        return rows[1:]


def stage_of(folder: Path, count: int = 20, per_shard: int = 4) -> tuple[Stage, Indices]:
    source = Indices("f", 0, count, per_shard)
    return Stage.under(folder, "squares", "f", source.shards()), source


def run(
    settings: PipelineSettings, stage: Stage, source: Indices | Parts, workers: int = 2, **arguments: object
) -> dict:
    return run_stage(settings, stage, source, Squarer, arguments, SCHEMA, workers=workers)


def test_every_row_is_made_once_in_order_by_a_pool(settings: PipelineSettings, tmp_path: Path) -> None:
    stage, source = stage_of(tmp_path)
    record = run(settings, stage, source)
    rows = list(stage.rows())
    assert [row["index"] for row in rows] == list(range(20))
    assert [row["square"] for row in rows] == [index**2 for index in range(20)]
    assert os.getpid() not in {row["process"] for row in rows}
    assert (record["rows"], record["failed"]) == (20, 0)
    assert (stage.directory / "config.yaml").exists()
    assert (stage.directory / "provenance.json").exists()


def test_a_finished_stage_is_left_alone(settings: PipelineSettings, tmp_path: Path) -> None:
    stage, source = stage_of(tmp_path)
    run(settings, stage, source, workers=0)
    before = {part: part.stat().st_mtime_ns for part in stage.parts()}
    run(settings, stage, source)
    assert {part: part.stat().st_mtime_ns for part in stage.parts()} == before


def test_only_missing_parts_are_made(settings: PipelineSettings, tmp_path: Path) -> None:
    stage, source = stage_of(tmp_path)
    run(settings, stage, source, workers=0)
    before = {part: part.stat().st_mtime_ns for part in stage.parts()}
    stage.part(3).unlink()
    assert not stage.complete()
    run(settings, stage, source)
    after = {part: part.stat().st_mtime_ns for part in stage.parts()}
    assert {part for part in before if before[part] != after[part]} == {stage.part(3)}


def test_failed_rows_stay_and_are_counted_by_cause(settings: PipelineSettings, tmp_path: Path) -> None:
    stage, source = stage_of(tmp_path)
    record = run(settings, stage, source, poison=7)
    assert record["failures"] == {"poison": 3}
    assert [row["index"] for row in stage.rows() if row["status"] == FAILED] == [0, 7, 14]


def test_a_later_stage_reads_the_parts_of_an_earlier_one(settings: PipelineSettings, tmp_path: Path) -> None:
    first, source = stage_of(tmp_path)
    run(settings, first, source, workers=0)
    second = Stage.under(tmp_path, "again", "g", first.shards)
    run(settings, second, Parts(first.parts(), ["id", "index"]), workers=0)
    assert [row["id"] for row in second.rows()] == [row["id"] for row in first.rows()]


def test_bad_input_found_in_an_actor_reaches_the_driver(settings: PipelineSettings, tmp_path: Path) -> None:
    stage, source = stage_of(tmp_path)
    with pytest.raises(HarkenError, match=r"voice: 'nobody'\. Choose another\."):
        run(settings, stage, source, broken=True)
    assert stage.missing() == list(range(stage.shards))


def test_an_actor_that_loses_rows_is_caught(settings: PipelineSettings, tmp_path: Path) -> None:
    stage, source = stage_of(tmp_path)
    with pytest.raises(RuntimeError, match="dropped"):
        run_stage(settings, stage, source, Dropper, {}, SCHEMA, workers=0)
    assert stage.missing() == list(range(stage.shards))


def test_two_drivers_cannot_work_on_one_stage(settings: PipelineSettings, tmp_path: Path) -> None:
    stage, source = stage_of(tmp_path)
    with exclusive(stage), pytest.raises(HarkenError, match=str(os.getpid())):
        run(settings, stage, source, workers=0)


def test_parts_hold_the_schema_and_nothing_else(settings: PipelineSettings, tmp_path: Path) -> None:
    stage, source = stage_of(tmp_path, count=3)
    run(settings, stage, source, workers=0)
    assert set(read_parquet(stage.part(0))[0]) == set(SCHEMA.names)
