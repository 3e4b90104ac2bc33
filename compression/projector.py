"""Second and third compression: fewer values per frame, fewer frames (second paper, sections 2.3 and 2.4)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compression.frames import Frames


class FrameProjector(nn.Module):
    """LH: one hidden layer per encoder layer, width -> hidden -> size, shared by keywords and utterances.

    1280 -> 640 -> 64 on large-v2 (section 3.2.2).
    """

    def __init__(self, layers: int, width: int, hidden: int, size: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, size)) for _ in range(layers)
        )

    def forward(self, batch: Frames) -> Frames:
        """(batch, layers, frames, width) to (batch, layers, frames, size); padding becomes zeros."""
        projected = [network(batch.values[:, index]) for index, network in enumerate(self.layers)]
        return Frames(torch.stack(projected, dim=1), batch.lengths).without_padding()


class FrameHalver(nn.Module):
    """LHF: Conv1d (kernel 3, stride 1), BatchNorm, MaxPool (kernel 3, stride 2) per layer (section 3.2.3).

    Twice as few frames. Batch statistics are those of real frames only, of keywords and utterances together: in
    evaluation both are normalised alike, so they are in training.
    """

    def __init__(self, layers: int, size: int) -> None:
        super().__init__()
        self.convolutions = nn.ModuleList(nn.Conv1d(size, size, kernel_size=3, padding=1) for _ in range(layers))
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for _ in range(layers))

    def forward(self, batches: Sequence[Frames]) -> list[Frames]:
        """Each (batch, layers, frames, size) to (batch, layers, ceil(frames / 2), size), normalised together."""
        masks = [batch.mask for batch in batches]
        clean = [batch.without_padding().values for batch in batches]
        outputs: list[list[Tensor]] = [[] for _ in batches]
        for index, (convolution, norm) in enumerate(zip(self.convolutions, self.norms, strict=True)):
            convolved = [convolution(values[:, index].transpose(1, 2)).transpose(1, 2) for values in clean]
            packed = [values[mask] for values, mask in zip(convolved, masks, strict=True)]
            normed = norm(torch.cat(packed)).split([len(part) for part in packed])
            for output, part, mask in zip(outputs, normed, masks, strict=True):
                output.append(_pool(part, mask))
        return [
            Frames(torch.stack(output, dim=1), halved(batch.lengths)).without_padding()
            for output, batch in zip(outputs, batches, strict=True)
        ]


def halved(lengths: Tensor) -> Tensor:
    """Frames left of `lengths` frames by pooling with kernel 3, stride 2, padding 1: half of them, rounded up."""
    return (lengths + 1) // 2


def _pool(packed: Tensor, mask: Tensor) -> Tensor:
    """Real frames (n, size) back into (batch, frames, size) and pooled over time; padding never wins a maximum."""
    padded = packed.new_full((*mask.shape, packed.shape[1]), float("-inf"))
    padded[mask] = packed
    return F.max_pool1d(padded.transpose(1, 2), kernel_size=3, stride=2, padding=1).transpose(1, 2)
