"""What the HTTP face needs of whatever transcribes: a Ray Serve graph, or a model in this very process."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np

from harken.detection import Detection

Outcome = Literal["applied", "already right", "rejected"]


@dataclass(frozen=True)
class GlossaryVersion:
    """One immutable build of a glossary, in a folder that its builder wrote."""

    glossary_id: str
    version: int
    folder: Path


@dataclass(frozen=True)
class TranscriptionRequest:
    """One utterance and how it is to be heard.

    Attributes:
        wave: float32 mono of shape (samples,) at 16 kHz, not empty, finite.
        model: an id of `Backend.models`.
        language: a code that the model knows; None: the model's own choice.
        prompt: text that goes before, without special tokens.
        keywords: terms to listen for that are in no glossary.
        words: word timestamps are wanted.
    """

    wave: np.ndarray
    model: str
    language: str | None = None
    prompt: str = ""
    temperature: float = 0.0
    keywords: tuple[str, ...] = ()
    glossary: GlossaryVersion | None = None
    words: bool = False
    request_id: str = ""


@dataclass(frozen=True)
class Word:
    """A word of the transcript, in seconds from the start of the audio."""

    word: str
    start: float
    end: float


@dataclass(frozen=True)
class Segment:
    """A stretch of the transcript, in seconds from the start of the audio, with the decoder's own figures."""

    start: float
    end: float
    text: str
    tokens: tuple[int, ...] = ()
    average_logprob: float = 0.0
    no_speech_probability: float = 0.0


@dataclass(frozen=True)
class BiasedTerm:
    """A detection and what became of it.

    Attributes:
        reason: why, in words for a reader.
        text_start, text_end: where the term stands in the transcript; None when it does not.
        replaced: the unbiased words in whose place it stands.
    """

    detection: Detection
    outcome: Outcome
    reason: str = ""
    text_start: int | None = None
    text_end: int | None = None
    replaced: str = ""


@dataclass(frozen=True)
class Search:
    """How a glossary was searched; `answered` of `shards` did in time."""

    shards: int = 0
    answered: int = 0

    @property
    def degraded(self) -> bool:
        """Whether a part of the glossary was not listened for."""
        return self.answered < self.shards


@dataclass(frozen=True)
class Transcription:
    """What was said; `unbiased` is what would have been written without any term, `stages` each stage's seconds."""

    text: str
    language: str
    seconds: float
    segments: tuple[Segment, ...] = ()
    words: tuple[Word, ...] = ()
    unbiased: str = ""
    terms: tuple[BiasedTerm, ...] = ()
    search: Search = Search()
    stages: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Spotting:
    """The terms that were heard, by start."""

    detections: tuple[Detection, ...]
    search: Search
    stages: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelCard:
    """A model that requests can name."""

    id: str
    languages: tuple[str, ...]
    created: int = 0
    owner: str = "harken"


@dataclass(frozen=True)
class Readiness:
    """How many shards answer; the transcriber itself has answered by giving this."""

    shards: int
    answered: int


class Backend(Protocol):
    """Transcribes and spots; every coroutine may be cancelled, which gives up its work.

    Raises (all of them):
        serve.errors.ServiceError: 503 with Retry-After when it has too much to do or a part does not respond, 429 when
            this tenant has; nothing else is told to clients.
    """

    async def transcribe(self, request: TranscriptionRequest) -> Transcription:
        """The whole transcript."""
        ...

    def stream(self, request: TranscriptionRequest) -> AsyncIterator[str | Transcription]:
        """Pieces of the text as they come, which joined are the text; the whole transcript is the last item."""
        ...

    async def keywords(self, request: TranscriptionRequest) -> Spotting:
        """Only the terms of the request's glossary and keywords that are heard."""
        ...

    async def publish(self, glossary: GlossaryVersion) -> None:
        """A version is about to be named by requests: open it, so that the first of them does not wait."""
        ...

    async def ready(self) -> Readiness:
        """Whether all parts respond."""
        ...

    def models(self) -> list[ModelCard]:
        """The models, the default one first."""
        ...
