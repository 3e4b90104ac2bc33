"""Audio in and out: mono float32 waves in [-1, 1], FLAC bytes in Parquet, files in the formats of libsndfile.

Limits are checked on the container's size and header before the samples are decoded, and again on what really
comes out, so that neither a huge file nor one whose header lies can fill the memory.
"""

import io
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from harken.errors import HarkenError

SAMPLE_RATE = 16_000
"""Samples per second that every Whisper works at."""

MAX_SECONDS = 600.0
MAX_BYTES = 256 * 1024 * 1024
_RATES = range(4_000, 384_001)
_MAX_CHANNELS = 8
# The quietest moment is sought in the last fifth of a window, over stretches as long as a short pause.
_CUT_REGION = 0.2
_PAUSE_SECONDS = 0.05
_MAX_VALUES = 64 * 1024 * 1024
_UNKNOWN_LENGTH = np.iinfo(np.int64).max
_BLOCK_FRAMES = 65_536


class AudioTooLongError(HarkenError):
    """Audio that is fine but for its length."""


def read_audio(
    path: str | Path, max_seconds: float = MAX_SECONDS, max_bytes: int = MAX_BYTES
) -> tuple[np.ndarray, int]:
    """Read a file (WAV, FLAC, OGG, MP3, ...) as (float32 mono of shape (samples,), samples per second).

    Raises:
        HarkenError: the file is missing, unreadable, no audio, empty, longer or larger than allowed, or holds
            values that are not finite. The error names the file.
    """
    path = Path(path)
    try:
        size = path.stat().st_size
        _check_size(size, max_bytes, str(path))
        content = path.read_bytes()
    except FileNotFoundError:
        raise HarkenError("audio file", str(path), "It does not exist.") from None
    except OSError as failure:
        raise HarkenError("audio file", str(path), f"It cannot be read ({failure.strerror or failure}).") from None
    return decode_audio(content, max_seconds, max_bytes, name=str(path))


def decode_audio(
    content: bytes, max_seconds: float = MAX_SECONDS, max_bytes: int = MAX_BYTES, name: str = "audio bytes"
) -> tuple[np.ndarray, int]:
    """Decode an encoded file's bytes as (float32 mono of shape (samples,), samples per second).

    `name` is what errors call these bytes: a path or a row's id. Channels are averaged.

    Raises:
        HarkenError: as `read_audio`.
    """
    _check_size(len(content), max_bytes, name)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            wave, rate = _decode(file, max_seconds, name), int(file.samplerate)
    except (soundfile.SoundFileError, RuntimeError) as failure:
        reason = str(getattr(failure, "error_string", failure)).rstrip(".")
        raise HarkenError("audio file", name, f"It is damaged or no known audio format ({reason}).") from None
    return check_wave(wave, name), rate


def decode_speech(
    content: bytes | bytearray,
    max_seconds: float = MAX_SECONDS,
    containers: Collection[str] | None = None,
    encodings: Collection[str] | None = None,
    name: str = "audio bytes",
) -> np.ndarray:
    """Decode an encoded file's bytes as float32 mono at 16 kHz, of shape (samples,).

    Block by block, so that memory grows with the result alone, whatever the file's rate and channels: this is for
    files of strangers. `containers` and `encodings` are libsndfile's names of what is accepted (None: all).

    Raises:
        AudioTooLongError: longer than `max_seconds`, by its header or by what comes out.
        HarkenError: damaged, empty, of another format, or with values that are not finite.
    """
    _check_size(len(content), MAX_BYTES, name)
    try:
        with soundfile.SoundFile(io.BytesIO(content)) as file:
            for found, accepted in ((file.format, containers), (file.subtype, encodings)):
                if accepted is not None and found not in accepted:
                    raise HarkenError("audio file", name, f"{found} is not accepted: convert it to WAV or FLAC.")
            wave = np.concatenate(list(_resampled_blocks(file, _most_frames(file, max_seconds, name), name)))
    except (soundfile.SoundFileError, RuntimeError) as failure:
        reason = str(getattr(failure, "error_string", failure)).rstrip(".")
        raise HarkenError("audio file", name, f"It is damaged or no known audio format ({reason}).") from None
    return check_wave(wave, name)


def encode_flac(wave: np.ndarray, rate: int) -> bytes:
    """Encode a mono wave of shape (samples,) as 16-bit FLAC; values outside [-1, 1] are clipped.

    Raises:
        HarkenError: the wave is empty, not mono, or holds values that are not finite.
    """
    samples = check_wave(wave, "wave to encode").astype(np.float64)
    # 32768 is what decoding divides by, so that decode(encode(x)) differs from x by rounding only.
    integers = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    stream = io.BytesIO()
    soundfile.write(stream, integers, rate, format="FLAC", subtype="PCM_16")
    return stream.getvalue()


def resample(wave: np.ndarray, from_rate: int, to_rate: int = SAMPLE_RATE) -> np.ndarray:
    """A mono float32 wave of shape (samples,) at another rate (soxr, high quality)."""
    if from_rate == to_rate:
        return wave
    resampled: np.ndarray = soxr.resample(wave, from_rate, to_rate, quality="HQ")
    return resampled.astype(np.float32, copy=False)


def split_at_pauses(wave: np.ndarray, longest: int) -> list[np.ndarray]:
    """Cut a wave into pieces of at most `longest` samples, each cut at the quietest moment of a window's last fifth."""
    pieces: list[np.ndarray] = []
    pause = max(1, min(int(_PAUSE_SECONDS * SAMPLE_RATE), longest // 10))
    while len(wave) > longest:
        region = wave[int(longest * (1 - _CUT_REGION)) : longest].astype(np.float64)
        energy = np.convolve(region**2, np.ones(pause), mode="valid")
        cut = int(longest * (1 - _CUT_REGION)) + int(energy.argmin()) + pause // 2
        pieces.append(wave[:cut])
        wave = wave[cut:]
    return [*pieces, wave]


def check_wave(wave: np.ndarray, name: str) -> np.ndarray:
    """The wave as float32 if it is mono, not empty and finite.

    Raises:
        HarkenError: it is not; the error names `name`.
    """
    if wave.ndim != 1:
        raise HarkenError("audio", name, f"It must be mono of shape (samples,), not of shape {wave.shape}.")
    if wave.size == 0:
        raise HarkenError("audio", name, "It holds no samples: record or synthesize it again.")
    if not np.isfinite(wave).all():
        raise HarkenError("audio", name, "It holds NaN or infinite samples: record or synthesize it again.")
    return wave.astype(np.float32, copy=False)


def _check_size(size: int, max_bytes: int, name: str) -> None:
    if size == 0:
        raise HarkenError("audio file", name, "It is empty (0 bytes).")
    if size > max_bytes:
        raise HarkenError("audio file", name, f"It has {size:,} bytes, more than the allowed {max_bytes:,}: split it.")


def _decode(file: soundfile.SoundFile, max_seconds: float, name: str) -> np.ndarray:
    limit = _most_frames(file, min(max_seconds, _MAX_VALUES / file.channels / file.samplerate), name)
    channels = file.read(limit + 1, dtype="float32", always_2d=True)
    if len(channels) > limit:
        raise _too_long(limit / file.samplerate, name)
    return _mix(channels)


def _resampled_blocks(file: soundfile.SoundFile, limit: int, name: str) -> Iterator[np.ndarray]:
    resampler = soxr.ResampleStream(file.samplerate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    frames = 0
    while True:
        block = file.read(_BLOCK_FRAMES, dtype="float32", always_2d=True)
        frames += len(block)
        if frames > limit:
            raise _too_long(limit / file.samplerate, name)
        last = len(block) < _BLOCK_FRAMES
        mono = _mix(block)
        yield mono if file.samplerate == SAMPLE_RATE else resampler.resample_chunk(mono, last=last)
        if last:
            return


def _most_frames(file: soundfile.SoundFile, max_seconds: float, name: str) -> int:
    """How many frames may be read, once the header has been believed as far as it is plausible."""
    if file.samplerate not in _RATES or file.channels > _MAX_CHANNELS:
        format_found = f"{file.samplerate} Hz and {file.channels} channels"
        expected = f"{_RATES.start}-{_RATES.stop - 1} Hz and at most {_MAX_CHANNELS} channels"
        raise HarkenError("audio file", name, f"It has {format_found}; {expected} are accepted: convert it.")
    if file.frames == _UNKNOWN_LENGTH:
        # libsndfile cannot read such a file to its end.
        raise HarkenError("audio file", name, "Its header does not state its length (streamed FLAC): re-encode it.")
    # The header's length may still be wrong (MP3): what is read is counted too.
    limit = int(max_seconds * file.samplerate)
    if file.frames > limit:
        raise _too_long(limit / file.samplerate, name)
    return limit


def _too_long(seconds: float, name: str) -> AudioTooLongError:
    return AudioTooLongError("audio file", name, f"It is longer than the allowed {seconds:g} seconds: split it.")


def _mix(channels: np.ndarray) -> np.ndarray:
    mono: np.ndarray = channels[:, 0].copy() if channels.shape[1] == 1 else channels.mean(axis=1)
    return mono
