"""The learner: a frozen Whisper with LoRA adapters, its optimiser, its curve, and its state from step to step.

A run is a pure function of the task: data order, dropout and masking are derived from the seed and the step, and
the learning rate from the step, so that a checkpoint is the adapter, the optimiser's moments, the step and the curve.
"""

import contextlib
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from peft import LoraConfig, get_peft_model
from transformers.modeling_outputs import BaseModelOutput

from harken.errors import HarkenError
from harken.finetuning.batches import IGNORED, Step, Tensors, collate, plan_epoch, steps_per_epoch
from harken.finetuning.task import FinetuneTask, Utterance, load_corpus
from harken.finetuning.workers import Workers
from harken.metrics.error_rates import character_errors
from harken.records import fingerprint, generator
from harken.text import normalise
from harken.whisper import Device, encode_frames, load_whisper

STATE_FILE = "learner.pt"

_CURVE_POINTS = 100
_DEV_BATCH = 16


@dataclass(frozen=True)
class Progress:
    """Where a run is after a step; `checkpoint_due` says that now is the time to save."""

    step: int
    total_steps: int
    epoch: int
    loss: float
    dev_cer: float | None
    checkpoint_due: bool


class Learner:
    """One worker's part of a fine-tuning. Every worker of a group builds it from the same task.

    Raises:
        HarkenError: a wrong model or language, LoRA targets the model does not have, keywords' tokens asked for
            without a keyword, or too few rows.
    """

    def __init__(self, task: FinetuneTask, workers: Workers, device: Device = "auto") -> None:
        self.task = task
        self.settings = task.settings
        self.workers = workers
        self.whisper = load_whisper(task.model, device, dtype=torch.float32)
        self.prompt = self.whisper.prompt_tokens(task.language)
        positions: int = self.whisper.model.config.max_target_positions
        self.corpus = load_corpus(
            task, self.whisper.text_tokens, self.whisper.window_seconds, positions - len(self.prompt)
        )
        self.utterances = [*self.corpus.train, *self.corpus.replay]
        self.network = self._adapted()
        self.trainable = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        self.optimiser = torch.optim.AdamW(
            self.trainable, lr=self.settings.learning_rate, weight_decay=self.settings.weight_decay, fused=True
        )
        self.steps_per_epoch = steps_per_epoch(
            len(self.corpus.train),
            len(self.corpus.replay),
            self.settings.replay.per_synthetic,
            self.settings.batch_size,
        )
        self.total_steps = self.settings.epochs * self.steps_per_epoch
        self.done = 0
        self.curve: list[dict[str, Any]] = []
        self._losses: list[float] = []
        self._epoch_plan: tuple[int, list[Step]] = (-1, [])

    def run(self) -> Iterator[Progress]:
        """Learn from the current step to the last; all workers see the same progress."""
        if not self.curve:
            self._measure()
        interval = max(1, self.total_steps // _CURVE_POINTS)
        while self.done < self.total_steps:
            loss = self.step()
            self._losses.append(loss)
            if self.done % interval == 0 or self.done == self.total_steps:
                mean = sum(self._losses) / len(self._losses)
                self._point().update(train_loss=mean, learning_rate=self.learning_rate(self.done - 1))
                self._losses.clear()
            if self.done % self.steps_per_epoch == 0:
                self._measure()
            due = self.done % self.settings.checkpoint_every_steps == 0 or self.done == self.total_steps
            epoch = (self.done - 1) // self.steps_per_epoch
            yield Progress(self.done, self.total_steps, epoch, loss, self._last_dev_cer(), due)

    def learning_rate(self, step: int) -> float:
        """Linear warm-up, then a cosine that ends at zero."""
        warmup = self.settings.warmup_fraction * self.total_steps
        if step < warmup:
            return self.settings.learning_rate * (step + 1) / (warmup + 1)
        progress = (step - warmup) / max(self.total_steps - warmup, 1)
        return self.settings.learning_rate * 0.5 * (1 + math.cos(math.pi * progress))

    def step(self) -> float:
        """One optimiser step over all workers; returns the batch's mean cross-entropy per token.

        Every token of the batch weighs the same wherever it is computed, so the number of workers and
        `micro_batch_size` change the result by rounding (and the drawing of dropout) only.
        """
        plan = self._plan()
        tokens = sum(len(self.utterances[index].tokens) for index in plan.indices)
        mine = plan.indices[self.workers.rank :: self.workers.size]
        torch.manual_seed(int(fingerprint("dropout", self.task.seed, self.done, self.workers.rank), 16) % 2**63)
        self.network.train()
        self.optimiser.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self.whisper.device)
        size = self.settings.micro_batch_size
        for start in range(0, len(mine), size):
            loss = self._loss(mine[start : start + size], plan.full_windows) / tokens
            loss.backward()
            total += loss.detach()
        self.workers.sum_gradients(self.trainable)
        torch.nn.utils.clip_grad_norm_(self.trainable, self.settings.max_gradient_norm)
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate(self.done)
        self.optimiser.step()
        self.done += 1
        return self.workers.sum(total).item()

    def save(self, folder: Path) -> None:
        """Write all that `restore` needs to go on exactly from here."""
        state = {
            "step": self.done,
            "adapter": {name: tensor.detach().cpu() for name, tensor in self._named_trainable()},
            "optimiser": self.optimiser.state_dict(),
            "curve": self.curve,
            "losses": self._losses,
        }
        torch.save(state, folder / STATE_FILE)

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        state = torch.load(folder / STATE_FILE, map_location=self.whisper.device, weights_only=True)
        with torch.no_grad():
            for name, parameter in self._named_trainable():
                parameter.copy_(state["adapter"][name])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done, self.curve, self._losses = state["step"], state["curve"], state["losses"]

    def facts(self) -> dict[str, Any]:
        """What a report says about the run besides its curve."""
        trainable = sum(parameter.numel() for parameter in self.trainable)
        return {
            "trainable_parameters": trainable,
            "parameters": sum(parameter.numel() for parameter in self.network.parameters()) - trainable,
            "steps": self.total_steps,
            "train_utterances": len(self.corpus.train),
            "replay_utterances": len(self.corpus.replay),
            "dev_utterances": len(self.corpus.dev),
            "dev_replay_utterances": len(self.corpus.dev_replay),
            "left_out": dict(self.corpus.left_out),
        }

    def _adapted(self) -> Any:
        lora = self.settings.lora
        torch.manual_seed(self.task.seed)
        # PEFT uses alpha / rank only and takes any number, whatever its annotation says.
        alpha: Any = lora.alpha
        # PEFT takes a string as an expression that the whole name of a module must match.
        parts, targets = ("|".join(map(re.escape, names)) for names in (lora.parts, lora.targets))
        config = LoraConfig(
            r=lora.rank,
            lora_alpha=alpha,
            lora_dropout=lora.dropout,
            target_modules=rf"(?:.*\.)?(?:{parts})\.(?:.*\.)?(?:{targets})",
            trainable_token_indices={"embed_tokens": self._keyword_tokens()} if lora.tokens == "keywords" else None,
        )
        try:
            with warnings.catch_warnings():
                # PEFT asks transformers for an attribute that is about to be renamed.
                warnings.simplefilter("ignore", FutureWarning)
                network = get_peft_model(self.whisper.model, config)
        except ValueError as failure:
            reason = str(failure).splitlines()[0]
            raise HarkenError(
                "finetune.lora.targets", lora.targets, f"The model does not have them ({reason})."
            ) from None
        network.peft_config["default"].base_model_name_or_path = self.task.model
        return network

    def _keyword_tokens(self) -> list[int]:
        """Every token of a keyword at the start of a text or after a space; Whisper's output layer shares them."""
        if not self.task.keywords:
            remedy = "There are no keywords: give the task some, or set finetune.lora.tokens to none."
            raise HarkenError("finetune.lora.tokens", self.settings.lora.tokens, remedy)
        written = {f"{lead}{term}" for term in self.task.keywords for lead in ("", " ")}
        return sorted({token for text in written for token in self.whisper.text_tokens(text)[:-1]})

    def _named_trainable(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        return ((name, tensor) for name, tensor in self.network.named_parameters() if tensor.requires_grad)

    def _plan(self) -> Step:
        epoch, position = divmod(self.done, self.steps_per_epoch)
        if self._epoch_plan[0] != epoch:
            steps = plan_epoch(
                self.corpus.train,
                self.corpus.replay,
                per_synthetic=self.settings.replay.per_synthetic,
                batch_size=self.settings.batch_size,
                full_windows=self.settings.full_windows,
                seed=self.task.seed,
                epoch=epoch,
            )
            self._epoch_plan = (epoch, steps)
        return self._epoch_plan[1][position]

    def _tensors(self, indices: Sequence[int], full_windows: bool) -> Tensors:
        batch = [self.utterances[index] for index in indices]
        draws = [generator("mask", self.task.seed, self.done, utterance.id) for utterance in batch]
        return collate(self.whisper, batch, self.prompt, full_window=full_windows, augmentation=draws)

    def _loss(self, indices: Sequence[int], full_windows: bool) -> torch.Tensor:
        """Summed over tokens: cross-entropy; for replayed rows partly the distance to the un-tuned model.

        The latter is learning without forgetting (Li and Hoiem 2016), with the replay as the old task's data.
        """
        tensors = self._tensors(indices, full_windows)
        share = self.settings.replay.distillation
        replayed = [row for row, index in enumerate(indices) if index >= len(self.corpus.train)]
        with self._autocast():
            encoded = encode_frames(self.whisper.model.get_encoder(), tensors.features)
            logits = self._logits(encoded, tensors.decoder_input)
            losses = _cross_entropies(logits, tensors.labels)
            if not share or not replayed:
                return losses.sum()
            old = tensors.rows(replayed)
            with torch.no_grad(), self.network.disable_adapter():
                # Without adapters in the encoder both models hear the same.
                adapted = "encoder" in self.settings.lora.parts
                base = encode_frames(self.whisper.model.get_encoder(), old.features) if adapted else encoded[replayed]
                taught = self._logits(base, old.decoder_input).float().log_softmax(dim=-1)
            heard = logits[replayed].float().log_softmax(dim=-1)
            distance = F.kl_div(heard, taught, reduction="none", log_target=True).sum(dim=-1)
            distance = distance.masked_fill(old.labels == IGNORED, 0.0)
            return losses.sum() + share * (distance.sum() - losses[replayed].sum())

    def _logits(self, encoded: torch.Tensor, decoder_input: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.whisper.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded), decoder_input_ids=decoder_input
        ).logits
        return logits

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        on_gpu = self.whisper.device.type == "cuda"
        if on_gpu and torch.cuda.is_bf16_supported():
            return torch.autocast("cuda", torch.bfloat16)
        return contextlib.nullcontext()

    def _measure(self) -> None:
        """Loss and CER on the held-out rows, put into the curve."""
        point = self._point()
        for prefix, utterances in (("dev", self.corpus.dev), ("dev_replay", self.corpus.dev_replay)):
            if utterances:
                loss, cer = self._held_out(utterances)
                point.update({f"{prefix}_loss": loss, f"{prefix}_cer": cer})

    def _held_out(self, utterances: Sequence[Utterance]) -> tuple[float, float]:
        self.network.eval()
        loss, tokens, errors, characters = 0.0, 0, 0, 0
        by_length = sorted(utterances, key=lambda utterance: (utterance.seconds, utterance.id))
        mine = by_length[self.workers.rank :: self.workers.size]
        with torch.inference_mode(), self._autocast():
            for start in range(0, len(mine), _DEV_BATCH):
                batch = mine[start : start + _DEV_BATCH]
                tensors = collate(self.whisper, batch, self.prompt, full_window=True)
                encoded = self.whisper.encode(tensors.features)
                assert encoded.last_hidden_state is not None
                logits = self._logits(encoded.last_hidden_state, tensors.decoder_input)
                loss += _cross_entropies(logits, tensors.labels).sum().item()
                tokens += sum(len(utterance.tokens) for utterance in batch)
                limit = 2 * max(len(utterance.tokens) for utterance in batch)
                for utterance, heard in zip(
                    batch, self.whisper.decode(encoded, self.task.language, limit), strict=True
                ):
                    for count in character_errors(normalise(utterance.text), normalise(heard.text)):
                        errors += count.errors
                        characters += count.units
        sums = torch.tensor([loss, tokens, errors, characters], device=self.whisper.device)
        loss, tokens, errors, characters = self.workers.sum(sums).tolist()
        return loss / max(tokens, 1), errors / max(characters, 1)

    def _point(self) -> dict[str, Any]:
        """The curve's point at the current step."""
        if not self.curve or self.curve[-1]["step"] != self.done:
            self.curve.append({"step": self.done, "epoch": self.done / self.steps_per_epoch})
        return self.curve[-1]

    def _last_dev_cer(self) -> float | None:
        return next((point["dev_cer"] for point in reversed(self.curve) if "dev_cer" in point), None)


def _cross_entropies(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(batch, tokens, vocabulary) and (batch, tokens) -> (batch, tokens), 0 where the label is ignored."""
    found = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="none")
    return found.view_as(labels)
