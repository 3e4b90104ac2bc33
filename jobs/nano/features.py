"""Whisper's log-mel features, computed on the clip instead of the padded window."""

from __future__ import annotations

import functools

import numpy as np
import torch
from transformers import WhisperFeatureExtractor

SAMPLE_RATE = 16_000
_FFT = 400
# The floor that Whisper's normalisation sets below the loudest bin: 8 decades, divided by 4.
FLOOR_BELOW_PEAK = 2.0


@functools.cache
def feature_extractor(window_seconds: float, hop_length: int) -> WhisperFeatureExtractor:
    """The extractor that is saved beside the model and that users run."""
    return WhisperFeatureExtractor(chunk_length=int(window_seconds), hop_length=hop_length)


@functools.cache
def _filters(window_seconds: float, hop_length: int) -> torch.Tensor:
    return torch.from_numpy(feature_extractor(window_seconds, hop_length).mel_filters).float()


def log_mel(wave: np.ndarray, window_seconds: float, hop_length: int) -> np.ndarray:
    """(samples,) -> (frames, 80) float32: the frames that `feature_extractor` would give before its padding."""
    # The last frame that a sample still reaches is half a Fourier window beyond it.
    frames = -(-(len(wave) + _FFT // 2) // hop_length)
    padded = torch.from_numpy(np.concatenate([wave, np.zeros(2 * _FFT + hop_length, np.float32)]))
    spectrum = torch.stft(padded, _FFT, hop_length, window=torch.hann_window(_FFT), return_complex=True)
    power = spectrum[:, :frames].abs() ** 2
    mel = _filters(window_seconds, hop_length).T @ power
    logs = torch.clamp(mel, min=1e-10).log10()
    logs = torch.maximum(logs, logs.max() - 8.0)
    return ((logs + 4.0) / 4.0).T.numpy()


def pad_features(features: list[np.ndarray], frames: int) -> torch.Tensor:
    """Clips of (frames_i, 80) -> (batch, frames, 80), padded with each clip's own floor as the full window is."""
    batch = np.empty((len(features), frames, features[0].shape[1]), np.float32)
    for row, clip in zip(batch, features, strict=True):
        row[:] = max(float(clip.max()) - FLOOR_BELOW_PEAK, -1.5)
        row[: len(clip)] = clip
    return torch.from_numpy(batch)
