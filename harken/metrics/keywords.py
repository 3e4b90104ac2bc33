"""Keywords in a reference: where they are among its characters, and which of them were recognised."""

from dataclasses import dataclass
from itertools import groupby

from harken.keywords import KeywordMatcher
from harken.metrics.error_rates import ErrorCount
from harken.metrics.units import Unit, UnitOutcome, assess
from harken.text import separate


@dataclass(frozen=True)
class KeywordAssessment:
    """The keywords of one reference and what became of them.

    ``carrier`` counts the character errors of everything else: edits inside a keyword, and insertions beside
    a wrong one, are the keyword's.
    """

    outcomes: tuple[UnitOutcome, ...]
    carrier: ErrorCount


def keyword_units(canonical: str, matcher: KeywordMatcher | None) -> list[Unit]:
    """Tile canonical text by its keywords (kind ``S``) and what stands between keywords and separators (``W``).

    The keywords are looked for while the punctuation is still there, so that none is found across it.
    """
    mentions = matcher.find(canonical) if matcher else []
    owners = {index: mention for mention in mentions for index in range(mention.start, mention.end)}
    labelled = []
    clause = 0
    for character, origin in zip(*separate(canonical), strict=True):
        if character == " ":
            clause += 1
        else:
            labelled.append((character, owners.get(origin, clause)))
    units: list[Unit] = []
    for label, group in groupby(labelled, key=lambda pair: pair[1]):
        text = "".join(character for character, _ in group)
        start = units[-1].end if units else 0
        if isinstance(label, int):
            units.append(Unit(text, "W", start, start + len(text)))
        else:
            units.append(Unit(text, "S", start, start + len(text), label.category))
    return units


def assess_keywords(units: list[Unit], hypothesis: str) -> KeywordAssessment:
    """Which keywords a hypothesis has exactly right; the same whichever segmenters are used.

    Args:
        units: from `keyword_units`.
        hypothesis: normalised text.
    """
    pieces: list[Unit] = []
    for unit in units:
        pieces += [unit] if unit.kind == "S" else _single_characters(unit)
    assessment = assess(pieces, hypothesis)
    keywords = tuple(outcome for outcome in assessment.outcomes if outcome.unit.kind == "S")
    carrier = [outcome for outcome in assessment.outcomes if outcome.unit.kind != "S"]
    beside_wrong = {edge for found in keywords if not found.right for edge in (found.unit.start, found.unit.end)}
    inserted = sum(position not in beside_wrong for position, _ in assessment.insertions)
    return KeywordAssessment(keywords, ErrorCount(sum(found.edits for found in carrier) + inserted, len(carrier)))


def _single_characters(unit: Unit) -> list[Unit]:
    return [Unit(text, "C", place, place + 1) for place, text in enumerate(unit.text, start=unit.start)]
