"""Finds the loops that autoregressive models fall into, on characters.

Whisper's own guard, the compression ratio, misses short ones: the first paper's Figure 5 scores 1.24 of 2.4.
"""

import re
from collections import Counter

from harken.text import bare

_REPEATS = (re.compile(r"(.)\1{3,}"), re.compile(r"(.{2,10}?)\1{2,}"))
# A decoder also loops with small changes (喜欢party，喜欢ping，喜欢party): the same piece again and again.
_PIECE, _TIMES = 3, 5
# Or it goes on without the audio.
_RUNAWAY_RATIO, _RUNAWAY_CHARACTERS = 1.5, 8


def find_loop(hypothesis: str, reference: str = "") -> str | None:
    """The loop in a hypothesis that its reference does not hold as well, e.g. ``装 x 11``; None without one.

    A loop is one character at least four times or 2 to 10 characters at least three times in a row, or three
    characters at least five times anywhere.

    Example:
        >>> find_loop("可推荐男装装装装装", "可推荐男装")
        '装 x 5'
    """
    return find_repeats(bare(hypothesis), bare(reference))


def find_repeats(heard: str, spoken: str) -> str | None:
    """`find_loop` of characters that are compared as they are."""
    for pattern in _REPEATS:
        for match in pattern.finditer(heard):
            if match.group(0) not in spoken:
                return f"{match.group(1)} x {len(match.group(0)) // len(match.group(1))}"
    pieces, expected = _pieces(heard), _pieces(spoken)
    for piece, count in pieces.most_common(1):
        if count >= _TIMES and count > expected[piece]:
            return f"{piece} x {count}"
    return None


def runs_away(hypothesis: str, reference: str) -> str | None:
    """How much longer a hypothesis is than its reference, when it is more than 1.5 times and 8 characters longer."""
    heard, spoken = len(bare(hypothesis)), len(bare(reference))
    if spoken and heard > max(_RUNAWAY_RATIO * spoken, spoken + _RUNAWAY_CHARACTERS):
        return f"{heard} characters heard for {spoken}"
    return None


def _pieces(text: str) -> Counter[str]:
    return Counter(text[start : start + _PIECE] for start in range(len(text) - _PIECE + 1))
