"""Workers that cannot build their actor end the stage with one error instead of being started for ever."""

import multiprocessing
import signal
from pathlib import Path

import pyarrow as pa
import pytest

from harken.errors import HarkenError
from harken.settings import PipelineSettings
from harken.sources import Indices
from harken.stages import Stage
from jobs.building import TRIES, build, forget_deaths
from jobs.flow import run_stage
from tests.fragile import Unbuildable

SCHEMA = pa.schema([("id", pa.string()), ("index", pa.int64()), ("status", pa.string()), ("error", pa.string())])


@pytest.fixture
def tries(tmp_path: Path) -> Path:
    folder = tmp_path / "tries"
    folder.mkdir()
    return folder


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage.under(tmp_path, "unbuildable", "f", 2)


def build_elsewhere(arguments: dict, stage: Stage, worker: str) -> int | None:
    """Build in a process of its own, as Ray does; returns how it ended."""
    process = multiprocessing.get_context("spawn").Process(target=build, args=(Unbuildable, arguments, stage, worker))
    process.start()
    process.join()
    return process.exitcode


@pytest.mark.faults
@pytest.mark.smoke
def test_a_worker_gives_up_after_three_deaths_and_another_does_not(stage: Stage, tries: Path) -> None:
    arguments = {"tries": str(tries), "deaths": TRIES}
    assert [build_elsewhere(arguments, stage, "a") for _ in range(TRIES)] == [-signal.SIGSEGV] * TRIES
    with pytest.raises(HarkenError, match=r"worker of unbuildable: 'died 3 times before it was given a row'"):
        build(Unbuildable, arguments, stage, "a")
    assert len(list(tries.iterdir())) == TRIES
    assert isinstance(build(Unbuildable, arguments, stage, "b"), Unbuildable)
    forget_deaths(stage)
    assert isinstance(build(Unbuildable, arguments, stage, "a"), Unbuildable)
    assert not list(stage.directory.rglob("*.building"))


def test_an_exception_is_no_death(stage: Stage, tries: Path) -> None:
    for _ in range(TRIES + 1):
        with pytest.raises(ValueError, match="weights of another model"):
            build(Unbuildable, {"tries": str(tries), "raises": True}, stage, "a")
    assert not list(stage.directory.rglob("*.building"))


@pytest.mark.faults
def test_a_stage_whose_workers_die_at_once_ends_with_one_error(
    settings: PipelineSettings, stage: Stage, tries: Path
) -> None:
    work = (settings, stage, Indices("f", 0, 4, 2), Unbuildable)
    with pytest.raises(HarkenError, match=r"worker of unbuildable.*memory"):
        run_stage(*work, {"tries": str(tries)}, SCHEMA, workers=1)
    assert len(list(tries.iterdir())) == TRIES
    # What passes after a death goes on, and so does a stage whose workers could not be built in an earlier run.
    again = {"tries": str(tries), "deaths": TRIES + 1}
    assert run_stage(*work, again, SCHEMA, workers=1)["rows"] == 4
    assert len(list(tries.iterdir())) == TRIES + 2
    assert not list(stage.directory.rglob("*.building"))


@pytest.mark.parametrize("workers", [0, 1])
def test_an_exception_of_the_constructor_is_told_with_its_place(
    settings: PipelineSettings, stage: Stage, tries: Path, workers: int
) -> None:
    with pytest.raises(Exception, match=r"weights of another model") as failure:
        run_stage(
            settings,
            stage,
            Indices("f", 0, 4, 2),
            Unbuildable,
            {"tries": str(tries), "raises": True},
            SCHEMA,
            workers=workers,
        )
    assert "fragile.py" in str(failure.value) or any("fragile.py" in str(entry.path) for entry in failure.traceback)
    assert len(list(tries.iterdir())) == 1
