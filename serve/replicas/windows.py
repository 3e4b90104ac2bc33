"""The windows of a recording, each of which one encoder pass takes."""

from dataclasses import dataclass

import numpy as np

from harken.vad import VoiceActivity


@dataclass(frozen=True)
class Window:
    """A stretch of a recording in which somebody speaks: its `start` in seconds, and its `samples` at 16 kHz, mono."""

    start: float
    samples: np.ndarray


def find_windows(voice: VoiceActivity, wave: np.ndarray, longest: int) -> list[Window]:
    """The windows of a 16 kHz mono wave in order, of at most `longest` samples; none where nobody speaks."""
    return [Window(stretch.seconds[0], wave[stretch.start : stretch.end]) for stretch in voice.windows(wave, longest)]
