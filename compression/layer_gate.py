"""First compression: which encoder layers to keep, learnt with the verifier (second paper, section 2.2)."""

from typing import Any

import torch
from torch import Tensor, nn


class _Sparsemax(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        ordered = scores.sort(descending=True).values
        excess = ordered.cumsum(0) - 1
        ranks = torch.arange(1, len(scores) + 1, device=scores.device, dtype=scores.dtype)
        # The support is the largest k with 1 + k z_(k) > z_(1) + ... + z_(k): algorithm 1.
        kept = int((ranks * ordered > excess).sum())
        probabilities = (scores - excess[kept - 1] / kept).clamp(min=0)
        ctx.save_for_backward(probabilities > 0)
        return probabilities

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Tensor:
        (support,) = ctx.saved_tensors
        inside = grad_outputs[0].masked_fill(~support, 0.0)
        # The Jacobian diag(s) - s s^T / |S| of equation 11, for the indicator s of the support.
        return (inside - inside.sum() / support.sum()).masked_fill(~support, 0.0)


def sparsemax(scores: Tensor) -> Tensor:
    """The point of the probability simplex nearest to `scores` of shape (n,): exact zeros, unlike softmax.

    Martins & Astudillo, "From Softmax to Sparsemax" (2016), algorithm 1 and equation 11 for its gradient.
    """
    projected: Tensor = _Sparsemax.apply(scores)
    return projected


class LayerGate(nn.Module):
    """A trainable score per encoder layer; p = sparsemax(scores) weighs the layers' similarity maps.

    The paper gates the embeddings, H' = p * H, before the cosine. A cosine does not see the scale of its arguments,
    so that p > 0 would get no gradient at all from the classifier. Weighing the map is the same as weighing the
    unit vectors of one side, and lets the loss choose. Scores start equal, which makes no layer the favourite.
    """

    def __init__(self, layers: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = layers
        self.scores = nn.Parameter(torch.zeros(len(layers)))

    def forward(self, maps: Tensor) -> Tensor:
        """(batch, layers, rows, columns) weighed by each layer's probability."""
        return maps * self.probabilities().to(maps.dtype)[:, None, None]

    def probabilities(self) -> Tensor:
        """p, shape (layers,): non-negative, sums to 1."""
        return sparsemax(self.scores)

    def entropy(self) -> Tensor:
        """H(p) = - sum p log p in nats, the auxiliary loss of section 2.2: least when one layer is left."""
        probabilities = self.probabilities()
        # Zeros add nothing to the entropy, but an infinite slope that would turn into nan.
        kept = probabilities[probabilities > 0]
        return -(kept * kept.log()).sum()

    def selected_layers(self) -> tuple[int, ...]:
        """The encoder layers, counted from 1, whose probability is not zero."""
        kept = (self.probabilities() > 0).tolist()
        return tuple(layer for layer, keep in zip(self.layers, kept, strict=True) if keep)
