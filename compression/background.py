"""Recordings in which nobody speaks, as a spotter keeps them: what no search may find a term in."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from compression.features import utterance_frames
from compression.frames import Frames
from compression.spotter import Spotter
from harken.audio import SAMPLE_RATE
from harken.augment import NOISE_COLOURS, coloured_noise
from harken.whisper import Whisper

# RMS of full scale: from digital silence and a converter's hiss to a running engine.
_HISS = (0.0, 3e-5, 3e-4)
_LOUDNESS = (0.003, 0.01, 0.03, 0.1)


def background_frames(whisper: Whisper, spotter: Spotter, count: int, seed: int) -> list[Tensor]:
    """Kept frames on the CPU, float32 (layers, frames, size), of `count` windows of silence and as many of noise."""
    waves = list(_waves(whisper.window_samples, count, seed))
    if not waves:
        return []
    frames = Frames.stack(utterance_frames(whisper, waves, spotter.settings.layers))
    with torch.inference_mode():
        kept = spotter.compress(frames.to(next(spotter.parameters()).device))[0]
    return [one.cpu().clone() for one in kept.unstack()]


def _waves(samples: int, count: int, seed: int) -> Iterator[np.ndarray]:
    draw = np.random.default_rng(seed)
    for index in range(count):
        hiss = _HISS[index % len(_HISS)]
        yield (hiss * draw.standard_normal(samples)).astype(np.float32)
        loudness = _LOUDNESS[index % len(_LOUDNESS)]
        colour = NOISE_COLOURS[index % len(NOISE_COLOURS)]
        yield (loudness * coloured_noise(draw, samples, colour, SAMPLE_RATE)).clip(-1, 1)
