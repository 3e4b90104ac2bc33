"""Spans of an unbiased text that a detected term might replace, and what speaks for it.

Two sources: the time span of the detection (substitution), and a transcript that was decoded with help, aligned with
the unbiased one unit by unit (Needleman-Wunsch; of a biased transcript nothing but whole terms is ever considered).
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from harken.alignment import Operation, align
from harken.biasing.settings import BiasingSettings
from harken.detection import Detection
from harken.keywords import Keyword, KeywordMatcher, Mention
from harken.text import Span, unit_spans
from harken.unit_times import UnitTime

_SPANS_PER_DETECTION = 3
# What a second by which a span misses its detection weighs against phonetic distance.
_DISTANCE_PER_SECOND = 0.2
# What a unit beside the detection that the model is sure of does.
_DISTANCE_PER_UNIT = 0.2
# Longer runs of heard units are not one term.
_MOST_UNITS = 16
_SHORTEST = 1e-3


class Sounds(Protocol):
    """How alike texts sound; `actors.phonetics.Phonetics` does it with espeak-ng."""

    def learn(self, texts: Iterable[str]) -> None:
        """Read many texts at once, so that `distance` need not read them one by one."""

    def distance(self, spoken: str, heard: str) -> float:
        """0.0 when they sound the same, 1.0 when one is silence."""


@dataclass(frozen=True)
class Heard:
    """An unbiased text with the times of its units (`harken.text.unit_spans`) and how probable the model finds each."""

    text: str
    units: tuple[UnitTime, ...]
    probabilities: tuple[float, ...] = ()

    def words(self, first: int, last: int) -> str:
        """What is written from unit `first` up to, not with, unit `last`."""
        return self.text[self.units[first].character_start : self.units[last - 1].character_end]


@dataclass(frozen=True)
class Candidate:
    """A detection (by its place in the window's list) that may replace the units from `first` up to `last`.

    Attributes:
        overlap: of the units' time and the detection's, as a share of the shorter one.
        distance: between the sounds of the term and of the units.
        mechanisms: that propose it.
        beside: units in it that were said outside the detection, each as far as the model is sure of it: they explain
            the sound beside the term, and would be lost.
    """

    detection: int
    first: int
    last: int
    overlap: float
    distance: float
    mechanisms: tuple[str, ...]
    beside: float = 0.0


def term_matcher(detections: Sequence[Detection]) -> KeywordMatcher:
    """Finds any spelling of the detected terms; the mentions' categories are empty."""
    keywords: dict[str, Keyword] = {}
    for detection in detections:
        for spelling in detection.spellings or (detection.term,):
            keywords.setdefault(spelling, Keyword(spelling, ""))
    return KeywordMatcher(list(keywords.values()))


def mentions_of(detection: Detection, mentions: Iterable[Mention]) -> list[Mention]:
    """Those among mentions found by `term_matcher` that are this detection's term, in one of its spellings."""
    spellings = detection.spellings or (detection.term,)
    return [mention for mention in mentions if mention.term in spellings]


def overlap(start: float, end: float, detection: Detection) -> float:
    """Of two stretches of time, the common one as a share of the shorter one."""
    shorter = min(end - start, detection.end - detection.start)
    return _common(start, end, detection) / shorter if shorter > 0 else 0.0


def spoken_form(detection: Detection) -> str:
    """The text that is read as the term sounds."""
    return detection.spoken or detection.term


def time_spans(
    heard: Heard, place: int, detection: Detection, sounds: Sounds, settings: BiasingSettings
) -> list[Candidate]:
    """The spans whose ends are within the slack of the detection's and which sound most like the term.

    Where words are so wrong that none begin and end there, the units that are said mostly inside the detection.
    """
    spans = [
        (first, last)
        for first, begin in enumerate(heard.units)
        if abs(begin.start - detection.start) <= settings.slack
        for last in range(first + 1, min(first + _MOST_UNITS, len(heard.units)) + 1)
        if abs(heard.units[last - 1].end - detection.end) <= settings.slack
    ]
    if not spans:
        inside = [
            index
            for index, unit in enumerate(heard.units)
            if detection.start <= (unit.start + unit.end) / 2 <= detection.end
        ]
        spans = [(inside[0], inside[-1] + 1)] if inside else []
    candidates = [_candidate(heard, place, detection, span, "substitution", sounds) for span in spans]

    def rank(candidate: Candidate) -> tuple[float, int, int]:
        begin, end = heard.units[candidate.first].start, heard.units[candidate.last - 1].end
        missed = abs(begin - detection.start) + abs(end - detection.end)
        worse = _DISTANCE_PER_SECOND * missed + _DISTANCE_PER_UNIT * candidate.beside
        return candidate.distance + worse, candidate.first, candidate.last

    return sorted(candidates, key=rank)[:_SPANS_PER_DETECTION]


def biased_spans(
    heard: Heard,
    biased: str,
    mechanism: str,
    detections: Sequence[Detection],
    matcher: KeywordMatcher,
    sounds: Sounds,
) -> list[Candidate]:
    """The units that stand in the place of each detected term that a biased text has and the unbiased one has not."""
    other = unit_spans(biased)
    written = [biased[first:last].casefold() for first, last in other]
    unbiased = [heard.text[unit.character_start : unit.character_end].casefold() for unit in heard.units]
    steps = align(unbiased, written)
    mentions = matcher.find(biased)
    candidates = []
    for place, detection in enumerate(detections):
        for mention in mentions_of(detection, mentions):
            inside = {
                index for index, (first, last) in enumerate(other) if first < mention.end and mention.start < last
            }
            replaced = _counterparts(steps, inside)
            if replaced is None:
                continue
            # Units beside it that have no counterpart may be the term's too: one word is often heard as three.
            (first, last), (least, most) = replaced
            _, span = min(
                (sounds.distance(spoken_form(detection), heard.words(start, end)), (start, end))
                for start in range(least, first + 1)
                for end in range(last, most + 1)
            )
            candidates.append(_candidate(heard, place, detection, span, mechanism, sounds))
    return candidates


def _counterparts(steps: Sequence[Operation], inside: Collection[int]) -> tuple[Span, Span] | None:
    """The unbiased units that stand for the biased ones `inside`, without and with the deleted ones beside them.

    None where the two texts are the same, or have no unit to be replaced.
    """
    own = [index for index, step in enumerate(steps) if step.hypothesis in inside and step.kind != "delete"]
    kinds = {steps[index].kind for index in own}
    replaced = [steps[index].reference for index in own if steps[index].kind != "insert"]
    begin, end = own[0], own[-1] + 1
    while begin and steps[begin - 1].kind == "delete":
        begin -= 1
    while end < len(steps) and steps[end].kind == "delete":
        end += 1
    around = [step.reference for step in steps[begin:end] if step.kind != "insert"]
    if not around or (kinds == {"match"} and len(around) == len(own)):
        return None
    core = replaced or [around[0]]
    return (min(core), max(core) + 1), (min(around), max(around) + 1)


def merged(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates that are the same but for their mechanism become one."""
    by_span: dict[tuple[int, int, int], Candidate] = {}
    for candidate in candidates:
        key = candidate.detection, candidate.first, candidate.last
        known = by_span.get(key)
        mechanisms = (known.mechanisms if known else ()) + candidate.mechanisms
        by_span[key] = replace(candidate, mechanisms=tuple(dict.fromkeys(mechanisms)))
    return list(by_span.values())


def _candidate(
    heard: Heard, place: int, detection: Detection, span: tuple[int, int], mechanism: str, sounds: Sounds
) -> Candidate:
    first, last = span
    start, end = heard.units[first].start, heard.units[last - 1].end
    distance = sounds.distance(spoken_form(detection), heard.words(first, last))
    return Candidate(
        place,
        first,
        last,
        overlap(start, end, detection),
        distance,
        (mechanism,),
        sum(_beside(heard, unit, detection) for unit in range(first, last)),
    )


def _beside(heard: Heard, unit: int, detection: Detection) -> float:
    """How much of a unit is said outside the detection, as far as the model is sure of it."""
    start, end = heard.units[unit].start, heard.units[unit].end
    outside = 1.0 - _common(start, end, detection) / max(end - start, _SHORTEST)
    return outside * (heard.probabilities[unit] if heard.probabilities else 1.0)


def _common(start: float, end: float, detection: Detection) -> float:
    return max(0.0, min(end, detection.end) - max(start, detection.start))
