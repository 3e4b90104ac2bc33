"""Where in an utterance a keyword fits best: the mean similarity along diagonals of a few speaking rates."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

SLOPES = (0.72, 0.85, 1.0, 1.18, 1.4)
"""Utterance frames per keyword frame: the same term spoken faster or slower than it was enrolled."""


@dataclass(frozen=True)
class Diagonals:
    """Per pair, shape (pairs,): the mean similarity along the best diagonal, its first column and one past its last."""

    scores: Tensor
    starts: Tensor
    ends: Tensor


def diagonal_shifts(rows: int, slopes: tuple[float, ...] = SLOPES) -> Tensor:
    """Columns from a diagonal's first to that of each row, int64 (slopes, rows)."""
    return (torch.arange(rows) * torch.tensor(slopes)[:, None]).round().long()


def best_diagonals(maps: Tensor, keyword_lengths: Tensor, slopes: tuple[float, ...] = SLOPES) -> Diagonals:
    """The best straight path through each map, from the keyword's first frame to its last.

    Args:
        maps: (pairs, keyword frames, utterance frames), 0 on padding: a path that leaves the utterance loses by it.
        keyword_lengths: (pairs,), real rows of each map.
        slopes: utterance frames per keyword frame that are tried.
    """
    rows, columns = maps.shape[1:]
    scores, starts, ends = [], [], []
    for shifts in diagonal_shifts(rows, slopes).to(maps.device):
        padded = F.pad(maps, (0, int(rows * max(slopes)) + 1))
        index = shifts[:, None] + torch.arange(columns, device=maps.device)
        # Rows beyond the keyword are zeros: the sum is over its own frames.
        along = padded.gather(2, index.expand(len(maps), -1, -1)).sum(dim=1)
        best, start = (along / keyword_lengths[:, None]).max(dim=1)
        scores.append(best)
        starts.append(start)
        ends.append(start + shifts[keyword_lengths - 1] + 1)
    best, slope_index = torch.stack(scores).max(dim=0)
    chosen = slope_index[None]
    return Diagonals(best, torch.stack(starts).gather(0, chosen)[0], torch.stack(ends).gather(0, chosen)[0])
