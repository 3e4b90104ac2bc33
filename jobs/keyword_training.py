"""Trains one spotter under Ray Train; run again it goes on from its newest state."""

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from ray.train.torch import get_device

from compression.pairs import FrameSource, Pair
from compression.sampler import PairSampler
from compression.spotter import Spotter
from compression.training import Progress, Trainer
from harken.finetuning.workers import Workers
from harken.settings import ClusterSettings
from harken.spotter_settings import SpotterSettings, SpotterTrainingSettings
from jobs.training import bad_input_ends_all, fit
from jobs.training_progress import SECONDS_BETWEEN_NOTES, TrainingProgress, write_progress


@dataclass(frozen=True)
class SpottingTask:
    """One training: everything that a worker needs, and nothing that it has to look up."""

    directory: Path
    spotter: SpotterSettings
    training: SpotterTrainingSettings
    seed: int
    frames: FrameSource
    sampler: PairSampler
    validation: Sequence[Pair]
    use_gpu: bool


def train(task: SpottingTask, name: str, cluster: ClusterSettings, workers: int) -> Path:
    """Train, or go on; returns the folder of the best spotter.

    Raises:
        HarkenError: frames that do not fit the settings, a damaged state, or a full disk.
    """
    fit(name, train_loop, task, task.directory, cluster, workers, task.use_gpu)
    return task.directory / "best"


def train_loop(config: dict[str, Any]) -> None:
    """What each worker runs."""
    task: SpottingTask = config["task"]
    with bad_input_ends_all(task.directory) as over:
        if over:
            return
        device = get_device() if task.use_gpu else torch.device("cpu")
        # The first epoch's pairs are asked for to count the steps, to fit the centring and to learn.
        pairs_of_epoch = functools.lru_cache(maxsize=1)(task.sampler.epoch)
        trainer = Trainer(
            Spotter(task.spotter, task.seed).to(device),
            task.training,
            task.frames,
            pairs_of_epoch,
            task.validation,
            task.directory,
            _Notes(task, len(pairs_of_epoch(0))) if Workers.current().rank == 0 else None,
        )
        trainer.run()


class _Notes:
    """Tells the driver where the training is, now and then."""

    def __init__(self, task: SpottingTask, pairs: int) -> None:
        settings = task.training
        self.task = task
        self.pairs_per_step = settings.batch_pairs * settings.accumulation
        self.total = settings.epochs * -(-pairs // self.pairs_per_step)
        self.resumed_at: int | None = None
        self.noted = 0.0

    def __call__(self, progress: Progress) -> None:
        if self.resumed_at is None:
            self.resumed_at = progress.step - 1
        if time.monotonic() - self.noted < SECONDS_BETWEEN_NOTES and progress.step < self.total:
            return
        self.noted = time.monotonic()
        detail = f"epoch {progress.epoch + 1}, loss {progress.losses / progress.batch:.4f}"
        if progress.best is not None:
            detail += f", best F1 {progress.best.f1:.3f}"
        steps = (progress.step, self.total, self.resumed_at, self.pairs_per_step)
        write_progress(self.task.directory, TrainingProgress(*steps, detail))
