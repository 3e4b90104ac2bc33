"""What keeps biasing from doing harm: which detections are looked at, and what a span must show to become a term."""

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from harken.biasing.candidates import Candidate, Heard
from harken.biasing.settings import BiasingSettings
from harken.detection import Detection

ACCEPTED = "accepted"
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
UNLIKELY = "the decoder finds it unlikely there"
WEAK = "time, sound and decoder together are too weak"

_SPECIAL = re.compile(r"<\|.*?\|>")
_SURE = 1e-4


@dataclass(frozen=True)
class Assessed:
    """A candidate with the spelling that fits best, nats per token that the text gains by it, and the log-odds."""

    candidate: Candidate
    written: str
    gain: float
    evidence: float
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
    probability = min(max(detection.probability, _SURE), 1.0 - _SURE)
    weights = settings.evidence
    evidence = (
        weights.constant
        + weights.distance * candidate.distance
        + weights.gain * gain
        + weights.probability * math.log(probability / (1.0 - probability))
    )
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
    return Assessed(candidate, written, gain, evidence, reason)


def choose(assessed: Iterable[Assessed], protected: Iterable[range]) -> list[Assessed]:
    """The accepted candidates that share no unit with each other or with what is protected, by place.

    Those of the greatest weight come first; a detection is written once.
    """
    taken = {unit for units in protected for unit in units}
    chosen: dict[int, Assessed] = {}
    ranked = sorted(
        (one for one in assessed if one.accepted),
        key=lambda one: (-one.weight, one.candidate.detection, one.candidate.first),
    )
    for one in ranked:
        units = set(range(one.candidate.first, one.candidate.last))
        if one.candidate.detection not in chosen and not units & taken:
            chosen[one.candidate.detection] = one
            taken |= units
    return sorted(chosen.values(), key=lambda one: one.candidate.first)


def taken_by(one: Assessed, chosen: Sequence[Assessed], heard: Heard) -> str:
    """Why an acceptable candidate was not chosen."""
    for other in chosen:
        if one.candidate.first < other.candidate.last and other.candidate.first < one.candidate.last:
            return f"{other.written} fits {heard.words(other.candidate.first, other.candidate.last)} better"
    return "a term is right there already"
