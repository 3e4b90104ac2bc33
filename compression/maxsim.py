"""Order-aware late interaction: where in one utterance each of many enrolments fits best, without keeping a map.

ColBERT's MaxSim (Khattab and Zaharia 2020, section 3.2) adds up each query vector's best match and ignores order, by
which anagrams would be the same. Here all frames of an enrolment move along the utterance on one straight path
(`compression.diagonals`): the score is the mean cosine along the best path, over the enrolment's frames and layers.

Frames may be int8 codes of one fixed scale (`unit_codes`). Sums of their products are integers that float32 holds, as
long as an enrolment's frames times layers are at most 1,040: then a score is the same to the last bit however
enrolments are blocked, batched or sharded, and on every device.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor

from compression.diagonals import SLOPES, Diagonals, best_diagonals, diagonal_shifts

UNIT = 127
"""The code of 1."""

# About as many rows of a map as stay in a core's cache while their paths are added up.
_ROWS_AT_ONCE = 4096
_REFERENCE_AT_ONCE = 512


@dataclass(frozen=True)
class PackedFrames:
    """Frames of several enrolments back to back.

    `values`: (all frames, layers, size), each (frame, layer) of length 1; float32, or int8 of `unit_codes`.
    `lengths`: (enrolments,), int64, frames of each, at least 1; their sum is the number of frames.
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


def unit_codes(values: Tensor) -> Tensor:
    """Vectors of length 1 as int8 of one fixed scale."""
    return (values * UNIT).round().to(torch.int8)


def maxsim(frames: PackedFrames, utterance: Tensor, slopes: tuple[float, ...] = SLOPES) -> Diagonals:
    """The best path of every enrolment: what `best_diagonals` finds on the maps of `cosine_maps`, layers averaged.

    The mean of the layers' cosines is one product of unit frames laid end to end, so that one matrix product makes
    all maps of a block; their rows are sorted such that equal steps of all enrolments lie side by side, and a step
    of a path is one addition. Blocks hold enrolments of like length: nothing is spent on padding.

    Args:
        frames: the enrolments.
        utterance: (layers, frames, size), unit frames or codes as the enrolments', at least one frame.
        slopes: utterance frames per enrolment frame that are tried.

    Returns:
        Per enrolment, in the order given. An end may lie beyond the utterance: such a path lost by it.
    """
    found = maxsim_places(frames, utterance, 1, slopes)
    return Diagonals(found.scores[:, 0], found.starts[:, 0], found.ends[:, 0])


def maxsim_places(frames: PackedFrames, utterance: Tensor, count: int, slopes: tuple[float, ...] = SLOPES) -> Diagonals:
    """As `maxsim`, with the best `count` places of every enrolment, the best first: tensors (enrolments, count).

    Two places share less than half of the shorter path's frames. Where an utterance has no further place, the score
    is -inf.
    """
    columns = utterance.shape[1]
    scores = torch.full((len(frames), count), float("-inf"), device=frames.values.device)
    starts, ends = (frames.lengths.new_zeros(len(frames), count) for _ in range(2))
    for block in _blocks(frames, utterance, slopes):
        first = torch.arange(columns, device=block.spans.device)[None, :, None]
        for rank in range(count):
            best, place = block.along.flatten(0, 1).max(dim=0)
            slope, start = place // columns, place % columns
            span = block.spans.gather(0, slope[None])[0]
            scores[block.members, rank], starts[block.members, rank] = best, start
            ends[block.members, rank] = start + span
            if rank + 1 < count:
                shared = torch.minimum(first + block.spans[:, None], start + span) - torch.maximum(first, start)
                taken = 2 * shared >= torch.minimum(block.spans[:, None], span)
                block.along.masked_fill_(taken, float("-inf"))
    unit = UNIT**2 if frames.values.dtype == torch.int8 else 1
    return Diagonals(scores / (frames.lengths * (utterance.shape[0] * unit))[:, None], starts, ends)


def maxsim_reference(frames: PackedFrames, utterance: Tensor, slopes: tuple[float, ...] = SLOPES) -> Diagonals:
    """As `maxsim`, by way of the maps: the yardstick of what is faster."""
    scale = (UNIT if frames.values.dtype == torch.int8 else 1) ** 2 * utterance.shape[0]
    found = []
    for chosen in torch.arange(len(frames), device=frames.lengths.device).split(_REFERENCE_AT_ONCE):
        part = frames.select(chosen)
        maps = torch.einsum("nlkd,lud->nku", part.padded().float(), utterance.float()) / scale
        found.append(best_diagonals(maps, part.lengths, slopes))
    return Diagonals(*(torch.cat([getattr(part, name) for part in found]) for name in ("scores", "starts", "ends")))


@dataclass(frozen=True)
class _Block:
    """Enrolments of like length: their indices `members`, and per slope and first column (slopes, columns, members)
    the sum `along` the path; `spans` (slopes, members): columns that the path of each covers."""

    members: Tensor
    along: Tensor
    spans: Tensor


def _blocks(frames: PackedFrames, utterance: Tensor, slopes: tuple[float, ...]) -> Iterator[_Block]:
    if not len(frames):
        return
    columns = utterance.shape[1]
    order = frames.lengths.argsort(descending=True, stable=True)
    ordered, firsts = frames.lengths[order], frames.starts[order]
    shifts = diagonal_shifts(int(ordered[0]), slopes)
    # Zero frames after the utterance: a path that leaves it gains nothing there.
    heard = F.pad(utterance.transpose(0, 1).flatten(1).float(), (0, 0, 0, int(shifts.max())))
    rows = frames.values.flatten(1)
    numbers = (ordered.cumsum(0) - ordered) // _ROWS_AT_ONCE
    begin = 0
    for size in torch.unique_consecutive(numbers, return_counts=True)[1].tolist():
        block = slice(begin, begin + size)
        lengths = ordered[block]
        along = _sums_along(rows, firsts[block], lengths, heard, shifts, columns)
        yield _Block(order[block], along, shifts.to(lengths.device)[:, lengths - 1] + 1)
        begin += size


def _sums_along(rows: Tensor, firsts: Tensor, lengths: Tensor, heard: Tensor, shifts: Tensor, columns: int) -> Tensor:
    """Of enrolments sorted by falling length the sum along each path, (slopes, first columns, enrolments)."""
    steps = torch.arange(int(lengths[0]), device=rows.device)[:, None]
    real = steps < lengths
    # All first frames, then all second ones of those that have one, and so on.
    products = heard @ rows[(firsts + steps)[real]].float().T
    bounds = [0, *real.sum(dim=1).cumsum(0).tolist()]
    along = products.new_zeros(len(shifts), columns, len(lengths))
    for path, offsets in zip(along, shifts.tolist(), strict=True):
        for step, (begin, end) in enumerate(pairwise(bounds)):
            path[:, : end - begin] += products[offsets[step] : offsets[step] + columns, begin:end]
    return along
