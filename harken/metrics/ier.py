"""Integrated Error Rate (IER) of "weak supervision for hybrid ASR in CRM", section 5.2.

The reference is cut into words (W), single characters (C) and keywords (S) by each of M segmenters; a unit is
wrong or right as a whole, and counted once. The paper weighs the three classes' error rates by their share of
the units, which collapses to wrong units over units: IER = mean over m of E_m / N_m. An empty class contributes
nothing. Insertions between units cost nothing, so a hypothesis that loops can have an IER of 0: read
``IER_ins`` = mean over m of (E_m + I_m) / N_m beside it, I_m being the characters inserted between units.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from harken.metrics.segmentation import Segmenter
from harken.metrics.units import Assessment, Unit, UnitKind

CLASSES: tuple[UnitKind, ...] = ("W", "C", "S")


@dataclass(frozen=True)
class IntegratedErrors:
    """Units and errors of one segmenter, by class.

    ``units`` is what the segmenter and the keywords gave. ``errors`` is by the kind of error: a wrong word of
    which one character was heard (喜欢 heard as 喜) is an error of class C; there are ``retyped`` of them, so
    the units by the same count are W - retyped and C + retyped. The IER is the same either way.
    """

    units: dict[UnitKind, int]
    errors: dict[UnitKind, int]
    retyped: int
    insertions: int


def integrated_units(keyword_units: Sequence[Unit], segmenter: Segmenter) -> list[Unit]:
    """Cut what stands between the keywords into words (W) and, when one character long, characters (C).

    Only the reference is ever segmented: a hypothesis without punctuation would be cut elsewhere (人喜).
    """
    words = iter(segmenter.segment([unit.text for unit in keyword_units if unit.kind != "S"]))
    units: list[Unit] = []
    for piece in keyword_units:
        if piece.kind == "S":
            units.append(piece)
            continue
        start = piece.start
        for word in next(words):
            units.append(Unit(word, "W" if len(word) > 1 else "C", start, start + len(word)))
            start += len(word)
    return units


def integrated_errors(assessment: Assessment) -> IntegratedErrors:
    """Count the units and the wrong ones by class."""
    units = Counter(outcome.unit.kind for outcome in assessment.outcomes)
    wrong = [outcome for outcome in assessment.outcomes if not outcome.right]
    errors = Counter(outcome.counted_as for outcome in wrong)
    return IntegratedErrors(
        units={kind: units[kind] for kind in CLASSES},
        errors={kind: errors[kind] for kind in CLASSES},
        retyped=sum(outcome.counted_as != outcome.unit.kind for outcome in wrong),
        insertions=len(assessment.insertions),
    )
