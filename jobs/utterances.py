"""Test utterances as the reports show them: what was said, what was heard, and which of them to listen to."""

from collections.abc import Mapping, Sequence

from harken.keywords import KeywordMatcher
from harken.report.data import HeardTerm, Hypothesis, Span, Utterance
from jobs.scoring import Scores


def utterance(
    scores: Scores,
    place: int,
    systems: Sequence[str],
    matcher: KeywordMatcher,
    *,
    audible: bool,
    worst: bool,
    terms: Mapping[str, Mapping[str, Sequence[HeardTerm]]] | None = None,
) -> Utterance:
    """The utterance at ``place`` of a scored set with what ``systems`` heard; its recording only if ``audible``.

    ``terms``: by biased system and utterance what was detected.
    """
    row = scores.row(place)
    detected = {system: found.get(row["id"], ()) for system, found in (terms or {}).items()}
    return Utterance(
        id=row["id"],
        reference=row["reference"],
        hypotheses={
            system: Hypothesis(
                row[f"{system}_hypothesis"], row[f"{system}_cer"], row[f"{system}_hits"], detected.get(system)
            )
            for system in systems
        },
        spans=keyword_spans(matcher, row["reference"]),
        speaker=row["speaker"],
        seconds=row["duration"],
        audio=scores.utterances[place]["audio"] if audible else None,
        worst=worst,
    )


def worst_places(scores: Scores, system: str, count: int) -> list[int]:
    """Where the ``count`` utterances are of which a system has the highest character error rates, the worst first."""
    rates = [scores.row(place)[f"{system}_cer"] or 0.0 for place in range(len(scores.utterances))]
    return sorted(range(len(rates)), key=lambda place: rates[place], reverse=True)[:count]


def keyword_spans(matcher: KeywordMatcher, text: str) -> list[Span]:
    """The keyword mentions of a text."""
    return [Span(mention.start, mention.end, mention.category) for mention in matcher.find(text)]
