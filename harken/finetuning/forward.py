"""The forward pass that training and measuring share: its precision, what a label costs, how held-out rows fare."""

import contextlib
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from transformers.modeling_outputs import BaseModelOutput

from harken.errors import HarkenError
from harken.finetuning.batches import IGNORED, collate
from harken.finetuning.task import Utterance
from harken.finetuning.workers import Workers
from harken.metrics.error_rates import character_errors
from harken.text import normalise
from harken.whisper import Whisper

_DEV_BATCH = 16


class Forward:
    """A Whisper (with or without adapters in it) that is given the text it should hear.

    Raises:
        HarkenError: the model does not know the language, or the device does not compute in `precision`.
    """

    def __init__(
        self, whisper: Whisper, language: str, precision: Literal["auto", "float32", "bfloat16"] = "auto"
    ) -> None:
        self.whisper = whisper
        self.language = language
        self.prompt = whisper.prompt_tokens(language)
        self.precision = _precision(precision, whisper.device)

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Computes in the precision; parameters and their gradients stay float32."""
        if self.precision == torch.bfloat16:
            return torch.autocast(self.whisper.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    def logits(self, encoded: torch.Tensor, decoder_input: torch.Tensor) -> torch.Tensor:
        """The encoder's (batch, frames, width) and (batch, tokens) -> (batch, tokens, vocabulary)."""
        logits: torch.Tensor = self.whisper.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=encoded), decoder_input_ids=decoder_input
        ).logits
        return logits

    def held_out(self, utterances: Sequence[Utterance], workers: Workers) -> tuple[float, float]:
        """Mean cross-entropy per token and character error rate; all workers share the work and the result."""
        self.whisper.model.eval()
        loss, tokens, errors, characters = 0.0, 0, 0, 0
        by_length = sorted(utterances, key=lambda utterance: (utterance.seconds, utterance.id))
        mine = by_length[workers.rank :: workers.size]
        with torch.inference_mode(), self.autocast():
            for start in range(0, len(mine), _DEV_BATCH):
                batch = mine[start : start + _DEV_BATCH]
                tensors = collate(self.whisper, batch, self.prompt, full_window=True)
                encoded = self.whisper.encode(tensors.features)
                assert encoded.last_hidden_state is not None
                logits = self.logits(encoded.last_hidden_state, tensors.decoder_input)
                loss += cross_entropies(logits, tensors.labels).sum().item()
                tokens += sum(len(utterance.tokens) for utterance in batch)
                limit = 2 * max(len(utterance.tokens) for utterance in batch)
                for utterance, heard in zip(batch, self.whisper.decode(encoded, self.language, limit), strict=True):
                    for count in character_errors(normalise(utterance.text), normalise(heard.text)):
                        errors += count.errors
                        characters += count.units
        sums = torch.tensor([loss, tokens, errors, characters], device=self.whisper.device)
        loss, tokens, errors, characters = workers.sum(sums).tolist()
        return loss / max(tokens, 1), errors / max(characters, 1)


def cross_entropies(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """(batch, tokens, vocabulary) and (batch, tokens) -> (batch, tokens), 0 where the label is ignored."""
    found = F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED, reduction="none")
    return found.view_as(labels)


def _precision(wanted: str, device: torch.device) -> torch.dtype:
    on_gpu = device.type == "cuda"
    if wanted == "float32" or (wanted == "auto" and not on_gpu):
        return torch.float32
    if not on_gpu or torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    if wanted == "auto":
        return torch.float32
    raise HarkenError("finetune.precision", wanted, "This GPU does not compute in bfloat16: use auto or float32.")
