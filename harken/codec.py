"""Speech through a codec and back, in memory by libsndfile: telephone lines at 8 kHz, lossy files at 16 kHz."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import soundfile

from harken.audio import resample
from harken.augment import same_level, telephone_band, within_scale
from harken.augmentation_settings import CodecName
from harken.errors import HarkenError


@dataclass(frozen=True)
class Codec:
    """How libsndfile calls a codec, the rate it works at, and which of its compression levels are our 0 and 1."""

    container: str
    subtype: str
    sample_rate: int
    levels: tuple[float, float] | None = None

    @property
    def telephone(self) -> bool:
        """True for a line of 300 to 3400 Hz."""
        return self.sample_rate == 8_000


# Measured bit rates, mono: MP3 83 to 42 kbit/s (below that libsndfile's decoder no longer knows the encoder's delay),
# Vorbis 20 to 15, Opus 32 to 15. G.711 has 64, GSM 06.10 has 13.
CODECS: Mapping[CodecName, Codec] = {
    "mu-law": Codec("WAV", "ULAW", 8_000),
    "a-law": Codec("WAV", "ALAW", 8_000),
    "gsm": Codec("WAV", "GSM610", 8_000),
    "mp3": Codec("MP3", "MPEG_LAYER_III", 16_000, (0.5, 0.8)),
    "vorbis": Codec("OGG", "VORBIS", 16_000, (0.0, 1.0)),
    "opus": Codec("OGG", "OPUS", 16_000, (0.9, 0.98)),
}


def check_codec(name: CodecName) -> None:
    """Raises HarkenError when the installed libsndfile was built without the codec."""
    codec = CODECS[name]
    if not soundfile.check_format(codec.container, codec.subtype):
        remedy = f"libsndfile {soundfile.__libsndfile_version__} was built without it: leave it out of codecs."
        raise HarkenError("audio codec", name, remedy)


def transmit(wave: np.ndarray, sample_rate: int, name: CodecName, compression: float = 0.5) -> np.ndarray:
    """A float32 mono wave as it sounds after the codec, of the same length, in place and at the same level.

    `compression` (0..1) is how hard a lossy codec compresses; the telephone codecs have one strength.
    """
    codec = CODECS[name]
    sent = telephone_band(wave, sample_rate) if codec.telephone else wave
    sent = np.clip(resample(sent, sample_rate, codec.sample_rate), -1.0, 1.0)
    stream = io.BytesIO()
    _encode(sent, codec, compression, stream)
    stream.seek(0)
    received, _ = soundfile.read(stream, dtype="float32")
    received = resample(received, codec.sample_rate, sample_rate)[: len(wave)]
    received = np.pad(received, (0, len(wave) - len(received)))
    return within_scale(same_level(received, wave))


def _encode(wave: np.ndarray, codec: Codec, compression: float, stream: io.BytesIO) -> None:
    options: dict[str, float | str] = {}
    if codec.levels:
        light, heavy = codec.levels
        options["compression_level"] = light + compression * (heavy - light)
    if codec.container == "MP3":
        options["bitrate_mode"] = "CONSTANT"
    soundfile.write(stream, wave, codec.sample_rate, format=codec.container, subtype=codec.subtype, **options)
