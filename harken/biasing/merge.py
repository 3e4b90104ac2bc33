"""From proposals to a transcript: the guards' choice written into the unbiased text, every decision explained."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from harken.biasing import guards
from harken.biasing.candidates import term_matcher
from harken.biasing.editing import Edit, apply_edits, units_within
from harken.biasing.guards import Assessed
from harken.biasing.proposals import Proposals
from harken.biasing.transcript import BiasedTranscript, Decision, segments_of, words_of
from harken.detection import Detection


def merge(window: Proposals, mechanisms: Collection[str] | None = None) -> BiasedTranscript:
    """The transcript of one window.

    Args:
        mechanisms: "prompt", "boost", "substitution": only what one of these proposed; None: whatever was proposed.
    """
    heard = window.heard
    assessed = [one for one in window.assessed if mechanisms is None or set(one.candidate.mechanisms) & set(mechanisms)]
    protected = [units_within(heard.units, start, end) for start, end in window.right.values()]
    chosen = guards.choose(assessed, protected)
    edits = [
        Edit(
            one.candidate.detection,
            heard.units[one.candidate.first].character_start,
            heard.units[one.candidate.last - 1].character_end,
            one.written,
        )
        for one in chosen
    ]
    for place, (start, end) in window.right.items():
        edits.append(Edit(place, start, end, _as_spelled(window.detections[place], heard.text[start:end])))
    edited = apply_edits(heard.text, heard.units, edits)
    decisions = []
    for place in range(len(window.detections)):
        span = edited.spans.get(place)
        written = edited.text[slice(*span)] if span else ""
        decisions.append(_decision(window, place, assessed, chosen, written, span))
    return BiasedTranscript(
        edited.text,
        heard.text,
        tuple(decisions),
        words_of(edited.text, edited.units),
        segments_of(edited.text, edited.units),
        window.hypothesis.average_logprob,
        window.hypothesis.truncated,
        window.biased,
    )


def _decision(
    window: Proposals,
    place: int,
    assessed: Sequence[Assessed],
    chosen: Sequence[Assessed],
    written: str,
    span: tuple[int, int] | None,
) -> Decision:
    detection = window.detections[place]
    first, last = span or (None, None)
    base = Decision(
        detection.term,
        detection.start,
        detection.end,
        detection.probability,
        accepted=False,
        reason=window.refused.get(place, guards.NOT_PROPOSED),
        written=written,
        character_start=first,
        character_end=last,
    )
    if place in window.right:
        start, end = window.right[place]
        return replace(base, reason=guards.ALREADY_RIGHT, heard=window.heard.text[start:end])
    # What was chosen, or else what came nearest to it.
    own = [one for one in assessed if one.candidate.detection == place]
    best = max(own, key=lambda one: (one in chosen, one.accepted, one.evidence), default=None)
    if best is None:
        return base
    accepted = best in chosen
    reason = guards.taken_by(best, chosen, window.heard) if best.accepted and not accepted else best.reason
    return replace(
        base,
        accepted=accepted,
        reason=reason,
        mechanisms=best.candidate.mechanisms,
        heard=window.heard.words(best.candidate.first, best.candidate.last),
        scores=best.scores(),
    )


def _as_spelled(detection: Detection, heard: str) -> str:
    """What was heard right, in the glossary's spelling of it (case, accents, width, spacing)."""
    for spelling in detection.spellings or (detection.term,):
        if term_matcher([Detection(spelling, 0.0, 0.0, 1.0)]).find(heard):
            return spelling
    return heard
