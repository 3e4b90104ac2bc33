"""What a wave alone tells about a take: how loud it is, whether speech rises above the rest, whether it is clipped."""

from dataclasses import dataclass

import numpy as np

from harken.audio import SAMPLE_RATE

_FRAME = SAMPLE_RATE // 50
# Levels that nearly all and nearly no frames reach, so that one click or one gap does not decide.
_LOUD, _QUIET = 95, 5
# Clipping holds several samples in a row at full scale; the peak of a normalised wave touches it once.
_FULL_SCALE = 0.999
_CLIPPED_RUN = 3
_SILENCE_DB = -100.0


@dataclass(frozen=True)
class Acoustics:
    """Measures of one mono wave at 16 kHz.

    Attributes:
        level_db: level of its loud frames (95th percentile of 20 ms frames) in dB below full scale.
        range_db: how far that is above its quiet frames (5th percentile). Speech moves by over 15 dB even without
            pauses; speech drowned in noise does not.
        clipped: share of its samples that stand at full scale in runs of three or more.
    """

    level_db: float
    range_db: float
    clipped: float


def measure(wave: np.ndarray) -> Acoustics:
    """The measures of a mono float32 wave at 16 kHz of shape (samples,), at least one sample long."""
    frames = np.pad(wave, (0, -len(wave) % _FRAME)).reshape(-1, _FRAME).astype(np.float64)
    levels = 10 * np.log10(np.maximum((frames**2).mean(axis=1), 10 ** (_SILENCE_DB / 10)))
    loud, quiet = np.percentile(levels, [_LOUD, _QUIET])
    return Acoustics(float(loud), float(loud - quiet), _clipped(wave))


def _clipped(wave: np.ndarray) -> float:
    full = np.abs(wave) >= _FULL_SCALE
    edges = np.flatnonzero(np.diff(np.concatenate([[False], full, [False]]).astype(np.int8)))
    lengths = edges[1::2] - edges[::2]
    return float(lengths[lengths >= _CLIPPED_RUN].sum() / len(wave))
