"""`maxsim` of int8 frames as one fused Triton kernel: a map lives in registers only, a block of enrolments at a time.

A program takes a block of enrolments of like length and one slope. For each step of the path it multiplies the
block's frames at that step with the utterance's frames, shifted by what the slope has gained, and adds the products
up: a tensor-core product is the map's diagonal already, and nothing is written but the best sum and its column.
Everything is integer arithmetic, so that sums are exactly those of `maxsim`, on any device.

The module imports without Triton; `available` says whether the kernel can run.
"""

from __future__ import annotations

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compression.diagonals import SLOPES, Diagonals, diagonal_shifts
from compression.maxsim import UNIT, PackedFrames
from harken.errors import HarkenError

# PyTorch's CPU builds come without it.
triton: Any = import_module("triton") if find_spec("triton") else None
tl: Any = import_module("triton.language") if triton else None

# Values of a frame that one product takes: the least depth of an int8 tensor-core product.
_DEPTH = 32
_ENROLMENTS = 64
_COLUMNS = 128


def available() -> bool:
    """Whether Triton is there, and a GPU or its interpreter (environment variable TRITON_INTERPRET)."""
    return triton is not None and (torch.cuda.is_available() or _interpreted())


def maxsim_triton(frames: PackedFrames, utterance: Tensor, slopes: tuple[float, ...] = SLOPES) -> Diagonals:
    """What `maxsim` gives of codes.

    Args:
        frames: int8 codes on the GPU; sorted by length they cost no more than they hold.
        utterance: (layers, frames, size), int8 codes on the same device, at least one frame.
        slopes: utterance frames per enrolment frame that are tried.

    Raises:
        HarkenError: no Triton, no GPU, or frames that are not int8.
    """
    if not available():
        raise HarkenError("kernel", "maxsim_triton", "It needs Triton and a GPU: use compression.maxsim.maxsim.")
    if (frames.values.dtype, utterance.dtype) != (torch.int8, torch.int8):
        raise HarkenError("frames", str(frames.values.dtype), "The kernel takes int8: see maxsim.unit_codes.")
    device, count, columns = frames.values.device, len(frames), utterance.shape[1]
    if not count:
        return Diagonals(torch.empty(0, device=device), *(frames.lengths.new_empty(0) for _ in range(2)))
    order = frames.lengths.argsort(descending=True, stable=True)
    shifts = diagonal_shifts(int(frames.lengths.max()), slopes).to(device)
    codes, heard = padded_codes(frames.values), padded_codes(utterance.transpose(0, 1))
    # Rows of zeros for the last block's columns and for paths that leave the utterance.
    blocks = triton.cdiv(columns, _COLUMNS)
    heard = F.pad(heard, (0, 0, 0, blocks * _COLUMNS - columns + int(shifts.max())))
    best = torch.empty(len(slopes), count, dtype=torch.int32, device=device)
    first = torch.empty_like(best)
    _paths[(triton.cdiv(count, _ENROLMENTS), len(slopes))](
        codes,
        heard,
        frames.starts,
        frames.lengths,
        order,
        shifts.int(),
        best,
        first,
        count,
        columns,
        shifts.shape[1],
        DEPTH=_DEPTH,
        PARTS=codes.shape[1] // _DEPTH,
        ENROLMENTS=_ENROLMENTS,
        COLUMNS=_COLUMNS,
    )
    # The first of equally good slopes, as in `maxsim`.
    sums, slope = best.max(dim=0)
    starts = first.gather(0, slope[None])[0].long()
    ends = starts + shifts[slope, frames.lengths - 1] + 1
    return Diagonals(sums.float() / (frames.lengths * (utterance.shape[0] * UNIT**2)), starts, ends)


def padded_codes(values: Tensor) -> Tensor:
    """(frames, layers, size) as (frames, a multiple of the products' depth), zeros at the end; no copy if it fits."""
    flat = values.flatten(1)
    return F.pad(flat, (0, -flat.shape[1] % _DEPTH)).contiguous()


def _interpreted() -> bool:
    return os.environ.get("TRITON_INTERPRET") == "1"


if triton is not None:

    @triton.jit
    def _paths(  # type: ignore[no-untyped-def]
        codes,
        heard,
        starts,
        lengths,
        order,
        shifts,
        best,
        first,
        count,
        columns,
        steps,
        DEPTH: tl.constexpr,  # noqa: N803
        PARTS: tl.constexpr,  # noqa: N803
        ENROLMENTS: tl.constexpr,  # noqa: N803
        COLUMNS: tl.constexpr,  # noqa: N803
    ):
        slope = tl.program_id(1)
        place = tl.program_id(0) * ENROLMENTS + tl.arange(0, ENROLMENTS)
        real = place < count
        member = tl.load(order + place, mask=real, other=0)
        length = tl.load(lengths + member, mask=real, other=0)
        # 64 bits: ten million terms have more values than 32 can count.
        frame = tl.load(starts + member, mask=real, other=0).to(tl.int64)
        depth = tl.arange(0, DEPTH)
        longest = tl.max(length, axis=0)
        top = tl.full((ENROLMENTS,), -(2**31), tl.int32)
        column_of_top = tl.zeros((ENROLMENTS,), tl.int32)
        for begin in range(0, columns, COLUMNS):
            column = begin + tl.arange(0, COLUMNS)
            sums = tl.zeros((ENROLMENTS, COLUMNS), tl.int32)
            for step in range(longest):
                shift = tl.load(shifts + slope * steps + step)
                row = (frame + step) * (PARTS * DEPTH)
                for part in tl.static_range(PARTS):
                    own = tl.load(
                        codes + row[:, None] + part * DEPTH + depth[None, :],
                        mask=(step < length)[:, None],
                        other=0,
                    )
                    other = tl.load(heard + (column + shift)[None, :] * (PARTS * DEPTH) + part * DEPTH + depth[:, None])
                    sums = tl.dot(own, other, acc=sums, out_dtype=tl.int32)
            sums = tl.where((column < columns)[None, :], sums, -(2**31))
            found = tl.max(sums, axis=1)
            where = begin + tl.argmax(sums, axis=1)
            # Strictly better: the first of equally good columns stays.
            column_of_top = tl.where(found > top, where, column_of_top)
            top = tl.maximum(top, found)
        tl.store(best + slope * count + member, top, mask=real)
        tl.store(first + slope * count + member, column_of_top, mask=real)
