"""Background utterances against which every enrolment is scored once: what its scores are when it is not said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Cohort:
    """Compressed utterances, packed one after another.

    `codes`: int8 (all frames, layers, size), each vector scaled to a largest value of 127; its scale is not kept
    since a cosine does not see it. `offsets`: int64 (utterances + 1,), where each utterance's frames begin.
    """

    codes: Tensor
    offsets: Tensor

    @classmethod
    def pack(cls, utterances: Sequence[Tensor]) -> Cohort:
        """Of compressed utterances, (layers, frames, size) each."""
        packed = torch.cat([utterance.transpose(0, 1) for utterance in utterances]).detach().float().cpu()
        largest = packed.abs().amax(dim=-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
        lengths = torch.tensor([0] + [utterance.shape[1] for utterance in utterances])
        return cls((packed * (127 / largest)).round().to(torch.int8), lengths.cumsum(0))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def utterances(self) -> list[Tensor]:
        """The utterances' frames up to their length, float32 (layers, frames, size)."""
        bounds = self.offsets.tolist()
        return [
            self.codes[start:end].float().transpose(0, 1) for start, end in zip(bounds[:-1], bounds[1:], strict=True)
        ]
