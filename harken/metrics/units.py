"""Reference units (words, characters, keywords) and whether a hypothesis has each of them right."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from harken.alignment import Operation, align
from harken.text import characters, is_word_boundary, remove_accents, script

UnitKind = Literal["W", "C", "S"]


@dataclass(frozen=True)
class Unit:
    """A piece of the reference: a word (``W``), a single character (``C``) or a keyword (``S``).

    ``start`` and ``end`` count the reference's characters without spaces; ``category`` is the keyword's.
    """

    text: str
    kind: UnitKind
    start: int
    end: int
    category: str | None = None


@dataclass(frozen=True)
class UnitOutcome:
    """What became of a unit: the characters heard in its place, and each fault in words (none: it is right)."""

    unit: Unit
    heard: str
    faults: tuple[str, ...]
    edits: int

    @property
    def right(self) -> bool:
        """True when the unit was heard exactly."""
        return not self.faults

    @property
    def counted_as(self) -> UnitKind:
        """The class its error counts in: a wrong word of which one character was heard is a character error."""
        retyped = self.unit.kind == "W" and not self.right and len(self.heard) == 1
        return "C" if retyped else self.unit.kind


@dataclass(frozen=True)
class Assessment:
    """The outcome of every unit, and the insertions between units as (reference position, character)."""

    outcomes: tuple[UnitOutcome, ...]
    insertions: tuple[tuple[int, str], ...]


def assess(units: Sequence[Unit], hypothesis: str) -> Assessment:
    """Align the units' characters with a normalised hypothesis, which is not segmented.

    A unit is wrong when a character of it is substituted or deleted or one is inserted inside it; insertions
    go to unit boundaries where that takes no more edits, and cost no unit there. Only a keyword must also stand
    alone: a letter or digit inserted right at its end (prada heard as pradas) makes it another word.

    Args:
        units: they tile the reference.
        hypothesis: normalised text; its spaces tell what stands alone.
    """
    reference = "".join(unit.text for unit in units)
    heard = characters(hypothesis)
    owners = [index for index, unit in enumerate(units) for _ in unit.text]
    scripts = [script(character) for character in reference], [script(character) for character in heard]
    operations = align(reference, heard, units=owners, classes=scripts)

    spoken_as: list[list[str]] = [[] for _ in units]
    faults: list[list[str]] = [[] for _ in units]
    insertions: list[tuple[int, str]] = []
    for kind, here, there in operations:
        if kind == "insert":
            inside = 0 < here < len(reference) and owners[here] == owners[here - 1]
            if not inside:
                insertions.append((here, heard[there]))
                continue
            faults[owners[here]].append(f"{heard[there]} inserted inside")
        elif kind == "delete":
            faults[owners[here]].append(f"{reference[here]} missing")
            continue
        elif kind == "substitute":
            accent = remove_accents(reference[here]) == remove_accents(heard[there])
            faults[owners[here]].append(
                f"{reference[here]} heard as {heard[there]}{' (accent only)' if accent else ''}"
            )
        spoken_as[owners[here]].append(heard[there])
    edits = [len(found) for found in faults]
    for index, fault in _attached(units, operations, owners, hypothesis):
        faults[index].append(fault)
    outcomes = (
        UnitOutcome(unit, "".join(spoken_as[index]), tuple(faults[index]), edits[index])
        for index, unit in enumerate(units)
    )
    return Assessment(tuple(outcomes), tuple(insertions))


def _attached(
    units: Sequence[Unit], operations: Sequence[Operation], owners: Sequence[int], hypothesis: str
) -> Iterable[tuple[int, str]]:
    """Keywords to whose first or last character an insertion is attached without a word boundary."""
    heard = characters(hypothesis)
    after_space = [index > 0 and hypothesis[index - 1] == " " for index, c in enumerate(hypothesis) if c != " "]
    inserted = {there for kind, _, there in operations if kind == "insert"}
    for kind, here, there in operations:
        if kind != "match" or units[owners[here]].kind != "S":
            continue
        unit = units[owners[here]]
        for edge, left, right in ((unit.start, there - 1, there), (unit.end - 1, there, there + 1)):
            neighbour = left + right - there
            if (
                here == edge
                and neighbour in inserted
                and not after_space[right]
                and not is_word_boundary(heard[left], heard[right])
            ):
                yield owners[here], f"{heard[neighbour]} attached"
