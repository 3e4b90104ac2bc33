"""A term's natural recording: the stretch of an utterance in which it is said."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harken.audio import SAMPLE_RATE
from harken.errors import HarkenError
from harken.unit_times import UnitTime

MARGIN_SECONDS = 0.04
LEAST_SECONDS = 0.2


@dataclass(frozen=True)
class Excerpt:
    """`wave` (float32 mono, 16 kHz, shape (samples,)) is the utterance from `start` to `end` seconds."""

    wave: np.ndarray
    start: float
    end: float


def spoken_span(units: Sequence[UnitTime], character_start: int, character_end: int) -> tuple[float, float]:
    """The seconds in which the characters ``[character_start, character_end)`` are said.

    A unit of which the characters are only a part counts whole: its inside has no times.

    Raises:
        HarkenError: no unit has any of the characters.
    """
    inside = [unit for unit in units if unit.character_start < character_end and unit.character_end > character_start]
    if not inside:
        last = max((unit.character_end for unit in units), default=0)
        remedy = f"No unit is said there (the last one ends at character {last}): take text and units of one row."
        raise HarkenError("mention", (character_start, character_end), remedy)
    return min(unit.start for unit in inside), max(unit.end for unit in inside)


def cut_excerpt(
    wave: np.ndarray,
    units: Sequence[UnitTime],
    character_start: int,
    character_end: int,
    margin: float = MARGIN_SECONDS,
    least: float = LEAST_SECONDS,
) -> Excerpt:
    """Cut the characters ``[character_start, character_end)`` out of a 16 kHz mono wave.

    Args:
        margin: seconds kept on each side, as far as the wave has them.
        least: seconds that the excerpt has at least, widened about its middle and kept inside the wave; a wave
            that is shorter is taken whole.

    Raises:
        HarkenError: no unit has any of the characters, or its times lie behind the wave's end.
    """
    start, end = spoken_span(units, character_start, character_end)
    seconds = len(wave) / SAMPLE_RATE
    if start >= seconds:
        raise HarkenError("mention's seconds", (start, end), f"The wave has {seconds:.2f} s: take that of the units.")
    start, end = max(start - margin, 0.0), min(end + margin, seconds)
    if end - start < least:
        start = min(max((start + end - least) / 2, 0.0), max(seconds - least, 0.0))
        end = min(start + least, seconds)
    first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
    return Excerpt(wave[first:last], first / SAMPLE_RATE, last / SAMPLE_RATE)
