"""A backend's results as OpenAI's API words them, with what a glossary did beside."""

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harken.detection import Detection
from serve.backend import BiasedTerm, GlossaryVersion, Search, Segment, Spotting, Transcription
from serve.schemas import (
    Biased,
    Biasing,
    Detected,
    SegmentTime,
    Shards,
    Spotted,
    Transcript,
    Usage,
    VerboseTranscript,
    WordTime,
)


@dataclass(frozen=True)
class Wanted:
    """How a transcript is to be told."""

    glossary: GlossaryVersion | None
    temperature: float
    words: bool
    segments: bool


def transcript(found: Transcription, wanted: Wanted) -> Transcript:
    """``response_format=json``."""
    return Transcript(text=found.text, usage=_usage(found), biasing=biasing(found, wanted.glossary))


def verbose_transcript(found: Transcription, wanted: Wanted) -> VerboseTranscript:
    """``response_format=verbose_json``."""
    words = [WordTime(word=word.word, start=word.start, end=word.end) for word in found.words]
    segments = [_segment(number, segment, wanted.temperature) for number, segment in enumerate(found.segments)]
    return VerboseTranscript(
        text=found.text,
        usage=_usage(found),
        biasing=biasing(found, wanted.glossary),
        language=found.language,
        duration=round(found.seconds, 3),
        segments=segments if wanted.segments else None,
        words=words if wanted.words else None,
    )


def biasing(found: Transcription, glossary: GlossaryVersion | None) -> Biasing:
    """What the glossary did."""
    return Biasing(
        glossary_id=glossary.glossary_id if glossary else None,
        glossary_version=glossary.version if glossary else None,
        degraded=found.search.degraded,
        shards=_shards(found.search),
        terms=[_biased(term) for term in found.terms],
        unbiased_text=found.unbiased,
    )


def spotted(found: Spotting, seconds: float, glossary: GlossaryVersion | None) -> Spotted:
    """What `/v1/audio/keywords` answers."""
    return Spotted(
        keywords=[Detected(**_detected(detection)) for detection in found.detections],
        duration=round(seconds, 3),
        glossary_id=glossary.glossary_id if glossary else None,
        glossary_version=glossary.version if glossary else None,
        degraded=found.search.degraded,
        shards=_shards(found.search),
    )


def search_headers(search: Search, glossary: GlossaryVersion | None) -> dict[str, str]:
    """The same in headers, for the formats whose body has no place for it."""
    headers = {
        "X-Harken-Degraded": str(search.degraded).lower(),
        "X-Harken-Shards": f"{search.answered}/{search.shards}",
    }
    if glossary is not None:
        headers["X-Harken-Glossary"] = glossary.glossary_id
        headers["X-Harken-Glossary-Version"] = str(glossary.version)
    return headers


def delta_event(delta: str) -> str:
    """A piece of the text as a server-sent event."""
    return event({"type": "transcript.text.delta", "delta": delta})


def done_event(found: Transcription, wanted: Wanted) -> str:
    """The last event: the whole text, with what the glossary did."""
    told = biasing(found, wanted.glossary).model_dump(mode="json")
    return event({"type": "transcript.text.done", "text": found.text, "biasing": told})


def event(document: Mapping[str, Any]) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(document, ensure_ascii=False)}\n\n"


def _usage(found: Transcription) -> Usage:
    return Usage(seconds=round(found.seconds, 3))


def _shards(search: Search) -> Shards:
    return Shards(answered=search.answered, total=search.shards)


def _detected(detection: Detection) -> dict[str, Any]:
    return {
        "term": detection.term,
        "category": detection.category,
        "start": round(detection.start, 3),
        "end": round(detection.end, 3),
        "score": round(detection.probability, 4),
        "spellings": list(detection.spellings) or [detection.term],
        "evidence": {stage: round(float(score), 4) for stage, score in detection.evidence.items()},
    }


def _biased(term: BiasedTerm) -> Biased:
    return Biased(
        **_detected(term.detection),
        outcome=term.outcome,
        reason=term.reason,
        text_start=term.text_start,
        text_end=term.text_end,
        replaced=term.replaced,
    )


def _segment(number: int, segment: Segment, temperature: float) -> SegmentTime:
    content = segment.text.encode()
    return SegmentTime(
        id=number,
        seek=round(segment.start * 100),
        start=round(segment.start, 3),
        end=round(segment.end, 3),
        text=segment.text,
        tokens=list(segment.tokens),
        temperature=temperature,
        avg_logprob=segment.average_logprob,
        # As Whisper measures how much a text repeats itself.
        compression_ratio=round(len(content) / len(zlib.compress(content)), 3) if content else 0.0,
        no_speech_prob=segment.no_speech_probability,
    )
