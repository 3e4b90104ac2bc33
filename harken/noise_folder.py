"""Recordings of noise in a user's folder: a stretch of one of them, drawn and read when a row needs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile

from harken.audio import SAMPLE_RATE, resample
from harken.errors import HarkenError

SUFFIXES = frozenset({".wav", ".flac"})

Answer = TypeVar("Answer")


def noise_files(folder: Path) -> list[Path]:
    """The WAV and FLAC files in a folder and in those inside it, sorted; hidden ones are no recordings.

    Raises:
        HarkenError: the folder does not exist or holds none.
    """
    if not folder.is_dir():
        raise HarkenError("noise folder", str(folder), "There is no such folder: check the path.")
    files = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )
    if not files:
        raise HarkenError("noise folder", str(folder), "It holds no .wav or .flac file, nor does a folder inside it.")
    return files


class NoiseFolder:
    """The recordings of a folder; nothing of them is kept in memory, so they may be many and hours long.

    Raises:
        HarkenError: the folder does not exist or holds no recording.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.files = noise_files(folder)

    def check(self) -> None:
        """Open every file; raises HarkenError for the first that is damaged or empty."""
        for path in self.files:
            _read(path, lambda file: None)

    def draw(self, generator: np.random.Generator, samples: int) -> tuple[str, np.ndarray]:
        """A file's name inside the folder, and a stretch of it as float32 mono at 16 kHz, shape (samples,), unit RMS.

        Where the stretch begins is drawn too. A shorter recording is played forwards and backwards by turns, which
        has no clicks where it starts again. A stretch of digital silence stays silent.

        Raises:
            HarkenError: the file is damaged, empty or gone.
        """
        path = self.files[int(generator.integers(len(self.files)))]

        def stretch(file: soundfile.SoundFile) -> np.ndarray:
            # One more than needed: the resampler may round down.
            wanted = samples * file.samplerate // SAMPLE_RATE + 2
            file.seek(int(generator.integers(max(file.frames - wanted, 0) + 1)))
            channels = file.read(min(wanted, file.frames), dtype="float32", always_2d=True)
            return resample(channels.mean(axis=1), file.samplerate)

        noise = _read(path, stretch)
        if not len(noise) or not np.isfinite(noise).all():
            raise _damaged(path, "it ends before its header says, or holds NaN")
        if len(noise) < samples:
            there_and_back = np.concatenate([noise, noise[::-1]])
            start = int(generator.integers(len(there_and_back)))
            noise = np.resize(np.roll(there_and_back, -start), samples)
        noise = noise[:samples]
        name = path.relative_to(self.folder).as_posix()
        return name, (noise / max(float(np.sqrt(np.mean(noise**2))), 1e-9)).astype(np.float32)


def _read(path: Path, read: Callable[[soundfile.SoundFile], Answer]) -> Answer:
    """What ``read`` makes of the opened file; raises HarkenError for one that is damaged or empty."""
    try:
        with soundfile.SoundFile(path) as file:
            if file.frames == 0:
                raise HarkenError("noise recording", str(path), "It holds no samples: take it out of the folder.")
            return read(file)
    except (soundfile.SoundFileError, RuntimeError, OSError) as failure:
        raise _damaged(path, str(getattr(failure, "error_string", failure)).rstrip(".")) from None


def _damaged(path: Path, reason: str) -> HarkenError:
    remedy = f"It is damaged or no known audio format ({reason}): mend it or take it out of the folder."
    return HarkenError("noise recording", str(path), remedy)
