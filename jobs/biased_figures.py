"""What biasing by a glossary changed, and what became of the terms that were detected."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from harken.biasing import guards
from harken.biasing.outcome import OUTCOMES
from harken.records import Row
from harken.report.data import BiasedSet, BiasingReport, HeardTerm
from jobs.plan import BIASED, Plan
from jobs.scoring import Scores

# Where the words went to another term, the reason names it.
ANOTHER = "another term fits the words better"
_REASONS = {
    guards.UNWRITABLE,
    guards.IMPROBABLE,
    guards.BEYOND,
    guards.NOTHING_HEARD,
    guards.UNALIGNED,
    guards.NO_SPAN,
    guards.ELSEWHERE,
    guards.OTHER_SOUNDS,
    guards.TOO_LONG,
    guards.NOT_PROPOSED,
    guards.RIGHT_THERE,
    guards.UNLIKELY,
    guards.WEAK,
}


def biasing_figures(plan: Plan, scored: Mapping[str, Scores]) -> dict[str, Any] | None:
    """What the biased systems did, as plain values; None for a run without them.

    Returns:
        ``entries`` of the glossary; ``terms``: ``{set: {system: {"detected", "applied", "already right", "rejected",
        "refused": {reason: count}}}}``; ``comparisons``: ``{set: {system: {"than", "metrics"}}}``, with differences.
    """
    if plan.glossary is None:
        return None
    from compression.glossary.manifest import read_manifest

    return {
        "entries": read_manifest(plan.glossary.folder, plan.glossary.version).entries,
        "terms": {name: {system: _counts(_terms(plan, name, system)) for system in BIASED} for name in scored},
        "comparisons": {
            name: {
                system: {"than": BIASED[system], "metrics": found}
                for system, found in scores.differences(BIASED).items()
            }
            for name, scores in scored.items()
        },
    }


def biasing_report(figures: Mapping[str, Any] | None, scored: Mapping[str, Scores]) -> BiasingReport | None:
    """The same with the metrics of both systems of each comparison, as the report shows it."""
    if figures is None:
        return None
    sets = []
    for name, scores in scored.items():
        for system, compared in figures["comparisons"][name].items():
            counts, than = figures["terms"][name][system], compared["than"]
            sets.append(
                BiasedSet(
                    name,
                    system,
                    than,
                    {one: scores.intervals[one] for one in (than, system)},
                    {system: compared["metrics"]},
                    {outcome: counts[outcome] for outcome in OUTCOMES},
                    counts["refused"],
                )
            )
    return BiasingReport(figures["entries"], sets)


def heard_terms(plan: Plan) -> dict[str, dict[str, list[HeardTerm]]]:
    """``{system: {utterance: terms}}`` of the domain test set; empty for a run without biased systems."""
    if plan.glossary is None:
        return {}
    found: dict[str, dict[str, list[HeardTerm]]] = {}
    for system in BIASED:
        rows = plan.hypotheses(plan.domain, system).rows(["id", "terms"])
        found[system] = {row["id"]: [_heard(term) for term in row["terms"] or ()] for row in rows}
    return found


def _terms(plan: Plan, name: str, system: str) -> Iterable[Row]:
    speech = plan.general if name == "general" else plan.domain
    assert speech is not None
    for row in plan.hypotheses(speech, system).rows(["terms"]):
        yield from row["terms"] or ()


def _counts(terms: Iterable[Row]) -> dict[str, Any]:
    outcomes: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for term in terms:
        outcomes[term["outcome"]] += 1
        if term["outcome"] == "rejected":
            refused[term["reason"] if term["reason"] in _REASONS else ANOTHER] += 1
    counted: dict[str, int] = {outcome: outcomes[outcome] for outcome in OUTCOMES}
    return {"detected": outcomes.total(), **counted, "refused": dict(refused.most_common())}


def _heard(term: Row) -> HeardTerm:
    told = [term["reason"]]
    applied = term["outcome"] == "applied"
    if applied:
        told = [f"in place of {term['heard']}", f"proposed by {', '.join(term['mechanisms'])}"]
    elif term["outcome"] == "rejected" and term["heard"]:
        told.append(f"the words are {term['heard']}")
    # What the search measured, then what the guards did.
    told += [f"{name} {score:.2f}" for scores in (term["evidence"], term["scores"]) for name, score in scores]
    return HeardTerm(
        term["term"],
        term["category"],
        term["start"],
        term["end"],
        term["probability"],
        term["outcome"],
        "; ".join(told),
        term["character_start"] if applied else None,
        term["character_end"] if applied else None,
    )
