"""Clean speech as a room, a microphone and a line would change it; what was done is kept with the row."""

from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np

from harken import augment
from harken.audio import SAMPLE_RATE
from harken.augmentation_settings import LOSSY, AugmentationSettings
from harken.codec import check_codec, transmit
from harken.noise_folder import NoiseFolder
from harken.records import generator

Applied = dict[str, Any]


class Augmenter:
    """Speed, room, noise, codec and gain, in the order of nature, as drawn from the row's id.

    Every kind has draws of its own, so that switching one on leaves the others as they were. A wave keeps its
    level but for its gain, and never clips.

    Raises:
        HarkenError: the noise folder is missing or empty, or libsndfile was built without a codec.
    """

    def __init__(self, settings: AugmentationSettings) -> None:
        self.settings = settings
        noisy = settings.noise_probability > 0 and settings.noise_folder_share > 0
        self.folder = NoiseFolder(settings.noise_folder) if noisy and settings.noise_folder else None
        for codec in settings.codecs if settings.codec_probability else ():
            check_codec(codec)

    def check(self) -> None:
        """Open every recording of noise; raises HarkenError for the first that is damaged."""
        if self.folder:
            self.folder.check()

    def __call__(self, wave: np.ndarray, identity: str) -> tuple[np.ndarray, Applied]:
        """The changed wave (float32 mono at 16 kHz, shape (samples,)) of row ``identity``, and what was applied.

        Raises:
            HarkenError: a recording of noise is damaged.
        """
        applied: Applied = {}
        # Noise and gain take turns at one generator; rows depend on it.
        shared = generator(identity, "augmentation")
        wave = self._speed(wave, generator(identity, "augmentation", "speed"), applied)
        wave = self._room(wave, generator(identity, "augmentation", "room"), applied)
        wave = self._noise(wave, shared, generator(identity, "augmentation", "noise"), applied)
        wave = self._codec(wave, generator(identity, "augmentation", "codec"), applied)
        wave = self._gain(wave, shared, applied)
        return wave, applied

    def _speed(self, wave: np.ndarray, draw: Random, applied: Applied) -> np.ndarray:
        if draw.random() >= self.settings.speed_probability:
            return wave
        applied["speed"] = round(draw.uniform(*self.settings.speed), 3)
        return augment.within_scale(augment.speed(wave, applied["speed"], quality="HQ"))

    def _room(self, wave: np.ndarray, draw: Random, applied: Applied) -> np.ndarray:
        if draw.random() >= self.settings.room_probability:
            return wave
        decay = applied["room_decay_seconds"] = round(draw.uniform(*self.settings.room_decay_seconds), 3)
        direct = applied["room_direct_db"] = round(draw.uniform(*self.settings.room_direct_db), 2)
        source = np.random.default_rng(draw.randrange(2**63))
        return augment.within_scale(augment.room(wave, source, SAMPLE_RATE, decay, wet=10 ** (-direct / 20)))

    def _noise(self, wave: np.ndarray, draw: Random, share: Random, applied: Applied) -> np.ndarray:
        if draw.random() >= self.settings.noise_probability:
            return wave
        ratio = round(draw.uniform(*self.settings.noise_snr_db), 2)
        colour = draw.choice(augment.NOISE_COLOURS)
        source = np.random.default_rng(draw.randrange(2**63))
        if self.folder and share.random() < self.settings.noise_folder_share:
            name, noise = self.folder.draw(source, len(wave))
            applied |= {"noise_snr_db": ratio if noise.any() else None, "noise_file": name}
        else:
            noise = augment.coloured_noise(source, len(wave), colour, SAMPLE_RATE)
            applied |= {"noise_snr_db": ratio, "noise_colour": colour}
        return augment.mix(wave, noise, ratio)

    def _codec(self, wave: np.ndarray, draw: Random, applied: Applied) -> np.ndarray:
        if draw.random() >= self.settings.codec_probability:
            return wave
        codec = applied["codec"] = draw.choice(self.settings.codecs)
        compression = round(draw.uniform(*self.settings.codec_compression), 2)
        if codec in LOSSY:
            applied["codec_compression"] = compression
        return transmit(wave, SAMPLE_RATE, codec, compression)

    def _gain(self, wave: np.ndarray, draw: Random, applied: Applied) -> np.ndarray:
        if draw.random() >= self.settings.gain_probability:
            return wave
        decibels = draw.uniform(*self.settings.gain_db)
        if decibels > 0:
            headroom = -20 * np.log10(max(float(np.max(np.abs(wave), initial=0.0)), 1e-6))
            decibels = min(decibels, max(float(headroom) - 0.01, 0.0))
        applied["gain_db"] = round(decibels, 2)
        return augment.gain(wave, applied["gain_db"])


def kinds(applied: Mapping[str, Any]) -> list[str]:
    """What was applied to a row, by the names that a report counts: ``["room", "noise: pink", "gain"]``."""
    found = [name for name, key in (("speed", "speed"), ("room", "room_decay_seconds")) if key in applied]
    if "noise_snr_db" in applied:
        found.append(f"noise: {applied['noise_colour']}" if "noise_colour" in applied else "noise: recorded")
    if "codec" in applied:
        found.append(f"codec: {applied['codec']}")
    return [*found, "gain"] if "gain_db" in applied else found
