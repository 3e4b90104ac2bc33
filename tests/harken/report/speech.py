"""Waves that compress about as well as synthetic speech does."""

import numpy as np


def speechlike(seconds: float, noise: float = 0.02) -> np.ndarray:
    time = np.arange(int(seconds * 16_000)) / 16_000
    voice = 0.3 * np.sin(2 * np.pi * (140 + 30 * np.sin(3 * time)) * time) * (np.sin(8 * time) > -0.5)
    return (voice + noise * np.random.default_rng(0).normal(size=time.size)).clip(-1, 1).astype(np.float32)
