"""Each frame position's mean over the training set, subtracted before anything is compared.

Whisper adds position embeddings to its input, and its middle layers still carry them: the cosine of two frames says
more about where than about what they are, unless the mean of each position is taken away.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from compression.frames import Frames

# Positions seen in few recordings lean on the mean of all positions, as if it had been seen this often there.
_PRIOR_FRAMES = 8.0


class PositionMean(nn.Module):
    """Mean frame per layer and position, (layers, positions, width); zeros until `fit`."""

    mean: Tensor

    def __init__(self, layers: int, positions: int, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(layers, positions, width))

    def forward(self, batch: Frames) -> Frames:
        """The batch (batch, layers, frames, width) without the mean of its positions."""
        centred = batch.values - self.mean[:, : batch.values.shape[2]].to(batch.values.dtype)
        return Frames(centred, batch.lengths)

    def fit(self, batches: Iterable[Frames]) -> None:
        """Set the mean to that of these batches' real frames, each recording starting at position 0."""
        total = torch.zeros_like(self.mean, dtype=torch.float64)
        count = torch.zeros(self.mean.shape[1], dtype=torch.float64, device=self.mean.device)
        for batch in batches:
            clean = batch.to(self.mean.device).without_padding()
            frames = clean.values.shape[2]
            total[:, :frames] += clean.values.double().sum(dim=0)
            count[:frames] += clean.mask.sum(dim=0)
        overall = total.sum(dim=1, keepdim=True) / count.sum().clamp(min=1)
        self.mean.copy_((total + _PRIOR_FRAMES * overall) / (count + _PRIOR_FRAMES)[:, None])
