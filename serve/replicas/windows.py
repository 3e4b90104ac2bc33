"""The windows of a recording, each of which one encoder pass takes."""

from dataclasses import dataclass

import numpy as np

from harken.audio import SAMPLE_RATE, split_at_pauses


@dataclass(frozen=True)
class Window:
    """A stretch of a recording: `start` in seconds, and its `samples` at 16 kHz, mono."""

    start: float
    samples: np.ndarray


def find_windows(wave: np.ndarray, longest: int) -> list[Window]:
    """The windows of a 16 kHz mono wave in order, of at most `longest` samples."""
    windows: list[Window] = []
    begin = 0
    for piece in split_at_pauses(wave, longest):
        windows.append(Window(begin / SAMPLE_RATE, piece))
        begin += len(piece)
    return windows
