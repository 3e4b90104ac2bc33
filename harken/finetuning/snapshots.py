"""The adapters of the last evaluations and of the best one, and the figures that decide among them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from harken.errors import HarkenError
from harken.records import replace_atomically


@dataclass(frozen=True)
class Evaluation:
    """Held-out character error rate and loss after `step` steps; real rows decide when there are any."""

    step: int
    cer: float
    loss: float

    @property
    def rank(self) -> tuple[float, float]:
        """What the lowest of is the best: the error rate, and the loss where two are level."""
        return self.cer, self.loss


def evaluations(curve: Sequence[Mapping[str, Any]]) -> list[Evaluation]:
    """The evaluations in a learning curve, the un-tuned model's (step 0) first."""
    kind = "dev_real" if any("dev_real_cer" in point for point in curve) else "dev"
    measured = (point for point in curve if f"{kind}_cer" in point)
    return [Evaluation(point["step"], point[f"{kind}_cer"], point[f"{kind}_loss"]) for point in measured]


def best(found: Sequence[Evaluation]) -> Evaluation:
    """The best evaluation of a tuned model, the earliest where several are level."""
    return min((evaluation for evaluation in found if evaluation.step), key=lambda evaluation: evaluation.rank)


def out_of_patience(found: Sequence[Evaluation], patience: int | None) -> bool:
    """Whether the last `patience` evaluations brought no lower error rate than those before them."""
    if patience is None or len(found) <= patience:
        return False
    before, after = found[:-patience], found[-patience:]
    return min(evaluation.cer for evaluation in after) >= min(evaluation.cer for evaluation in before)


class Snapshots:
    """Adapter states by step in a folder that every worker sees; each file appears whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, step: int, state: Mapping[str, Any]) -> None:
        """Keep the state of a step.

        Raises:
            HarkenError: the disk is full or the folder cannot be written.
        """
        replace_atomically(self._path(step), lambda temporary: torch.save(dict(state), temporary))

    def read(self, step: int) -> dict[str, Any]:
        """The state of a step.

        Raises:
            HarkenError: it is not there or damaged.
        """
        try:
            state: dict[str, Any] = torch.load(self._path(step), map_location="cpu", weights_only=True)
        except (OSError, RuntimeError, EOFError) as failure:
            remedy = f"It cannot be read ({failure}): put run.output on storage that every worker sees, and run again."
            raise HarkenError("snapshot of the fine-tuning", str(self._path(step)), remedy) from None
        return state

    def keep(self, steps: set[int]) -> None:
        """Delete every snapshot but those of the given steps."""
        for path in self._folder.glob("step-*.pt"):
            if int(path.stem.removeprefix("step-")) not in steps:
                path.unlink(missing_ok=True)

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step:07d}.pt"
