"""The learner: a frozen Whisper with LoRA adapters, its optimiser, its curve, and its state from step to step.

A run is a pure function of the task: data order, dropout and masking are derived from the seed and the step, and
the learning rate from the step, so that a checkpoint is the adapter, the optimiser's moments, the step and the curve.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from harken.errors import HarkenError
from harken.finetune_settings import AdaLoraSettings
from harken.finetuning import adapters
from harken.finetuning.batches import IGNORED, Step, Tensors, collate, padding_share, plan_epoch, steps_per_epoch
from harken.finetuning.forward import Forward, cross_entropies
from harken.finetuning.snapshots import Snapshots, best, evaluations, out_of_patience
from harken.finetuning.task import FinetuneTask, load_corpus
from harken.finetuning.weights import KeywordWeights
from harken.finetuning.workers import Workers
from harken.records import fingerprint, generator
from harken.whisper import Device, encode_frames, load_whisper

STATE_FILE = "learner.pt"
SNAPSHOTS = "snapshots"

_CURVE_POINTS = 100


@dataclass(frozen=True)
class Progress:
    """Where a run is after a step; `checkpoint_due` says that now is the time to save, `last` that it is over."""

    step: int
    total_steps: int
    epoch: int
    loss: float
    dev_cer: float
    checkpoint_due: bool
    last: bool


class Learner:
    """One worker's part of a fine-tuning. Every worker of a group builds it from the same task.

    Raises:
        HarkenError: a wrong model or language, LoRA targets the model does not have, keywords' tokens asked for
            without a keyword, too few rows, or a device that cannot compute in the precision asked for.
    """

    def __init__(self, task: FinetuneTask, workers: Workers, device: Device = "auto") -> None:
        self.task = task
        self.settings = task.settings
        self.workers = workers
        self.whisper = load_whisper(task.model, device, dtype=torch.float32)
        self.forward = Forward(self.whisper, task.language, self.settings.precision)
        self.prompt = self.forward.prompt
        positions: int = self.whisper.model.config.max_target_positions
        weight = self.settings.keyword_weight
        self.corpus = load_corpus(
            task,
            self.whisper.text_tokens,
            self.whisper.window_seconds,
            positions - len(self.prompt),
            KeywordWeights(self.whisper, task.keywords, weight) if weight != 1.0 else None,
        )
        self.utterances = [*self.corpus.train, *self.corpus.replay, *self.corpus.real]
        self.steps_per_epoch = steps_per_epoch(
            len(self.corpus.train),
            len(self.corpus.replay),
            self.settings.replay.per_synthetic,
            self.settings.batch_size,
            len(self.corpus.real),
            self.settings.real.per_synthetic,
        )
        self.total_steps = self.settings.epochs * self.steps_per_epoch
        self.network = self.adapted(self.whisper.model)
        self.trainable = [parameter for _, parameter in adapters.trainable(self.network)]
        self._frozen = sum(p.numel() for p in self.network.parameters()) - sum(p.numel() for p in self.trainable)
        self.optimiser = torch.optim.AdamW(
            self.trainable, lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay, fused=True
        )
        self.done = 0
        self.curve: list[dict[str, Any]] = []
        self.snapshots = Snapshots(task.directory / SNAPSHOTS)
        self.wanted: str = self.settings.selection.weights
        if self.wanted == "auto":
            self.wanted = "lowest" if self.corpus.dev_real else "last"
        self.taken: dict[str, Any] = {}
        self._losses: list[float] = []
        self._epoch_plan: tuple[int, list[Step]] = (-1, [])

    def run(self) -> Iterator[Progress]:
        """Learn from the current step to the last, or until patience is out; all workers see the same progress."""
        if not self.curve:
            self._measure()
        interval = max(1, self.total_steps // _CURVE_POINTS)
        while not self.over():
            loss = self.step()
            self._losses.append(loss)
            if self.done % interval == 0 or self.done == self.total_steps:
                mean = sum(self._losses) / len(self._losses)
                self._point().update(train_loss=mean, learning_rate=self.learning_rate(self.done - 1))
                self._losses.clear()
            if self.done % (self.settings.selection.every_steps or self.steps_per_epoch) == 0 or self._exhausted():
                self._measure()
                self._keep_snapshot()
            last = self.over()
            due = self.done % self.settings.checkpoint_every_steps == 0 or last
            epoch = (self.done - 1) // self.steps_per_epoch
            dev_cer = evaluations(self.curve)[-1].cer
            yield Progress(self.done, self.total_steps, epoch, loss, dev_cer, due, last)

    def over(self) -> bool:
        """Whether there is nothing more to learn: every step is done, or the held-out error stopped falling."""
        patience = self.settings.selection.patience
        return self._exhausted() or out_of_patience(evaluations(self.curve), patience)

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then as `schedule` says; cosine and line end at zero."""
        warmup = self.settings.warmup_fraction * self.total_steps
        if self.settings.warmup_steps is not None:
            warmup = self.settings.warmup_steps
        if step < warmup:
            return self.settings.learning_rate * (step + 1) / (warmup + 1)
        progress = (step - warmup) / max(self.total_steps - warmup, 1)
        if self.settings.schedule == "constant":
            return self.settings.learning_rate
        if self.settings.schedule == "linear":
            return self.settings.learning_rate * (1 - progress)
        return self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))

    def step(self) -> float:
        """One optimiser step over all workers; returns the batch's mean cross-entropy per (weighted) token.

        A token of the batch weighs the same wherever it is computed, so the number of workers and
        `micro_batch_size` change the result by rounding (and the drawing of dropout) only.
        """
        plan = self._plan()
        weight = sum(self.utterances[index].weight for index in plan.indices)
        mine = plan.indices[self.workers.rank :: self.workers.size]
        torch.manual_seed(int(fingerprint("dropout", self.task.seed, self.done, self.workers.rank), 16) % 2**63)
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.whisper.device)
        size = self.settings.micro_batch_size
        for start in range(0, len(mine), size):
            loss = self._loss(mine[start : start + size], plan.full_windows) / weight
            loss.backward()
            total += loss.detach()
        if self.settings.lora.variant == "adalora" and self.workers.rank == 0:
            # It depends on no row, and the gradients of all workers are added.
            options = self.settings.lora.adalora or AdaLoraSettings()
            (options.orthogonality * adapters.orthogonality(self.network)).backward()
        self.workers.sum_gradients(self.trainable)
        torch.nn.utils.clip_grad_norm_(self.trainable, self.settings.max_gradient_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate(self.done)
        self.optimiser.step()
        self.done += 1
        adapters.allocate_ranks(self.network, self.done)
        return self.workers.sum(total).item()

    def save(self, folder: Path) -> None:
        """Write all that `restore` needs to go on exactly from here."""
        state = {
            **adapters.read_state(self.network),
            "step": self.done,
            "optimiser": self.optimiser.state_dict(),
            "curve": self.curve,
            "losses": self._losses,
        }
        torch.save(state, folder / STATE_FILE)

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        state = torch.load(folder / STATE_FILE, map_location=self.whisper.device, weights_only=True)
        adapters.write_state(self.network, state)
        self.optimiser.load_state_dict(state["optimiser"])
        self.done, self.curve, self._losses = state["step"], state["curve"], state["losses"]

    def facts(self) -> dict[str, Any]:
        """What a report says about the run besides its curve."""
        padding = {
            name: padding_share(self._epoch(0, bucketing), self.utterances, self.whisper.window_seconds)
            for name, bucketing in (("padding", self.settings.bucketing), ("padding_unbucketed", False))
        }
        return {
            "trainable_parameters": sum(parameter.numel() for parameter in self.trainable),
            "parameters": self._frozen,
            "variant": self.settings.lora.variant,
            "precision": str(self.forward.precision).removeprefix("torch."),
            "steps": self.done,
            "planned_steps": self.total_steps,
            "train_utterances": len(self.corpus.train),
            "replay_utterances": len(self.corpus.replay),
            "real_utterances": len(self.corpus.real),
            "dev_utterances": len(self.corpus.dev),
            "dev_replay_utterances": len(self.corpus.dev_replay),
            "dev_real_utterances": len(self.corpus.dev_real),
            "left_out": dict(self.corpus.left_out),
            "taken": self.taken,
            **padding,
        }

    def adapted(self, model: Any) -> Any:
        """Fresh adapters in a model, as the task asks for them."""
        lora = self.settings.lora
        tokens = self._keyword_tokens() if lora.tokens == "keywords" else ()
        return adapters.adapt(model, lora, self.task.model, self.task.seed, self.total_steps, tokens)

    def _keyword_tokens(self) -> list[int]:
        """Every token of a keyword at the start of a text or after a space."""
        if not self.task.keywords:
            remedy = "There are no keywords: give the task some, or set finetune.lora.tokens to none."
            raise HarkenError("finetune.lora.tokens", self.settings.lora.tokens, remedy)
        written = {f"{lead}{keyword.term}" for keyword in self.task.keywords for lead in ("", " ")}
        return sorted({token for text in written for token in self.whisper.text_tokens(text)[:-1]})

    def _plan(self) -> Step:
        epoch, position = divmod(self.done, self.steps_per_epoch)
        if self._epoch_plan[0] != epoch:
            self._epoch_plan = (epoch, self._epoch(epoch, self.settings.bucketing))
        return self._epoch_plan[1][position]

    def _epoch(self, epoch: int, bucketing: bool) -> list[Step]:
        return plan_epoch(
            self.corpus.train,
            self.corpus.replay,
            per_synthetic=self.settings.replay.per_synthetic,
            batch_size=self.settings.batch_size,
            full_windows=self.settings.full_windows,
            seed=self.task.seed,
            epoch=epoch,
            real=self.corpus.real,
            real_per_synthetic=self.settings.real.per_synthetic,
            bucketing=bucketing,
        )

    def _tensors(self, indices: Sequence[int], full_windows: bool) -> Tensors:
        batch = [self.utterances[index] for index in indices]
        draws = [generator("mask", self.task.seed, self.done, utterance.id) for utterance in batch]
        return collate(
            self.whisper, batch, self.prompt, full_window=full_windows, augmentation=draws, masks=self.settings.masks
        )

    def _loss(self, indices: Sequence[int], full_windows: bool) -> torch.Tensor:
        """Summed over tokens by their weight: cross-entropy; for replayed rows partly the distance to the base.

        The latter is learning without forgetting (Li and Hoiem 2016), with the replay as the old task's data.
        """
        tensors = self._tensors(indices, full_windows)
        share = self.settings.replay.distillation
        first = len(self.corpus.train)
        replayed = [row for row, index in enumerate(indices) if first <= index < first + len(self.corpus.replay)]
        with self.forward.autocast():
            encoded = encode_frames(self.whisper.model.get_encoder(), tensors.features)
            logits = self.forward.logits(encoded, tensors.decoder_input)
            losses = cross_entropies(logits, tensors.labels) * tensors.weights
            if not share or not replayed:
                return losses.sum()
            old = tensors.rows(replayed)
            with torch.no_grad(), self.network.disable_adapter():
                # Without adapters in the encoder both models hear the same.
                adapted = "encoder" in self.settings.lora.parts
                base = encode_frames(self.whisper.model.get_encoder(), old.features) if adapted else encoded[replayed]
                taught = self.forward.logits(base, old.decoder_input).float().log_softmax(dim=-1)
            heard = logits[replayed].float().log_softmax(dim=-1)
            distance = F.kl_div(heard, taught, reduction="none", log_target=True).sum(dim=-1)
            distance = distance.masked_fill(old.labels == IGNORED, 0.0) * old.weights
            return losses.sum() + share * (distance.sum() - losses[replayed].sum())

    def _exhausted(self) -> bool:
        return self.done >= self.total_steps

    def _keep_snapshot(self) -> None:
        selection, found = self.settings.selection, evaluations(self.curve)
        if self.wanted == "last" or self.workers.rank != 0:
            return
        self.snapshots.write(self.done, adapters.read_state(self.network))
        self.snapshots.keep({best(found).step, *(evaluation.step for evaluation in found[-selection.average :])})

    def _measure(self) -> None:
        """Loss and CER on the held-out rows, put into the curve."""
        point = self._point()
        for prefix, utterances in (
            ("dev", self.corpus.dev),
            ("dev_replay", self.corpus.dev_replay),
            ("dev_real", self.corpus.dev_real),
        ):
            if utterances:
                loss, cer = self.forward.held_out(utterances, self.workers)
                point.update({f"{prefix}_loss": loss, f"{prefix}_cer": cer})

    def _point(self) -> dict[str, Any]:
        """The curve's point at the current step."""
        if not self.curve or self.curve[-1]["step"] != self.done:
            self.curve.append({"step": self.done, "epoch": self.done / self.steps_per_epoch})
        return self.curve[-1]
