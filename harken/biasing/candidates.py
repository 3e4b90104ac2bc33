"""Spans of an unbiased text that a detected term might replace, and what speaks for it.

Two sources: the time span of the detection (substitution), and a transcript that was decoded with help, aligned with
the unbiased one unit by unit (Needleman-Wunsch; of a biased transcript nothing but whole terms is ever considered).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from harken.alignment import align
from harken.biasing.settings import BiasingSettings
from harken.detection import Detection
from harken.keywords import Keyword, KeywordMatcher, Mention
from harken.text import unit_spans
from harken.unit_times import UnitTime

_SPANS_PER_DETECTION = 2
# What a second by which a span misses its detection weighs against phonetic distance.
_DISTANCE_PER_SECOND = 0.2
# Longer runs of heard units are not one term.
_MOST_UNITS = 16


class Sounds(Protocol):
    """How alike texts sound; `actors.phonetics.Phonetics` does it with espeak-ng."""

    def learn(self, texts: Iterable[str]) -> None:
        """Read many texts at once, so that `distance` need not read them one by one."""

    def distance(self, spoken: str, heard: str) -> float:
        """0.0 when they sound the same, 1.0 when one is silence."""


@dataclass(frozen=True)
class Heard:
    """An unbiased text with the times of its units (`harken.text.unit_spans`)."""

    text: str
    units: tuple[UnitTime, ...]

    def words(self, first: int, last: int) -> str:
        """What is written from unit `first` up to, not with, unit `last`."""
        return self.text[self.units[first].character_start : self.units[last - 1].character_end]


@dataclass(frozen=True)
class Candidate:
    """A detection (by its place in the window's list) that may replace the units from `first` up to `last`."""

    detection: int
    first: int
    last: int
    overlap: float
    distance: float
    mechanisms: tuple[str, ...]


def term_matcher(detections: Sequence[Detection]) -> KeywordMatcher:
    """Finds any spelling of the detected terms; a mention's category is the detected term's place in the list."""
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
    common = min(end, detection.end) - max(start, detection.start)
    shorter = min(end - start, detection.end - detection.start)
    return max(0.0, common) / shorter if shorter > 0 else 0.0


def spoken_form(detection: Detection) -> str:
    """The text that is read as the term sounds."""
    return detection.spoken or detection.term


def time_spans(
    heard: Heard, place: int, detection: Detection, sounds: Sounds, settings: BiasingSettings
) -> list[Candidate]:
    """The spans whose ends are within the slack of the detection's and which sound most like the term."""
    spans = []
    for first, begin in enumerate(heard.units):
        if abs(begin.start - detection.start) > settings.slack:
            continue
        for last in range(first + 1, min(first + _MOST_UNITS, len(heard.units)) + 1):
            end = heard.units[last - 1].end
            if abs(end - detection.end) > settings.slack:
                continue
            distance = sounds.distance(spoken_form(detection), heard.words(first, last))
            missed = abs(begin.start - detection.start) + abs(end - detection.end)
            shared = overlap(begin.start, end, detection)
            rank = distance + _DISTANCE_PER_SECOND * missed
            spans.append((rank, Candidate(place, first, last, shared, distance, ("substitution",))))
    ranked = sorted(spans, key=lambda span: (span[0], span[1].first, span[1].last))
    return [candidate for _, candidate in ranked[:_SPANS_PER_DETECTION]]


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
            # Units without a counterpart are the term's too: one word may be heard as three.
            touching = [
                step
                for step in steps
                if step.hypothesis in inside or (step.kind == "delete" and step.hypothesis - 1 in inside)
            ]
            replaced = [step.reference for step in touching if step.kind != "insert"]
            if not replaced or all(step.kind == "match" for step in touching):
                continue
            first, last = min(replaced), max(replaced) + 1
            shared = overlap(heard.units[first].start, heard.units[last - 1].end, detection)
            distance = sounds.distance(spoken_form(detection), heard.words(first, last))
            candidates.append(Candidate(place, first, last, shared, distance, (mechanism,)))
    return candidates


def merged(candidates: Iterable[Candidate]) -> list[Candidate]:
    """Candidates that are the same but for their mechanism become one."""
    by_span: dict[tuple[int, int, int], Candidate] = {}
    for candidate in candidates:
        key = candidate.detection, candidate.first, candidate.last
        known = by_span.get(key)
        mechanisms = (known.mechanisms if known else ()) + candidate.mechanisms
        by_span[key] = Candidate(*key, candidate.overlap, candidate.distance, tuple(dict.fromkeys(mechanisms)))
    return list(by_span.values())
