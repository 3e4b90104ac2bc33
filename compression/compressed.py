"""Compressed recordings on their own and back to back, as what is learnt from them takes them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from compression.frames import Frames
from compression.maxsim import PackedFrames
from compression.spotter import Spotter

_RECORDINGS_AT_ONCE = 64
# A part of a term that is cut to be spliced: never so much that it is the term itself.
_CUT = (0.35, 0.65)


@torch.inference_mode()
def compress_all(spotter: Spotter, read: Callable[[str], Tensor], names: Sequence[str]) -> dict[str, Tensor]:
    """Kept frames on the CPU, float32 (layers, frames, size), of encoder frames that `read` gives by name."""
    device = next(spotter.parameters()).device
    kept: dict[str, Tensor] = {}
    for start in range(0, len(names), _RECORDINGS_AT_ONCE):
        part = names[start : start + _RECORDINGS_AT_ONCE]
        batch = spotter.compress(Frames.stack([read(name).float() for name in part]).to(device))[0]
        # Copies: a view would keep its whole padded batch in memory.
        kept |= {name: one.cpu().clone() for name, one in zip(part, batch.unstack(), strict=True)}
    return kept


def packed_units(recordings: Sequence[Tensor]) -> PackedFrames:
    """Unit frames of kept frames (layers, frames, size), back to back."""
    rows = [recording.transpose(0, 1) for recording in recordings]
    return PackedFrames(F.normalize(torch.cat(rows).float(), dim=-1), torch.tensor([len(row) for row in rows]))


def spliced(recordings: Sequence[Tensor], count: int, seed: int) -> list[Tensor]:
    """Made-up terms, (layers, frames, size): the first part of one recording and the second part of another.

    Both are drawn at random among those of at least 2 frames; none if there are fewer than two.
    """
    long = [recording for recording in recordings if recording.shape[1] > 1]
    if len(long) < 2:
        return []
    draw = torch.Generator().manual_seed(seed)
    pairs = torch.randint(len(long), (count, 2), generator=draw).tolist()
    shares = (_CUT[0] + (_CUT[1] - _CUT[0]) * torch.rand(count, generator=draw)).tolist()
    made = []
    for (first, second), share in zip(pairs, shares, strict=True):
        before, after = long[first], long[second]
        made.append(
            torch.cat(
                [before[:, : max(1, round(share * before.shape[1]))], after[:, round(share * after.shape[1]) :]], dim=1
            )
        )
    return made
