"""What the spotter is trained to minimise, and which learning rate each of its parts gets."""

from typing import Any

import torch.nn.functional as F
from torch import Tensor

from compression.spotter import Spotter
from harken.spotter_settings import SpotterTrainingSettings


def pair_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of logits (n,) with labels (n,) of 0.0 and 1.0, mean over pairs (second paper, 2.2)."""
    return F.binary_cross_entropy_with_logits(logits, labels)


def sparsity_loss(spotter: Spotter, settings: SpotterTrainingSettings, share: float) -> Tensor | None:
    """The weighted entropy of the layer gate (second paper, 2.2); None for a spotter without one.

    Its weight grows from 0 over the first `entropy_warmup` of the training, `share` of which has passed: the
    entropy only widens whatever lead there is, which in the first steps is chance.
    """
    if spotter.gate is None:
        return None
    ramp = min(1.0, share / settings.entropy_warmup) if settings.entropy_warmup else 1.0
    return settings.entropy_weight * ramp * spotter.gate.entropy()


def parameter_groups(spotter: Spotter, settings: SpotterTrainingSettings) -> list[dict[str, Any]]:
    """AdamW's parameter groups; scores of layers are not decayed, since decay would only pull them level."""
    gate = [] if spotter.gate is None else list(spotter.gate.parameters())
    compression = [
        parameter for part in (spotter.projector, spotter.halver) if part is not None for parameter in part.parameters()
    ]
    groups = [
        {"params": list(spotter.verifier.parameters()), "lr": settings.learning_rate},
        {"params": compression, "lr": settings.compression_learning_rate},
        {"params": gate, "lr": settings.gate_learning_rate, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]
