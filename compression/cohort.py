"""Background utterances in which every enrolment is scored once: what its scores are worth when it is not said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from compression.maxsim import PackedFrames, maxsim

# A term that scores the same everywhere is not infinitely surprising when it scores a little more.
_LEAST_DEVIATION = 1e-3


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
        """The utterances' frames up to their length, float32 (frames, layers, size)."""
        bounds = self.offsets.tolist()
        return [self.codes[start:end].float() for start, end in pairwise(bounds)]


def background_statistics(keywords: PackedFrames, utterances: Sequence[Tensor]) -> Tensor:
    """Mean and standard deviation, float32 (keywords, 2), of each keyword's best path score over utterances.

    Args:
        keywords: unit vectors.
        utterances: unit vectors (layers, frames, size), of the background.
    """
    scores = torch.stack([maxsim(keywords, utterance).scores for utterance in utterances]).double()
    deviation, mean = torch.std_mean(scores, dim=0, correction=0)
    return torch.stack([mean, deviation], dim=1).float()


def normed(scores: Tensor, statistics: Tensor) -> Tensor:
    """How many standard deviations scores (..., n) are above what the keywords, (n, 2), score in the background."""
    return (scores - statistics[:, 0]) / statistics[:, 1].clamp(min=_LEAST_DEVIATION)
