"""Minimal-edit alignment of two sequences, with ties decided by rule and not by chance.

Many alignments need the same number of edits, and which one is taken decides whose error an error is: with
男装 against 男装装装 the two insertions can stand behind 男装 or tear it apart. Among the alignments with the
fewest edits, `align` takes the one with, in this order,

1. the fewest insertions inside a unit (a word, a keyword), so insertions go to unit boundaries;
2. the fewest substitutions across classes (scripts), so 喜 against x化 is an insertion of x and 喜 heard as 化;
3. the fewest wrong units, so a truncated hypothesis is aligned with whole words;
4. a substitution rather than a deletion, a deletion rather than an insertion, from the end backwards.
"""

from collections.abc import Hashable, Sequence
from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

Kind = Literal["match", "substitute", "delete", "insert"]

# One integer orders alignments by all criteria. Every field has room for 2^20 occurrences.
_WRONG_UNIT = 1
_ACROSS = 1 << 20
_INSIDE = 1 << 40
_EDIT = 1 << 60
_UNREACHABLE = 1 << 100

# The step into a cell, and whether it comes from the state in which the open unit is wrong (see `_fill`).
_DIAGONAL, _ABOVE, _LEFT, _WAS_WRONG = 0, 1, 2, 4


class Operation(NamedTuple):
    """One step from reference to hypothesis.

    ``reference`` is the index of the reference item (for an insertion: of the item it stands before), and
    ``hypothesis`` likewise (for a deletion: the item that follows the gap).
    """

    kind: Kind
    reference: int
    hypothesis: int


def align(
    reference: Sequence[Hashable],
    hypothesis: Sequence[Hashable],
    *,
    units: Sequence[int] | None = None,
    classes: tuple[Sequence[Hashable], Sequence[Hashable]] | None = None,
) -> list[Operation]:
    """Align two sequences with the fewest edits (substitutions, deletions and insertions cost one each).

    Args:
        reference: n items, such as characters or words.
        hypothesis: m items.
        units: for each reference item the number of its unit, not decreasing; None: every item is one unit.
        classes: the class of each reference and of each hypothesis item, for rule 2.

    Returns:
        The operations from left to right; they cover every item of both sequences once. Time and memory grow
        with max(n, m) times the number of edits.

    Raises:
        ValueError: ``units`` or ``classes`` do not have the length of their sequence.
    """
    n, m = len(reference), len(hypothesis)
    if units is not None and len(units) != n:
        raise ValueError(f"{len(units)} units for {n} reference items")
    if classes is not None and (len(classes[0]), len(classes[1])) != (n, m):
        raise ValueError("classes must have one entry per item")
    distance = edit_distance(reference, hypothesis)
    if distance == 0:
        return [Operation("match", index, index) for index in range(n)]
    opens = [True] * n if units is None else [index == 0 or units[index] != units[index - 1] for index in range(n)]
    # A minimal alignment never leaves this band of diagonals (hypothesis index minus reference index).
    slack = (distance - abs(n - m)) // 2
    lowest, highest = min(0, m - n) - slack, max(0, m - n) + slack
    steps = _fill(reference, hypothesis, [*opens, True], classes, lowest, highest)
    return _trace(steps, reference, hypothesis, lowest)


def edit_distance(reference: Sequence[Hashable], hypothesis: Sequence[Hashable]) -> int:
    """The number of edits of a minimal alignment, without the alignment."""
    return Levenshtein.distance(reference, hypothesis)


def _fill(
    reference: Sequence[Hashable],
    hypothesis: Sequence[Hashable],
    opens: Sequence[bool],
    classes: tuple[Sequence[Hashable], Sequence[Hashable]] | None,
    lowest: int,
    highest: int,
) -> list[tuple[bytearray, bytearray]]:
    """Dynamic programming over cells (i, j): the best way to align the first i with the first j items.

    Inside a unit a cell has two states, the unit being right so far or wrong; where one ends (``opens[i]``) they
    become one. Returns per row the step into each cell, for the state right and for the state wrong. Index p of
    a row is the diagonal ``lowest + p - 1``, so that a cell's diagonal, upper and left neighbours are at p of
    the row above, p + 1 of the row above and p - 1.
    """
    n, m = len(reference), len(hypothesis)
    width = highest - lowest + 3
    right_above = [_UNREACHABLE] * width
    wrong_above = [_UNREACHABLE] * width
    for j in range(min(m, highest) + 1):
        right_above[j - lowest + 1] = j * _EDIT
    steps = [(bytearray([_LEFT]) * width, bytearray(width))]
    for i in range(1, n + 1):
        item, opening = reference[i - 1], opens[i]
        right, wrong = [_UNREACHABLE] * width, [_UNREACHABLE] * width
        right_steps, wrong_steps = bytearray(width), bytearray(width)
        for j in range(max(0, i + lowest), min(m, i + highest) + 1):
            p = j - i - lowest + 1
            # Per step: its cost into the state right where a unit ends and else into the state wrong, and the
            # state it comes from. An error costs an open unit its being right, unless it was wrong already.
            diagonal_right, diagonal_wrong = right_above[p], wrong_above[p]
            if j and item == hypothesis[j - 1]:
                best, step = diagonal_wrong, _WAS_WRONG | _DIAGONAL
                if not opening:
                    right[p] = diagonal_right
                elif diagonal_right <= diagonal_wrong:
                    best, step = diagonal_right, _DIAGONAL
            else:
                best, step = diagonal_right + _WRONG_UNIT, _DIAGONAL
                if diagonal_wrong < best:
                    best, step = diagonal_wrong, _WAS_WRONG | _DIAGONAL
                best += _EDIT
                if classes is not None and j and classes[0][i - 1] != classes[1][j - 1]:
                    best += _ACROSS
            above, from_above = right_above[p + 1] + _WRONG_UNIT, _ABOVE
            if wrong_above[p + 1] < above:
                above, from_above = wrong_above[p + 1], _WAS_WRONG | _ABOVE
            if above + _EDIT < best:
                best, step = above + _EDIT, from_above
            if opening:
                left, from_left = right[p - 1] + _EDIT, _LEFT
            else:
                left, from_left = right[p - 1] + _WRONG_UNIT, _LEFT
                if wrong[p - 1] < left:
                    left, from_left = wrong[p - 1], _WAS_WRONG | _LEFT
                left += _EDIT + _INSIDE
            if left < best:
                best, step = left, from_left
            if opening:
                right[p], right_steps[p] = best, step
            else:
                wrong[p], wrong_steps[p] = best, step
        steps.append((right_steps, wrong_steps))
        right_above, wrong_above = right, wrong
    return steps


def _trace(
    steps: Sequence[tuple[bytearray, bytearray]],
    reference: Sequence[Hashable],
    hypothesis: Sequence[Hashable],
    lowest: int,
) -> list[Operation]:
    """Walk the steps back from the last cell."""
    operations: list[Operation] = []
    i, j, wrong = len(reference), len(hypothesis), 0
    while i or j:
        step = steps[i][wrong][j - i - lowest + 1]
        direction = step & ~_WAS_WRONG
        if direction == _LEFT:
            j -= 1
            operations.append(Operation("insert", i, j))
        elif direction == _ABOVE:
            i -= 1
            operations.append(Operation("delete", i, j))
        else:
            i, j = i - 1, j - 1
            operations.append(Operation("match" if reference[i] == hypothesis[j] else "substitute", i, j))
        wrong = step // _WAS_WRONG
    return operations[::-1]
