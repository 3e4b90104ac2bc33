"""Background utterances in which every enrolment is scored once: what its scores are worth when it is not said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from compression.maxsim import PackedFrames, maxsim

# The statistics of a term are those of one in so many utterances of the cohort.
_NEAREST = 4
# About the deviation of most terms' scores.
_DEVIATION = 0.1


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
    """What each keyword scores in the background, float32 (keywords, 2).

    The mean of its best path scores over the quarter of the utterances in which they are highest: those that are like
    it, as utterances of another language are not (adaptive normalisation of speaker verification, Matejka et al.,
    "Analysis of Score Normalization in Multilingual Speaker Recognition", 2017). And their deviation over all.

    Args:
        keywords: unit vectors.
        utterances: unit vectors (layers, frames, size), of the background.
    """
    scores = torch.stack([maxsim(keywords, utterance).scores for utterance in utterances]).double()
    nearest = scores.topk(-(-len(utterances) // _NEAREST), dim=0).values
    return torch.stack([nearest.mean(dim=0), scores.std(dim=0, correction=0)], dim=1).float()


def normed(scores: Tensor, statistics: Tensor) -> Tensor:
    """How far scores (..., n) are above what the keywords, (n, 2), score in the background, in deviations.

    The deviation is one for all terms: divided by its own, a term that scores nearly the same everywhere stands out by
    nothing, which costs up to one said term in five its first place in a glossary of thousands.
    """
    return (scores - statistics[:, 0]) / _DEVIATION
