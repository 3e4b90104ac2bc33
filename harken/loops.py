"""Loops: text that a decoder repeats instead of hearing on."""

import re

from harken.text import bare

# Whisper's compression-ratio guard misses short loops (the first paper's Figure 5 scores 1.24 of 2.4).
_LOOPS = (re.compile(r"(.)\1{3,}"), re.compile(r"(.{2,10}?)\1{2,}"))


def find_loop(hypothesis: str, reference: str = "") -> str | None:
    """The loop in a hypothesis that its reference does not hold as well, e.g. ``装 x 11``; None without one.

    A loop is one character at least four times or 2 to 10 characters at least three times in a row.

    Example:
        >>> find_loop("可推荐男装装装装装", "可推荐男装")
        '装 x 5'
    """
    spoken = bare(reference)
    for pattern in _LOOPS:
        for match in pattern.finditer(bare(hypothesis)):
            if match.group(0) not in spoken:
                return f"{match.group(1)} x {len(match.group(0)) // len(match.group(1))}"
    return None
