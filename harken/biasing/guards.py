"""What keeps biasing from doing harm: which detections are looked at, and what a span must show to become a term."""

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harken.biasing.candidates import Candidate, Heard
from harken.biasing.settings import BiasingSettings, BoundarySettings, EvidenceSettings
from harken.detection import Detection

ACCEPTED = "time, sound and decoder agree on it"
ALREADY_RIGHT = "it is right already"
UNWRITABLE = "it holds control characters or a special token"
IMPROBABLE = "its detection is improbable"
BEYOND = "more probable terms fill the list"
NOTHING_HEARD = "no words were heard"
UNALIGNED = "the text cannot be aligned with its audio"
NO_SPAN = "no words were heard where it was detected"
ELSEWHERE = "the words are not where it was detected"
OTHER_SOUNDS = "the words sound different"
TOO_LONG = "the text with it has more tokens than the decoder takes"
NOT_PROPOSED = "no mechanism proposed it"
RIGHT_THERE = "a term is right there already"
UNLIKELY = "the decoder finds it unlikely there"
WEAK = "time, sound and decoder together are too weak"

_SPECIAL = re.compile(r"<\|.*?\|>")
_SURE = 1e-4

EVIDENCE = tuple(name for name in EvidenceSettings.model_fields if name != "constant")
"""What the weights of the evidence are of."""
BOUNDARY = tuple(BoundarySettings.model_fields)
"""What those are of that tell the best span of a detection."""


@dataclass(frozen=True)
class Assessed:
    """A candidate and what the guards find.

    Attributes:
        written: the spelling that fits best.
        gain: nats per token that the text gains by it.
        evidence: log-odds that it belongs there.
        fit: what decides between the spans of one detection, the greatest is best.
        reason: why it is refused, or `ACCEPTED`.
    """

    candidate: Candidate
    written: str
    gain: float
    evidence: float
    fit: float
    reason: str

    @property
    def accepted(self) -> bool:
        return self.reason == ACCEPTED

    @property
    def weight(self) -> float:
        """What it is worth against others that want the same words: a long term explains more of them."""
        return self.evidence * (self.candidate.last - self.candidate.first)

    def scores(self) -> dict[str, float]:
        candidate = self.candidate
        return {
            "overlap": candidate.overlap,
            "distance": candidate.distance,
            "gain": self.gain,
            "evidence": self.evidence,
        }


def shortlist(detections: Sequence[Detection], settings: BiasingSettings) -> tuple[list[int], dict[int, str]]:
    """The places of the detections that are looked at, most probable first, and why the others are not."""
    refused: dict[int, str] = {}
    for place, detection in enumerate(detections):
        if not is_writable(detection):
            refused[place] = UNWRITABLE
        elif detection.probability < settings.least_probability:
            refused[place] = IMPROBABLE
    left = [place for place in range(len(detections)) if place not in refused]
    left.sort(key=lambda place: (-detections[place].probability, place))
    refused |= dict.fromkeys(left[settings.terms :], BEYOND)
    return left[: settings.terms], refused


def is_writable(detection: Detection) -> bool:
    """False for what must not come into a text or a prompt: control characters, special tokens, nothing to read."""
    return all(
        not _SPECIAL.search(text)
        and any(character.isalnum() for character in text)
        and not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)
        for text in detection.spellings or (detection.term,)
    )


def assess(
    candidate: Candidate, detection: Detection, gains: Mapping[str, float], settings: BiasingSettings
) -> Assessed:
    """Judge a candidate by time, sound and log-probability; `gains`: by spelling, those of one candidate."""
    # The first of equals: a term's own spelling stands before its others.
    written = max(gains, key=lambda spelling: gains[spelling])
    gain = gains[written]
    found = measured(candidate, detection, gain)
    evidence = settings.evidence.constant + sum(getattr(settings.evidence, name) * found[name] for name in EVIDENCE)
    fit = sum(getattr(settings.boundary, name) * found[name] for name in BOUNDARY)
    if candidate.overlap < settings.least_overlap:
        reason = ELSEWHERE
    elif candidate.distance > settings.most_distance:
        reason = OTHER_SOUNDS
    elif gain < settings.least_gain:
        reason = UNLIKELY
    elif evidence < settings.least_evidence:
        reason = WEAK
    else:
        reason = ACCEPTED
    return Assessed(candidate, written, gain, evidence, fit, reason)


def measured(candidate: Candidate, detection: Detection, gain: float) -> dict[str, float]:
    """What speaks for and against a candidate, by the names of `EVIDENCE`."""
    probability = min(max(detection.probability, _SURE), 1.0 - _SURE)
    return {
        "distance": candidate.distance,
        "gain": gain,
        "probability": math.log(probability / (1.0 - probability)),
        "beside": candidate.beside,
    }


def choose(assessed: Iterable[Assessed], protected: Iterable[range]) -> list[Assessed]:
    """The accepted candidates that share no unit with each other or with what is protected, by place.

    A detection is written once, on the span that fits best. The detections whose best spans have the greatest weight
    come first.
    """
    taken = {unit for units in protected for unit in units}
    spans: dict[int, list[Assessed]] = {}
    for one in assessed:
        if one.accepted:
            spans.setdefault(one.candidate.detection, []).append(one)
    for own in spans.values():
        own.sort(key=lambda one: (-one.fit, one.candidate.first, one.candidate.last))
    chosen: list[Assessed] = []
    for _, own in sorted(spans.items(), key=lambda item: (-item[1][0].weight, item[0])):
        for one in own:
            units = set(range(one.candidate.first, one.candidate.last))
            if not units & taken:
                chosen.append(one)
                taken |= units
                break
    return sorted(chosen, key=lambda one: one.candidate.first)


def taken_by(one: Assessed, chosen: Sequence[Assessed], heard: Heard) -> str:
    """Why an acceptable candidate was not chosen."""
    for other in chosen:
        if one.candidate.first < other.candidate.last and other.candidate.first < one.candidate.last:
            return f"{other.written} fits {heard.words(other.candidate.first, other.candidate.last)} better"
    return RIGHT_THERE
