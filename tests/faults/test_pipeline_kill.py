"""kill -9 of the pipeline's driver in every stage: the rerun keeps what was finished and goes on to the end."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults.driver import identities, kill_when, parts, run, start
from tests.small_run import LABELS, small

# Several runs of the pipeline in one test.
pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]


def some_part_of(stage: str) -> Callable[[Path], bool]:
    return lambda output: bool(parts(output, stage))


def a_checkpoint(output: Path) -> bool:
    return any(output.glob("stages/finetune-*/**/checkpoint_*"))


def markers(output: Path) -> dict[Path, int]:
    return {marker: marker.stat().st_mtime_ns for marker in output.glob("stages/*/stage.json")}


MOMENTS: dict[str, Callable[[Path], bool]] = {
    "before the first part": lambda output: any(output.glob("stages/labels-*/config.yaml")),
    "in labels": some_part_of("labels"),
    "in speech": some_part_of("speech"),
    "in the judge": some_part_of("hypotheses-synthetic-base"),
    "in fine-tuning, before a checkpoint": lambda output: any(output.glob("stages/finetune-*/config.yaml")),
    "in fine-tuning, after a checkpoint": a_checkpoint,
    "in evaluation": some_part_of("hypotheses-domain-adapted"),
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_pipeline_goes_on(tmp_path: Path, moment: str) -> None:
    overrides, output, log = small(tmp_path), tmp_path / "run", tmp_path / "log"
    process = start("pipeline", overrides, log)
    kill_when(process, lambda: MOMENTS[moment](output), moment)
    finished, kept = markers(output), parts(output, "*")
    rerun = run("pipeline", overrides, log)
    assert rerun.code == 0, rerun.output[-4000:]
    assert finished.items() <= markers(output).items()
    assert kept.items() <= parts(output, "*").items()
    for stage in ("labels", "speech", "hypotheses-synthetic-base", "verdicts"):
        found = identities(output, stage)
        assert len(found) == len(set(found)) == LABELS, stage
    assert set(json.loads((output / "summary.json").read_text(encoding="utf-8"))) == {"base", "adapted"}


def test_killed_again_and_again_ends_the_same(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    for folder in (whole, killed):
        folder.mkdir()
    for moment in ("in labels", "in speech", "in the judge", "in fine-tuning, after a checkpoint"):
        process = start("pipeline", small(killed), tmp_path / "log")
        kill_when(process, lambda wanted=moment: MOMENTS[wanted](killed / "run"), moment)
    for folder in (killed, whole):
        assert run("pipeline", small(folder), tmp_path / "log").code == 0
    for stage in ("labels", "speech", "hypotheses-synthetic-base", "verdicts"):
        first, second = ([part.read_bytes() for part in parts(folder / "run", stage)] for folder in (whole, killed))
        assert first == second, stage
