"""What a term scores in utterances that do not say it, and its scores measured by that."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from compression.diagonals import best_diagonals
from compression.frames import Frames

_RECORDINGS_AT_ONCE = 256
# A term that scores the same everywhere is not infinitely surprising when it scores a little more.
_LEAST_DEVIATION = 1e-3


@torch.inference_mode()
def background_statistics(keywords: Sequence[Tensor], utterances: Sequence[Tensor]) -> Tensor:
    """Mean and standard deviation, float32 (keywords, 2), of each keyword's best path score over the utterances.

    Args:
        keywords: unit vectors (layers, frames, size).
        utterances: the same, of the background.
    """
    statistics = [torch.empty(0, 2)]
    for start in range(0, len(keywords), _RECORDINGS_AT_ONCE):
        batch = Frames.stack(keywords[start : start + _RECORDINGS_AT_ONCE])
        scores = torch.stack([best_paths(batch, utterance)[0] for utterance in utterances]).double()
        deviation, mean = torch.std_mean(scores, dim=0, correction=0)
        statistics.append(torch.stack([mean, deviation], dim=1).float())
    return torch.cat(statistics)


def best_paths(keywords: Frames, utterance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Score, first and one past the last utterance frame, (keywords,) each, of every keyword's best diagonal.

    Args:
        keywords: unit vectors (keywords, layers, frames, size).
        utterance: the same (layers, frames, size); a map is the mean of its layers' cosines.
    """
    maps = torch.einsum("klfs,lts->kft", keywords.without_padding().values, utterance) / len(utterance)
    found = best_diagonals(maps, keywords.lengths)
    return found.scores, found.starts, found.ends


def normed(scores: Tensor, statistics: Tensor) -> Tensor:
    """How many standard deviations scores (..., n) are above what the keywords (n, 2) score in the background."""
    return (scores - statistics[:, 0]) / statistics[:, 1].clamp(min=_LEAST_DEVIATION)
