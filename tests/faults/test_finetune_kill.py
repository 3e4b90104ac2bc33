"""kill -9 of a training worker and of the driver: the run goes on and ends with the very same weights."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harken.finetuning.export import ADAPTER, export
from harken.finetuning.learner import Learner
from harken.finetuning.selection import select
from harken.finetuning.task import FinetuneTask
from harken.finetuning.workers import Workers
from tests.faults.driver import PATIENCE_SECONDS, ROOT, kill
from tests.faults.finetune_driver import TASK
from tests.tiny_finetuning import tiny_task
from tests.tiny_whisper import save_tiny_whisper

pytestmark = [pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(3600)]

# Long enough to be killed in the middle, more than once; a checkpoint is at the end of an epoch only after step 252.
EPOCHS, STEPS_PER_EPOCH, CHECKPOINT_STEPS = 11, 28, 9


@pytest.fixture
def task(tmp_path: Path) -> FinetuneTask:
    model = save_tiny_whisper(tmp_path / "model")
    settings = {"batch_size": 1, "checkpoint_every_steps": CHECKPOINT_STEPS, "selection": {"weights": "best"}}
    task = tiny_task(model, tmp_path, epochs=EPOCHS, **settings)
    (tmp_path / TASK).write_bytes(pickle.dumps(task))
    return task


@pytest.fixture
def expected(task: FinetuneTask, tmp_path: Path) -> dict[str, torch.Tensor]:
    """The weights of a run that nothing disturbed."""
    alone = Learner(task, Workers(), "cpu")
    assert alone.steps_per_epoch == STEPS_PER_EPOCH
    list(alone.run())
    select(alone)
    export(alone, tmp_path / "undisturbed")
    # A finished run's snapshots would be the disturbed one's too.
    shutil.rmtree(task.directory)
    return adapter(tmp_path / "undisturbed")


def adapter(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / ADAPTER / "adapter_model.safetensors")


def start_driver(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.faults.finetune_driver", str(folder)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)


def wait_for_step(task: FinetuneTask, driver: subprocess.Popen[bytes], step: int, after_process: int = 0) -> int:
    """Wait until a worker has come to a step; returns the worker's process."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        assert driver.poll() is None, "the driver ended too soon"
        path = task.directory / "progress.json"
        if path.exists():
            progress = json.loads(path.read_text())
            if progress["step"] >= step and progress["process"] != after_process:
                assert progress["step"] < EPOCHS * STEPS_PER_EPOCH, "the run was over before the kill"
                return int(progress["process"])
        time.sleep(0.02)
    raise AssertionError(f"step {step} never came")


def assert_finished_like(task: FinetuneTask, expected: dict[str, torch.Tensor]) -> None:
    found = adapter(task.directory)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    steps = [point["step"] for point in json.loads((task.directory / "curve.json").read_text())]
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert steps[-1] == EPOCHS * STEPS_PER_EPOCH


def test_a_killed_worker_is_replaced_and_nothing_is_lost(task, expected, tmp_path):
    driver = start_driver(tmp_path)
    worker = wait_for_step(task, driver, 40)
    os.kill(worker, signal.SIGKILL)
    wait_for_step(task, driver, 60, after_process=worker)
    resumed_at = json.loads((task.directory / "progress.json").read_text())["resumed_at"]
    assert resumed_at > 0
    assert resumed_at % STEPS_PER_EPOCH, "resumed at the border of an epoch: nothing of one was at stake"
    assert driver.wait(timeout=PATIENCE_SECONDS) == 0, (tmp_path / "log").read_text()[-3000:]
    assert "a worker was lost; going on from step" in (tmp_path / "log").read_text()
    assert_finished_like(task, expected)


def test_a_killed_driver_is_started_again_and_nothing_is_lost(task, expected, tmp_path):
    worker = 0
    for step in (30, 120):
        driver = start_driver(tmp_path)
        worker = wait_for_step(task, driver, step, after_process=worker)
        kill(driver)
    driver = start_driver(tmp_path)
    assert driver.wait(timeout=PATIENCE_SECONDS) == 0, (tmp_path / "log").read_text()[-3000:]
    assert "resuming" in (tmp_path / "log").read_text()
    assert_finished_like(task, expected)
