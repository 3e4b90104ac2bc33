"""Terms written into a text in the place of its own words; the times of its units stay with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from harken.biasing.transcript import spread
from harken.text import is_word_boundary
from harken.unit_times import UnitTime


@dataclass(frozen=True)
class Edit:
    """``text[start:end]`` is to be written as `written`, because of the detection at `place` of the window's list."""

    place: int
    start: int
    end: int
    written: str


@dataclass(frozen=True)
class Edited:
    """A text after its edits, its units, and by the edits' places where in it each is."""

    text: str
    units: tuple[UnitTime, ...]
    spans: dict[int, tuple[int, int]]


def splice(text: str, start: int, end: int, term: str) -> tuple[str, int]:
    """``text[start:end]`` replaced by a term, parted by a space from letters beside it; and where the term begins.

    >>> splice("I like Berkin bags", 7, 13, "Birkin")
    ('I like Birkin bags', 7)
    >>> splice("new乐福鞋", 3, 6, "loafer")
    ('new loafer', 4)
    """
    before, after = text[:start], text[end:]
    if before and before[-1].isalnum() and not is_word_boundary(before[-1], term[0]):
        before += " "
    if after and after[0].isalnum() and not is_word_boundary(term[-1], after[0]):
        after = " " + after
    return before + term + after, len(before)


def units_within(units: Sequence[UnitTime], start: int, end: int) -> range:
    """The units that have a character in [start, end) of the text."""
    inside = [index for index, unit in enumerate(units) if unit.character_start < end and start < unit.character_end]
    return range(inside[0], inside[-1] + 1) if inside else range(0)


def apply_edits(text: str, units: Sequence[UnitTime], edits: Sequence[Edit]) -> Edited:
    """Make all edits; each replaces one or more whole units, and none overlaps another unless it is the same span.

    A term is said evenly in the time of the units it replaces.
    """
    whole, times = text, list(units)
    made: dict[tuple[int, int], tuple[int, int]] = {}
    spans: dict[int, tuple[int, int]] = {}
    shift = 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.place)):
        key = edit.start, edit.end
        if key not in made:
            start, end = edit.start + shift, edit.end + shift
            inside = units_within(times, start, end)
            changed, begin = splice(whole, start, end, edit.written)
            change = len(changed) - len(whole)
            said = spread(edit.written, times[inside[0]].start, times[inside[-1]].end, begin)
            moved = [
                UnitTime(unit.character_start + change, unit.character_end + change, unit.start, unit.end)
                for unit in times[inside.stop :]
            ]
            times = [*times[: inside.start], *said, *moved]
            whole, shift = changed, shift + change
            made[key] = begin, begin + len(edit.written)
        spans[edit.place] = made[key]
    return Edited(whole, tuple(times), spans)
