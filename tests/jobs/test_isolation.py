"""Rows that kill their worker: set aside after two tries, whatever stands beside them."""

import multiprocessing
import os
import signal
from pathlib import Path

import pyarrow as pa
import pytest

from harken.errors import HarkenError
from harken.records import FAILED, OK, Row
from harken.settings import PipelineSettings
from harken.sources import Indices
from harken.stages import Stage
from jobs.flow import ShardWorker, run_stage
from jobs.isolation import IsolatedActor, work_in_isolation
from tests.fragile import Fragile

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("index", pa.int64()),
        ("process", pa.int64()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)


@pytest.fixture
def tries(tmp_path: Path) -> Path:
    folder = tmp_path / "tries"
    folder.mkdir()
    return folder


def rows_of(count: int) -> list[Row]:
    return [{"id": f"row-{index}", "index": index} for index in range(count)]


def test_a_deadly_row_is_set_aside_after_two_tries_and_the_others_are_made(tries: Path) -> None:
    with IsolatedActor(Fragile, {"deadly": (1,), "tries": str(tries)}) as actor:
        made = work_in_isolation(actor, rows_of(3), SCHEMA)
    assert [row["id"] for row in made] == ["row-0", "row-1", "row-2"]
    assert [row["status"] for row in made] == [OK, FAILED, OK]
    assert made[1]["error"] == "crash: the worker process died 2 times on this row (signal 11)"
    assert made[1]["index"] == 1
    # Once with the whole shard, then twice alone.
    assert len(list(tries.iterdir())) == 3


def test_a_row_that_dies_once_only_is_made(tries: Path) -> None:
    with IsolatedActor(Fragile, {"deadly": (1,), "tries": str(tries), "once": True}) as actor:
        made = work_in_isolation(actor, rows_of(2), SCHEMA)
    assert [row["status"] for row in made] == [OK, OK]


def test_after_its_share_of_rows_a_process_is_given_up_for_the_next(tmp_path: Path, tries: Path) -> None:
    stage = Stage.under(tmp_path, "made", "f", 5)
    arguments = {"deadly": (7,), "tries": str(tries)}
    worker = ShardWorker(stage, Indices("f", 0, 10, 2), Fragile, arguments, SCHEMA, rows_per_process=4)
    summaries = [worker.attempt(shard) for shard in range(5)]
    assert worker.child is not None
    worker.child.close()
    assert [summary["rows"] for summary in summaries] == [2] * 5
    processes = [row["process"] for row in stage.rows()]
    here, first, second = processes[0], processes[4], processes[8]
    assert here == os.getpid()
    assert processes[:4] == [here] * 4
    assert processes[4:6] == [first] * 2
    assert len({here, first, second}) == 3
    with pytest.raises(ProcessLookupError):
        os.kill(first, 0)
    # A row that kills the child is set aside as in any other.
    assert [row["error"] is None for row in stage.rows()] == [True] * 7 + [False] + [True] * 2


def test_rows_are_not_blamed_for_an_actor_that_cannot_be_built(tries: Path) -> None:
    with (
        IsolatedActor(Fragile, {"deadly": (), "tries": str(tries), "dies_at_once": True}) as actor,
        pytest.raises(HarkenError, match="signal 9"),
    ):
        work_in_isolation(actor, rows_of(2), SCHEMA)


def test_an_exception_of_the_actor_comes_back(tries: Path) -> None:
    with (
        IsolatedActor(Fragile, {"deadly": (1,), "tries": str(tries)}) as actor,
        pytest.raises(RuntimeError, match="KeyError"),
    ):
        actor([{"id": "without an index"}])


@pytest.mark.faults
@pytest.mark.smoke
def test_a_stage_ends_although_a_row_kills_every_worker(
    settings: PipelineSettings, tmp_path: Path, tries: Path
) -> None:
    source = Indices("f", 0, 8, 4)
    stage = Stage.under(tmp_path, "fragile", "f", source.shards())
    record = run_stage(settings, stage, source, Fragile, {"deadly": (5,), "tries": str(tries)}, SCHEMA, workers=1)
    assert record["failures"] == {"crash": 1}
    assert [row["index"] for row in stage.rows() if row["status"] == FAILED] == [5]
    assert [row["index"] for row in stage.rows()] == list(range(8))
    assert not list(stage.directory.rglob("*.begun"))


@pytest.mark.faults
@pytest.mark.smoke
def test_a_process_that_dies_on_a_row_finishes_when_it_is_run_again(
    settings: PipelineSettings, tmp_path: Path, tries: Path
) -> None:
    source = Indices("f", 0, 4, 2)
    stage = Stage.under(tmp_path, "fragile", "f", source.shards())
    work = (settings, stage, source, Fragile, {"deadly": (1,), "tries": str(tries)}, SCHEMA)
    first = multiprocessing.get_context("spawn").Process(target=run_stage, args=work, kwargs={"workers": 0})
    first.start()
    first.join()
    assert first.exitcode == -signal.SIGSEGV
    assert stage.mark(0).exists()
    record = run_stage(*work, workers=0)
    assert record["failures"] == {"crash": 1}
    assert [row["status"] for row in stage.rows()] == [OK, FAILED, OK, OK]


def test_a_shard_that_a_killed_driver_left_is_made_whole(
    settings: PipelineSettings, tmp_path: Path, tries: Path
) -> None:
    source = Indices("f", 0, 4, 2)
    stage = Stage.under(tmp_path, "fragile", "f", source.shards())
    stage.mark(0).parent.mkdir(parents=True)
    stage.mark(0).touch()
    record = run_stage(settings, stage, source, Fragile, {"deadly": (), "tries": str(tries)}, SCHEMA, workers=0)
    assert (record["rows"], record["failed"]) == (4, 0)
    processes = [row["process"] for row in stage.rows()]
    assert os.getpid() not in processes[:2]
    assert processes[2:] == [os.getpid()] * 2
