"""An utterance's aligned units in words: what was heard in place of each and why it is wrong."""

from collections.abc import Iterator
from typing import TypedDict

from harken.metrics.units import Assessment, UnitOutcome
from harken.metrics.utterance import UtteranceAnalysis

_SHOWN_FAULTS = 3


class UnitExplanation(TypedDict):
    """One reference unit, or (``unit_class`` None, ``unit`` empty) what was inserted between two units.

    ``counted_as`` is the class whose error it is, None when there is none.
    """

    unit: str
    unit_class: str | None
    category: str | None
    heard: str
    right: bool
    counted_as: str | None
    why: str


class UtteranceExplanation(TypedDict):
    """The compared texts and, by segmenter, the units from left to right."""

    reference: str
    hypothesis: str
    units: dict[str, list[UnitExplanation]]


def explain(analysis: UtteranceAnalysis) -> UtteranceExplanation:
    """The explanation of one utterance, ready for JSON."""
    units = {name: list(_explain_units(assessment)) for name, assessment in analysis.integrated.items()}
    return {"reference": analysis.reference, "hypothesis": analysis.hypothesis, "units": units}


def _explain_units(assessment: Assessment) -> Iterator[UnitExplanation]:
    inserted: dict[int, str] = {}
    for position, character in assessment.insertions:
        inserted[position] = inserted.get(position, "") + character
    for outcome in assessment.outcomes:
        if outcome.unit.start in inserted:
            yield _explain_insertion(inserted[outcome.unit.start])
        yield _explain_unit(outcome)
    end = assessment.outcomes[-1].unit.end if assessment.outcomes else 0
    if end in inserted:
        yield _explain_insertion(inserted[end])


def _explain_unit(outcome: UnitOutcome) -> UnitExplanation:
    unit = outcome.unit
    why = ", ".join(outcome.faults[:_SHOWN_FAULTS])
    if len(outcome.faults) > _SHOWN_FAULTS:
        why += f", {len(outcome.faults) - _SHOWN_FAULTS} more"
    if not outcome.right and not outcome.heard:
        why = "missing"
    elif unit.kind == "S" and not outcome.right:
        why = f"a keyword is right only as a whole: {why}"
    elif outcome.counted_as != unit.kind:
        why += "; one character was heard, so it is a character error"
    return {
        "unit": unit.text,
        "unit_class": unit.kind,
        "category": unit.category,
        "heard": outcome.heard,
        "right": outcome.right,
        "counted_as": None if outcome.right else outcome.counted_as,
        "why": why,
    }


def _explain_insertion(text: str) -> UnitExplanation:
    return {
        "unit": "",
        "unit_class": None,
        "category": None,
        "heard": text,
        "right": False,
        "counted_as": None,
        "why": "inserted between units: counts in CER and ier_ins, not in IER",
    }
