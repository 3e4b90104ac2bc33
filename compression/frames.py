"""Frames of several recordings in one padded tensor, with the lengths that say what is padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Frames:
    """A batch of recordings as frames of one or several layers.

    `values`: (batch, layers, frames, width). `lengths`: (batch,), int64 on the same device, frames of each
    recording; whatever `values` hold beyond them must never reach a result.
    """

    values: Tensor
    lengths: Tensor

    @classmethod
    def stack(cls, recordings: Sequence[Tensor]) -> Frames:
        """Pad recordings of shape (layers, frames, width) with zeros to the longest."""
        lengths = torch.tensor([recording.shape[1] for recording in recordings], device=recordings[0].device)
        layers, _, width = recordings[0].shape
        values = recordings[0].new_zeros(len(recordings), layers, int(lengths.max()), width)
        for row, recording in zip(values, recordings, strict=True):
            row[:, : recording.shape[1]] = recording
        return cls(values, lengths)

    @property
    def mask(self) -> Tensor:
        """(batch, frames), true where a frame belongs to its recording."""
        return torch.arange(self.values.shape[2], device=self.lengths.device) < self.lengths[:, None]

    def __len__(self) -> int:
        return self.values.shape[0]

    def select(self, indices: Tensor) -> Frames:
        """The recordings at `indices`, which may repeat."""
        return Frames(self.values.index_select(0, indices), self.lengths.index_select(0, indices))

    def without_padding(self) -> Frames:
        """The same with zeros beyond each recording's length."""
        values = self.values
        if values.requires_grad or values.device.type != "cpu":
            return Frames(values.masked_fill(~self.mask[:, None, :, None], 0.0), self.lengths)
        # A twelfth of the time that a mask takes on a CPU, where it was a sixth of a training step.
        clean = values.clone()
        for row, length in zip(clean, self.lengths.tolist(), strict=True):
            row[:, length:] = 0.0
        return Frames(clean, self.lengths)

    def unstack(self) -> list[Tensor]:
        """Each recording on its own, (layers, frames, width), without padding."""
        return [row[:, :length] for row, length in zip(self.values, self.lengths.tolist(), strict=True)]

    def to(self, device: torch.device) -> Frames:
        """The same on another device."""
        return Frames(self.values.to(device), self.lengths.to(device))
