"""What a transcriber found in the windows of a request, in the words of `serve.backend`."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harken.biasing.outcome import outcome_of
from harken.biasing.transcript import BiasedTranscript, Decision, join_transcripts
from harken.detection import Detection
from serve.backend import BiasedTerm, Search, Segment, Spotting, Transcription, Word


@dataclass(frozen=True)
class WrittenWindow:
    """A window that begins at `start` (seconds), what was detected in it, and what was written of it."""

    start: float
    detections: tuple[Detection, ...]
    transcript: BiasedTranscript


def transcription_of(
    windows: Sequence[WrittenWindow], language: str, seconds: float, search: Search, stages: Mapping[str, float]
) -> Transcription:
    """The windows as one transcript; times count from the beginning of the audio, characters from that of the text."""
    joined = join_transcripts([window.transcript for window in windows], [window.start for window in windows])
    detections = [detection.shifted(window.start) for window in windows for detection in window.detections]
    return Transcription(
        text=joined.text,
        language=language,
        seconds=seconds,
        segments=tuple(
            Segment(
                segment.start,
                segment.end,
                joined.text[segment.character_start : segment.character_end].strip(),
                segment.tokens,
                _measured(segment.average_logprob),
                _measured(segment.no_speech_probability),
            )
            for segment in joined.segments
        ),
        words=tuple(Word(word.text.strip(), word.start, word.end) for word in joined.words),
        unbiased=joined.unbiased,
        terms=tuple(
            _biased(decision, detection) for decision, detection in zip(joined.decisions, detections, strict=True)
        ),
        search=search,
        stages=dict(stages),
    )


def spotting_of(
    found: Sequence[tuple[float, Sequence[Detection]]], search: Search, stages: Mapping[str, float]
) -> Spotting:
    """The detections of windows that begin at so many seconds, by start."""
    detections = [detection.shifted(start) for start, window in found for detection in window]
    ordered = sorted(detections, key=lambda detection: (detection.start, detection.end, detection.term))
    return Spotting(tuple(ordered), search, dict(stages))


def _measured(figure: float) -> float:
    return 0.0 if math.isnan(figure) else figure


def _biased(decision: Decision, detection: Detection) -> BiasedTerm:
    return BiasedTerm(
        detection,
        outcome_of(decision),
        decision.reason,
        decision.character_start,
        decision.character_end,
        decision.heard if decision.accepted else "",
    )
