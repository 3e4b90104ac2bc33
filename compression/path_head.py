"""The vectors whose cosines make the path score of the second stage."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PathHead(nn.Module):
    """An affine map per layer, applied to keywords and utterances alike before their cosine.

    The spotter's frames are learnt for a network that sees the whole map; the mean along a diagonal needs frames of
    unlike sounds to be far apart by themselves.
    """

    def __init__(self, layers: int, frame_size: int, size: int) -> None:
        super().__init__()
        # Learning begins at the cosines of the frames as they are.
        self.weight = nn.Parameter(torch.eye(frame_size, size).repeat(layers, 1, 1))
        self.bias = nn.Parameter(torch.zeros(layers, size))

    def forward(self, unit: Tensor) -> Tensor:
        """Unit vectors (..., layers, size) of unit frames (..., layers, frame_size)."""
        return F.normalize(torch.einsum("...ls,lso->...lo", unit, self.weight) + self.bias, dim=-1)
