"""Vectors in 8 or 4 bits a value: what a glossary stores and a transcriber sends instead of float32.

Each vector has its own scale, its largest absolute value over the largest code, rounded *up* to float16, so that no
code is ever clipped: every value comes back within half its vector's scale, which is 1/254 (8 bits) or 1/14 (4 bits)
of the vector's largest value (times at most 1 + 2^-10 for the rounded scale).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harken.errors import HarkenError

Bits = Literal[8, 4]

LARGEST = {8: 127, 4: 7}
"""The largest code of each width; codes are symmetric, so that zero is exactly zero."""

_LARGEST_SCALE = float(np.finfo(np.float16).max)
# Of each byte of 4-bit codes the value of its low and of its high half, stored with 8 added.
_HALVES = np.stack([np.arange(256) % 16 - 8, np.arange(256) // 16 - 8], axis=1).astype(np.float32)


@dataclass(frozen=True)
class Quantised:
    """Vectors as codes.

    `codes`: uint8 (..., size * bits / 8): the bytes of int8 codes, or two codes a byte, the earlier value in its low
    half. `scales`: float16 (...), what a code of 1 is worth; 0 for a vector of zeros.
    """

    codes: NDArray[np.uint8]
    scales: NDArray[np.float16]
    bits: Bits = 8

    @property
    def nbytes(self) -> int:
        """Bytes of codes and scales."""
        return self.codes.nbytes + self.scales.nbytes


def quantise(values: ArrayLike, bits: Bits = 8) -> Quantised:
    """Code vectors of shape (..., size), each with its own scale; the result depends on nothing but the vector.

    Raises:
        HarkenError: a value that is not finite or too large for a float16 scale, an odd size at 4 bits, or other bits.
    """
    vectors = np.asarray(values, dtype=np.float32)
    largest = LARGEST.get(bits)
    if largest is None:
        raise HarkenError("bits of a code", bits, "Use 8 or 4.")
    if bits == 4 and vectors.shape[-1] % 2:
        raise HarkenError("size of a vector", vectors.shape[-1], "Two codes share a byte: use an even size or 8 bits.")
    steps = np.abs(vectors).max(axis=-1, initial=0.0) / np.float32(largest)
    # Comparisons with NaN are false: this refuses it too.
    if not (steps < _LARGEST_SCALE).all():
        remedy = "Values must be finite and within 65504 times the largest code: see what made them."
        raise HarkenError("vectors to quantise", float(steps.max()), remedy)
    scales = steps.astype(np.float16)
    scales = np.where(scales.astype(np.float32) < steps, np.nextafter(scales, np.float16(np.inf)), scales)
    divisors = np.where(scales > 0, scales, np.float16(1)).astype(np.float32)
    codes = np.rint(vectors / divisors[..., None]).astype(np.int8)
    if bits == 4:
        shifted = (codes + 8).astype(np.uint8)
        return Quantised(shifted[..., 0::2] | shifted[..., 1::2] << 4, scales, bits)
    return Quantised(codes.view(np.uint8), scales, bits)


def dequantise(quantised: Quantised) -> NDArray[np.float32]:
    """The vectors again, float32 (..., size), each value within half its vector's scale."""
    return decode(quantised.codes, quantised.bits) * quantised.scales.astype(np.float32)[..., None]


def decode(codes: NDArray[np.uint8], bits: Bits) -> NDArray[np.float32]:
    """The codes as numbers, float32 (..., size): the vectors up to their scale, which a cosine does not see."""
    if bits == 4:
        return _HALVES[codes].reshape(*codes.shape[:-1], 2 * codes.shape[-1])
    return codes.view(np.int8).astype(np.float32)
