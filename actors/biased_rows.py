"""Rows of biased transcripts: what was written, and every term that was heard with its evidence and its fate."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from actors.recogniser import HYPOTHESIS_SCHEMA
from harken.audio import SAMPLE_RATE
from harken.biasing.outcome import outcome_of
from harken.biasing.transcript import BiasedTranscript, Decision, join_transcripts
from harken.detection import Detection
from harken.records import Row
from harken.vad import Stretch

_SCORES = pa.map_(pa.string(), pa.float64())
_TEXTS = pa.list_(pa.string())
TERM = pa.struct(
    [
        # What was detected; times are in seconds of the recording.
        ("window", pa.int64()),
        ("term", pa.string()),
        ("category", pa.string()),
        ("spellings", _TEXTS),
        ("spoken", pa.string()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("probability", pa.float64()),
        ("evidence", _SCORES),
        # What became of it; characters are those of the hypothesis.
        ("outcome", pa.string()),
        ("reason", pa.string()),
        ("mechanisms", _TEXTS),
        ("heard", pa.string()),
        ("written", pa.string()),
        ("character_start", pa.int64()),
        ("character_end", pa.int64()),
        ("scores", _SCORES),
    ]
)
BIASED_SCHEMA = pa.schema(
    [
        *(field for field in HYPOTHESIS_SCHEMA if field.name not in ("status", "error")),
        # What the model writes of the same windows without any help.
        ("unbiased", pa.string()),
        # Samples at 16 kHz.
        ("speech", pa.list_(pa.struct([("start", pa.int64()), ("end", pa.int64())]))),
        ("terms", pa.list_(TERM)),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)


@dataclass(frozen=True)
class BiasedWindow:
    """A window of a recording, what was detected in it (in seconds from its beginning), and what was written of it."""

    stretch: Stretch
    detections: tuple[Detection, ...]
    transcript: BiasedTranscript


def biased_columns(windows: Sequence[BiasedWindow]) -> Row:
    """The columns of `BIASED_SCHEMA` that say what a recording's windows say, in their order; none: silence."""
    starts = [window.stretch.seconds[0] for window in windows]
    joined = join_transcripts([window.transcript for window in windows], starts)
    detected = [(number, found) for number, window in enumerate(windows) for found in window.detections]
    return {
        "hypothesis": joined.text,
        "average_logprob": joined.average_logprob,
        "truncated": joined.truncated,
        "windows": len(windows),
        "unbiased": joined.unbiased,
        "speech": [{"start": window.stretch.start, "end": window.stretch.end} for window in windows],
        "terms": [
            _term(number, found.shifted(starts[number]), decision)
            for (number, found), decision in zip(detected, joined.decisions, strict=True)
        ],
    }


def stretches_of(row: Row) -> list[Stretch]:
    """The windows of a row of `BIASED_SCHEMA`."""
    return [Stretch(**speech) for speech in row["speech"]]


def detections_of(row: Row) -> list[tuple[Detection, ...]]:
    """Of each window of a row of `BIASED_SCHEMA` what was detected in it, as `BiasedWindow` has it."""
    found: list[list[Detection]] = [[] for _ in row["speech"]]
    for term in row["terms"]:
        begins = row["speech"][term["window"]]["start"] / SAMPLE_RATE
        detection = Detection(
            term["term"],
            term["start"],
            term["end"],
            term["probability"],
            tuple(term["spellings"]),
            dict(term["evidence"]),
            term["category"],
            term["spoken"],
        )
        found[term["window"]].append(detection.shifted(-begins))
    return [tuple(window) for window in found]


def _term(window: int, detection: Detection, decision: Decision) -> dict[str, Any]:
    return {
        "window": window,
        "term": detection.term,
        "category": detection.category,
        "spellings": list(detection.spellings),
        "spoken": detection.spoken,
        "start": detection.start,
        "end": detection.end,
        "probability": detection.probability,
        "evidence": list(detection.evidence.items()),
        "outcome": outcome_of(decision),
        "reason": decision.reason,
        "mechanisms": list(decision.mechanisms),
        "heard": decision.heard,
        "written": decision.written,
        "character_start": decision.character_start,
        "character_end": decision.character_end,
        "scores": list(decision.scores.items()),
    }
