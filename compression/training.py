"""Trains a spotter on pairs: AdamW, checkpoints by validation F1, resumable.

On a CPU an interrupted run ends with the very weights of an uninterrupted one; a GPU adds up gradients in no fixed
order and may differ in the last bits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from compression.centring import PositionMean
from compression.frames import Frames
from compression.objective import pair_loss, parameter_groups, sparsity_loss
from compression.pairs import FrameSource, Pair, PairBatch, batches, collate
from compression.scoring import score_pairs
from compression.spotter import Spotter
from compression.storage import check_tensors, load_spotter, read_tensors, save_spotter, write_tensors
from harken.errors import HarkenError
from harken.finetuning.workers import Workers
from harken.metrics.spotting import best_threshold, f1_score
from harken.records import fingerprint, generator
from harken.spotter_settings import SpotterTrainingSettings

STATE_FILE = "state.safetensors"
BEST_FOLDER = "best"
_OPTIMIZER = "optimizer."
_MODEL = "model."


@dataclass
class Epoch:
    """One finished epoch: mean training loss, validation F1 at its best threshold, layers with influence.

    `gate`: the probability of each of the spotter's layers; None for variants without a gate.
    """

    number: int
    loss: float
    f1: float
    threshold: float
    layers: list[int]
    gate: list[float] | None = None


@dataclass
class Progress:
    """Where training stands. `batch` counts the batches of the running epoch, `losses` sums up theirs."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    losses: float = 0.0
    history: list[Epoch] = field(default_factory=list)

    @property
    def best(self) -> Epoch | None:
        """The first epoch of the highest validation F1, among those with the fewest layers.

        Only while a gate is learnt do epochs differ in layers: F1 alone would choose one before it had selected any.
        """
        return max(self.history, key=lambda epoch: (-len(epoch.layers), epoch.f1), default=None)


class Trainer:
    """Teaches one spotter; `run` continues whatever `folder` holds of an earlier run with the same settings.

    In a torch.distributed group every worker makes one with the same arguments and a folder that all can see: each
    takes its share of every batch, and their gradients are summed.

    Args:
        spotter: on the device to train on.
        settings: how.
        source: the frames of all pairs.
        pairs_of_epoch: the pairs of epoch 0, 1, ...; the same for the same number whenever asked.
        validation: pairs that choose the threshold and the checkpoint.
        folder: holds the resumable state and, under `best/`, the best spotter so far.
        on_step: called after every optimizer step.

    Raises:
        HarkenError: validation without a positive pair.
    """

    def __init__(
        self,
        spotter: Spotter,
        settings: SpotterTrainingSettings,
        source: FrameSource,
        pairs_of_epoch: Callable[[int], Sequence[Pair]],
        validation: Sequence[Pair],
        folder: Path,
        on_step: Callable[[Progress], None] | None = None,
    ) -> None:
        if not any(pair.said for pair in validation):
            raise HarkenError("validation pairs", len(validation), "None is positive: F1 needs at least one.")
        self.spotter, self.settings, self.source = spotter, settings, source
        self.folder = folder
        self.progress = Progress()
        self._pairs_of_epoch, self._validation, self._on_step = pairs_of_epoch, validation, on_step
        self._workers = Workers.current()
        self._device = next(spotter.parameters()).device
        self._identity = fingerprint(spotter.settings.model_dump(mode="json"), settings.model_dump(mode="json"))
        self._optimizer = torch.optim.AdamW(
            parameter_groups(spotter, settings), betas=settings.betas, weight_decay=settings.weight_decay
        )
        self._rates = [group["lr"] for group in self._optimizer.param_groups]

    def run(self) -> Spotter:
        """Train to the end or until patience runs out; returns the best spotter, with its threshold.

        Raises:
            HarkenError: the folder holds a run with other settings, is damaged, or cannot be written.
        """
        if (self.folder / STATE_FILE).exists():
            self._resume()
        elif self.spotter.centring is not None:
            self._fit(self.spotter.centring)
        while self.progress.epoch < self.settings.epochs and not self._out_of_patience():
            self._train_epoch()
            self._validate()
        return load_spotter(self.folder / BEST_FOLDER, self._device)

    def _train_epoch(self) -> None:
        settings, progress = self.settings, self.progress
        parts = list(batches(self._shuffled(progress.epoch), settings.batch_pairs))
        if not parts:
            raise HarkenError("training pairs", progress.epoch, "This epoch has none: check the sampler's inputs.")
        self.spotter.train()
        while progress.batch < len(parts):
            group = parts[progress.batch : progress.batch + settings.accumulation]
            share = (progress.epoch + progress.batch / len(parts)) / settings.epochs
            self._optimizer.zero_grad(set_to_none=True)
            pairs = sum(map(len, group))
            losses = torch.zeros((), dtype=torch.float64, device=self._device)
            for part in group:
                mine = part[self._workers.rank :: self._workers.size]
                if mine:
                    # Each share weighs as much as the pairs it holds, as if all had been one batch.
                    loss = self._loss(collate(mine, self.source).to(self._device), share) * (len(mine) / pairs)
                    loss.backward()
                    losses += loss.detach()
            progress.losses += float(self._workers.sum(losses)) * len(group)
            parameters = list(self.spotter.parameters())
            self._workers.sum_gradients(parameters)
            clip_grad_norm_(parameters, settings.gradient_norm)
            for base, optimized in zip(self._rates, self._optimizer.param_groups, strict=True):
                optimized["lr"] = base * self._rate(share)
            self._optimizer.step()
            progress.batch += len(group)
            progress.step += 1
            if progress.step % settings.checkpoint_steps == 0:
                self._agree_on_statistics()
                self._save()
            if self._on_step is not None:
                self._on_step(progress)

    def _validate(self) -> None:
        """End the epoch: score the validation pairs, keep the spotter if it is the best, save the state."""
        progress = self.progress
        self._agree_on_statistics()
        f1, threshold = self._judge_validation()
        gate = self.spotter.gate
        epoch = Epoch(
            progress.epoch,
            progress.losses / progress.batch,
            f1,
            threshold,
            list(self.spotter.selected_layers()),
            None if gate is None else gate.probabilities().tolist(),
        )
        progress.history.append(epoch)
        progress.epoch, progress.batch, progress.losses = progress.epoch + 1, 0, 0.0
        if progress.best is epoch:
            self.spotter.threshold = threshold
            if self._workers.rank == 0:
                save_spotter(self.spotter, self.folder / BEST_FOLDER)
        # Last: a run that is killed before this trains the epoch again and arrives at the same files.
        self._save()

    def judge(self, pairs: Sequence[Pair]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Logits and labels of pairs, (n,) each, in evaluation mode."""
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.settings.bfloat16):
            scored = score_pairs(self.spotter, self.source, pairs)
        return scored.logits, np.array([pair.said for pair in pairs])

    def _judge_validation(self) -> tuple[float, float]:
        """F1 and threshold, by the first worker: the others must not differ from it by a rounding."""
        verdict = torch.zeros(2, dtype=torch.float64, device=self._device)
        if self._workers.rank == 0:
            scores, labels = self.judge(self._validation)
            threshold = best_threshold(scores, labels, self.settings.beta)
            verdict += torch.tensor([f1_score(scores, labels, threshold), threshold], dtype=torch.float64).to(verdict)
        f1, threshold = self._workers.sum(verdict).tolist()
        return f1, threshold

    def _agree_on_statistics(self) -> None:
        """Batch statistics are of each worker's own share: their mean stands for all from here on."""
        if self._workers.size > 1:
            for buffer in self.spotter.buffers():
                if buffer.is_floating_point():
                    self._workers.sum(buffer).div_(self._workers.size)

    def _loss(self, batch: PairBatch, share: float) -> Tensor:
        loss = pair_loss(self._logits(batch), batch.labels)
        sparsity = sparsity_loss(self.spotter, self.settings, share)
        return loss if sparsity is None else loss + sparsity

    def _logits(self, batch: PairBatch) -> Tensor:
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.settings.bfloat16):
            logits: Tensor = self.spotter(batch.keywords, batch.utterances, batch.pairs)
        return logits

    def _shuffled(self, epoch: int) -> list[Pair]:
        pairs = list(self._pairs_of_epoch(epoch))
        generator("spotter training", self.settings.seed, epoch).shuffle(pairs)
        return pairs

    def _rate(self, share: float) -> float:
        """Factor on the learning rates after `share` of the training: a cosine from 1 to the final rate."""
        final = self.settings.final_learning_rate
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, share)))

    def _out_of_patience(self) -> bool:
        best = self.progress.best if self.spotter.gate is None else None
        return best is not None and self.progress.epoch - 1 - best.number >= self.settings.patience

    def _fit(self, centring: PositionMean) -> None:
        pairs = self._pairs_of_epoch(0)
        keywords = dict.fromkeys(pair.keyword for pair in pairs)
        utterances = dict.fromkeys(pair.utterance for pair in pairs)
        recordings = [(self.source.keyword, name) for name in keywords]
        recordings += [(self.source.utterance, name) for name in utterances]
        centring.fit(Frames.stack([read(name).float()]) for read, name in recordings)

    def _save(self) -> None:
        if self._workers.rank == 0:
            self._write_state()
        # Nobody goes on before the files are there.
        self._workers.sum(torch.zeros(1, device=self._device))

    def _write_state(self) -> None:
        tensors = {_MODEL + name: tensor for name, tensor in self.spotter.state_dict().items()}
        for index, state in self._optimizer.state_dict()["state"].items():
            tensors |= {f"{_OPTIMIZER}{index}.{name}": tensor for name, tensor in state.items()}
        notes = {"identity": self._identity, "progress": asdict(self.progress)}
        write_tensors(self.folder / STATE_FILE, tensors, notes)

    def _resume(self) -> None:
        path = self.folder / STATE_FILE
        tensors, notes = read_tensors(path, self._device)
        if notes.get("identity") != self._identity:
            raise HarkenError(
                "spotter training", str(self.folder), "It was begun with other settings: remove it or choose another."
            )
        model = {name.removeprefix(_MODEL): tensor for name, tensor in tensors.items() if name.startswith(_MODEL)}
        check_tensors(self.spotter.state_dict(), model, path)
        self.spotter.load_state_dict(model)
        moments: dict[int, dict[str, Any]] = {}
        for name, tensor in tensors.items():
            if name.startswith(_OPTIMIZER):
                index, key = name.removeprefix(_OPTIMIZER).split(".")
                # The step count stays on the CPU, as AdamW itself keeps it.
                moments.setdefault(int(index), {})[key] = tensor.cpu() if key == "step" else tensor
        state = self._optimizer.state_dict()
        self._optimizer.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
        stored = notes["progress"]
        history = [Epoch(**epoch) for epoch in stored.pop("history")]
        self.progress = Progress(**stored, history=history)
