"""kill -9 of the driver in row stages: nothing finished is lost, nothing is made twice."""

from pathlib import Path

import pytest

from tests.faults.driver import identities, kill_when, parts, run, start

ROWS, PER_SHARD = 96, 4
SHARDS = ROWS // PER_SHARD

pytestmark = pytest.mark.faults


def overrides(output: Path) -> list[str]:
    return [f"run.output={output}", f"labels.count={ROWS}", f"labels.rows_per_shard={PER_SHARD}"]


@pytest.mark.parametrize("committed", [0, 1, 11, 23])
def test_labels_survive_the_driver(tmp_path: Path, committed: int) -> None:
    output, log = tmp_path / "out", tmp_path / "log"
    process = start("labels", overrides(output), log)
    kill_when(process, lambda: len(parts(output, "labels")) >= committed, f"{committed} parts")
    before = parts(output, "labels")
    finished = run("labels", overrides(output), log)
    assert finished.code == 0, finished.output[-3000:]
    after = parts(output, "labels")
    assert len(after) == SHARDS
    assert before.items() <= after.items()
    found = identities(output, "labels")
    assert len(found) == len(set(found)) == ROWS


def test_speech_is_the_same_whether_the_driver_was_killed_or_not(tmp_path: Path) -> None:
    killed, whole, log = tmp_path / "killed", tmp_path / "whole", tmp_path / "log"
    for output in (killed, whole):
        assert run("labels", overrides(output), log).code == 0
    process = start("speech", overrides(killed), log)
    kill_when(process, lambda: len(parts(killed, "speech")) >= 5, "5 parts of speech")
    before = parts(killed, "speech")
    assert run("speech", overrides(killed), log).code == 0
    assert run("speech", overrides(whole), log).code == 0
    assert before.items() <= parts(killed, "speech").items()
    first = [part.read_bytes() for part in parts(killed, "speech")]
    assert first == [part.read_bytes() for part in parts(whole, "speech")]


def test_no_half_written_part_is_ever_visible(tmp_path: Path) -> None:
    output, log = tmp_path / "out", tmp_path / "log"
    for committed in (2, 7, 15):
        process = start("labels", overrides(output), log)
        kill_when(process, lambda wanted=committed: len(parts(output, "labels")) >= wanted, f"{committed} parts")
        assert len(identities(output, "labels")) == len(parts(output, "labels")) * PER_SHARD
