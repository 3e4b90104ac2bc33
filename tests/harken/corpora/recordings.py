"""Small recordings for tests of corpora."""

from pathlib import Path

import numpy as np
import soundfile

from harken.audio import SAMPLE_RATE


def record(path: Path, pitch: float = 440.0, seconds: float = 0.2) -> Path:
    """Write a tone in the format of the file's suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    wave = 0.3 * np.sin(2 * np.pi * pitch * np.arange(int(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    container = {"format": "OGG", "subtype": "OPUS"} if path.suffix == ".opus" else {}
    soundfile.write(path, wave, SAMPLE_RATE, **container)
    return path


def write_lines(path: Path, *lines: str) -> Path:
    """Write a text file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path
