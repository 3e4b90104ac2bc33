"""Order-aware late interaction: where in one utterance each of many enrolments fits best, without keeping a map.

ColBERT's MaxSim (Khattab and Zaharia 2020, section 3.2) adds up each query vector's best match and ignores order, by
which anagrams would be the same. Here all frames of an enrolment move along the utterance on one straight path
(`compression.diagonals`): the score is the mean cosine along the best path, over the enrolment's frames and layers.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from compression.diagonals import SLOPES, Diagonals, best_diagonals, diagonal_shifts

# About as many rows of a map as stay in a core's cache while their paths are added up.
_ROWS_AT_ONCE = 4096
_REFERENCE_AT_ONCE = 512


@dataclass(frozen=True)
class PackedFrames:
    """Frames of several enrolments back to back.

    `values`: (all frames, layers, size), float32, each (frame, layer) of length 1. `lengths`: (enrolments,), int64,
    frames of each, at least 1; their sum is the number of frames.
    """

    values: Tensor
    lengths: Tensor

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def starts(self) -> Tensor:
        """(enrolments,), int64: where each one's frames begin."""
        return self.lengths.cumsum(0) - self.lengths

    def select(self, indices: Tensor) -> PackedFrames:
        """The enrolments at `indices`, which may repeat."""
        lengths = self.lengths[indices]
        places = torch.arange(int(lengths.sum()), device=lengths.device)
        shifts = (self.starts[indices] - (lengths.cumsum(0) - lengths)).repeat_interleave(lengths)
        return PackedFrames(self.values[places + shifts], lengths)

    def padded(self) -> Tensor:
        """(enrolments, layers, frames of the longest, size), zeros on padding."""
        rows = self.values.split(self.lengths.tolist())
        return torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True).transpose(1, 2)


def unit_frames(values: Tensor) -> Tensor:
    """Each vector of the last axis scaled to length 1, float32; zeros stay zeros."""
    return F.normalize(values.float(), dim=-1)


def maxsim(frames: PackedFrames, utterance: Tensor, slopes: tuple[float, ...] = SLOPES) -> Diagonals:
    """The best path of every enrolment: what `best_diagonals` finds on the maps of `cosine_maps`, layers averaged.

    The mean of the layers' cosines is one product of unit frames laid end to end, so that one matrix product makes
    all maps of a block; their rows are sorted such that equal steps of all enrolments lie side by side, and a step
    of a path is one addition. Blocks hold enrolments of like length: nothing is spent on padding.

    Args:
        frames: the enrolments.
        utterance: (layers, frames, size), unit frames, at least one.
        slopes: utterance frames per enrolment frame that are tried.

    Returns:
        Per enrolment, in the order given. An end may lie beyond the utterance: such a path lost by it.
    """
    count, columns = len(frames), utterance.shape[1]
    scores = frames.values.new_empty(count)
    starts, ends = frames.lengths.new_empty(count), frames.lengths.new_empty(count)
    if not count:
        return Diagonals(scores, starts, ends)
    order = frames.lengths.argsort(descending=True, stable=True)
    ordered, firsts = frames.lengths[order], frames.starts[order]
    shifts = diagonal_shifts(int(ordered[0]), slopes)
    # Zero frames after the utterance: a path that leaves it gains nothing there.
    heard = F.pad(utterance.transpose(0, 1).flatten(1), (0, 0, 0, int(shifts.max())))
    rows = frames.values.flatten(1)
    block_of = (ordered.cumsum(0) - ordered) // _ROWS_AT_ONCE
    begin = 0
    for size in torch.unique_consecutive(block_of, return_counts=True)[1].tolist():
        block = slice(begin, begin + size)
        lengths = ordered[block]
        best, place = _best_of_block(rows, firsts[block], lengths, heard, shifts, columns)
        places = order[block]
        slope = place // columns
        scores[places] = best / (lengths * utterance.shape[0])
        starts[places] = place % columns
        ends[places] = place % columns + shifts.to(place.device)[slope, lengths - 1] + 1
        begin += size
    return Diagonals(scores, starts, ends)


def maxsim_reference(frames: PackedFrames, utterance: Tensor, slopes: tuple[float, ...] = SLOPES) -> Diagonals:
    """As `maxsim`, by way of the maps: the yardstick of what is faster."""
    found = []
    for chosen in torch.arange(len(frames), device=frames.lengths.device).split(_REFERENCE_AT_ONCE):
        part = frames.select(chosen)
        maps = torch.einsum("nlkd,lud->nku", part.padded(), utterance) / utterance.shape[0]
        found.append(best_diagonals(maps, part.lengths, slopes))
    return Diagonals(*(torch.cat([getattr(part, name) for part in found]) for name in ("scores", "starts", "ends")))


def _best_of_block(
    rows: Tensor, firsts: Tensor, lengths: Tensor, heard: Tensor, shifts: Tensor, columns: int
) -> tuple[Tensor, Tensor]:
    """Of enrolments sorted by falling length the best sum along a path, and its slope * columns + first column."""
    steps = torch.arange(int(lengths[0]), device=rows.device)[:, None]
    real = steps < lengths
    # All first frames, then all second ones of those that have one, and so on.
    products = heard @ rows[(firsts + steps)[real]].T
    bounds = [0, *real.sum(dim=1).cumsum(0).tolist()]
    along = products.new_zeros(len(shifts), columns, len(lengths))
    for path, offsets in zip(along, shifts.tolist(), strict=True):
        for step, (begin, end) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
            shift = offsets[step]
            path[:, : end - begin] += products[shift : shift + columns, begin:end]
    best, place = along.flatten(0, 1).max(dim=0)
    return best, place
