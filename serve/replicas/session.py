"""One request in a transcriber replica: its windows go side by side through encoder, search and decoder."""

import asyncio
import hashlib
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from actors.listener import Draft, Heard, Listener, Passage, Wave, Written
from compression.calibration import Calibration
from compression.cascade.merging import merge
from compression.cascade.result import ShardResult
from compression.cascade.utterance import CompressedUtterance
from harken.audio import SAMPLE_RATE
from harken.biasing.options import DecodingOptions
from harken.cascade_settings import CascadeSettings
from harken.detection import Detection
from serve.backend import Search, Spotting, Transcription, TranscriptionRequest
from serve.replicas.figures import Stages
from serve.replicas.shards import Gathered, Shards, counted
from serve.replicas.telling import WrittenWindow, spotting_of, transcription_of
from serve.replicas.windows import Window

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Protocol):
    """Puts windows of several requests through a model together."""

    async def encode(self, listener: Listener, wave: Wave) -> Heard:
        """As `Listener.encode` of one wave."""
        ...

    async def draft(self, listener: Listener, passage: Passage) -> Draft:
        """As `Listener.draft` of one passage."""
        ...

    async def write(self, listener: Listener, passage: Passage) -> Written:
        """As `Listener.write` of one passage."""
        ...


class TermSearch(Protocol):
    """Searches an utterance for the terms that came with a request."""

    def search(self, utterance: CompressedUtterance) -> ShardResult:
        """As a shard does."""
        ...


@dataclass(frozen=True)
class Parts:
    """What sessions share in a replica."""

    batches: Batches
    shards: Shards
    calibration: Calibration
    cascade: CascadeSettings
    windows_at_once: int


class Session:
    """A request and what has been found of it.

    Args:
        windows: of speech, in order.
        terms: of the request's keywords; None: it has none.
        language: of the speech; None: that of the first window, as the model tells it.
    """

    def __init__(
        self,
        parts: Parts,
        listener: Listener,
        request: TranscriptionRequest,
        windows: Sequence[Window],
        terms: TermSearch | None,
        language: str | None,
        stages: Stages,
    ) -> None:
        self._parts = parts
        self._listener = listener
        self._request = request
        self._windows = windows
        self._terms = terms
        self._stages = stages
        self._gathered: list[Gathered] = []
        self._language: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        if language is not None:
            self._language.set_result(language)

    async def transcriptions(self) -> AsyncIterator[Transcription]:
        """The transcript so far, after each window; the last one is whole. There is one even if nobody speaks."""
        written: list[WrittenWindow] = []
        async with aclosing(self._each(self._write)) as windows:
            async for window in windows:
                written.append(window)
                if len(written) < len(self._windows):
                    yield self._transcription(written)
        yield self._transcription(written)

    async def spotting(self) -> Spotting:
        """The terms that are heard, without a transcript."""
        found: list[tuple[float, list[Detection]]] = []
        async with aclosing(self._each(self._spot)) as windows:
            async for start, detections in windows:
                found.append((start, detections))
        return spotting_of(found, self._search(), self._stages.seconds)

    def _each(self, work: Callable[[Window], Awaitable[Result]]) -> AsyncGenerator[Result, None]:
        return in_order(work, self._windows, self._parts.windows_at_once)

    async def _spot(self, window: Window) -> tuple[float, list[Detection]]:
        return window.start, await self._detect(await self._encode(window))

    async def _encode(self, window: Window) -> Heard:
        spotted = self._request.glossary is not None or self._terms is not None
        with self._stages.timed("encode"):
            return await self._parts.batches.encode(self._listener, Wave(window.samples, spotted))

    async def _detect(self, heard: Heard) -> list[Detection]:
        if heard.compressed is None:
            return []
        with self._stages.timed("search"):
            gathered, own = await together(self._ask(heard.compressed), self._look_up(heard.compressed))
            self._gathered.append(gathered)
            return await asyncio.to_thread(detections_of, gathered.answers, own, self._parts)

    async def _write(self, window: Window) -> WrittenWindow:
        """The unbiased text needs no terms: it is written while the shards, which are elsewhere, look for them."""
        heard = await self._encode(window)
        draft, detections = await together(self._draft(window, heard), self._detect(heard))
        if detections:
            passage = Passage(heard, tuple(detections), draft.language, self._options(window), draft.proposals)
            with self._stages.timed("bias"):
                written = await self._parts.batches.write(self._listener, passage)
        else:
            written = self._listener.as_drafted(draft)
        return WrittenWindow(window.start, tuple(detections), written.transcript)

    async def _draft(self, window: Window, heard: Heard) -> Draft:
        first = window is self._windows[0]
        language = None if first and not self._language.done() else await self._language
        with self._stages.timed("decode"):
            passage = Passage(heard, (), language, self._options(window))
            draft = await self._parts.batches.draft(self._listener, passage)
        if not self._language.done():
            self._language.set_result(draft.language)
        return draft

    def _options(self, window: Window) -> DecodingOptions:
        """The same audio draws the same text, whoever asks and whatever else is being written."""
        asked = self._request
        seed = 0
        if asked.temperature > 0:
            seed = int.from_bytes(hashlib.sha256(window.samples.tobytes()).digest()[:8], "big")
        return DecodingOptions(asked.prompt, asked.temperature, seed)

    async def _ask(self, utterance: CompressedUtterance) -> Gathered:
        if self._request.glossary is None:
            return Gathered()
        return await self._parts.shards.search(self._request.glossary, utterance)

    async def _look_up(self, utterance: CompressedUtterance) -> ShardResult | None:
        return None if self._terms is None else await asyncio.to_thread(self._terms.search, utterance)

    def _search(self) -> Search:
        return counted(len(self._parts.shards) if self._request.glossary else 0, self._gathered)

    def _transcription(self, written: Sequence[WrittenWindow]) -> Transcription:
        language = self._language.result() if self._language.done() else ""
        seconds = len(self._request.wave) / SAMPLE_RATE
        return transcription_of(written, language, seconds, self._search(), self._stages.seconds)


def detections_of(answers: Sequence[ShardResult], own: ShardResult | None, parts: Parts) -> list[Detection]:
    """What shards and the request's own terms found, merged; a term that is in both is the glossary's."""
    results = list(answers)
    if own is not None:
        known = {hit.entry_id for result in answers for hit in result.hits}
        # They are no partition of the glossary.
        results.append(replace(own, hits=tuple(hit for hit in own.hits if hit.entry_id not in known), partitions=()))
    return merge(results, parts.calibration, parts.cascade)


async def together(first: Coroutine[Any, Any, Item], second: Coroutine[Any, Any, Result]) -> tuple[Item, Result]:
    """Both results; the failure of one ends the other, which `asyncio.gather` would leave waiting for what is gone."""
    both = asyncio.ensure_future(first), asyncio.ensure_future(second)
    try:
        return await asyncio.gather(*both)
    finally:
        for one in both:
            one.cancel()


async def in_order(
    work: Callable[[Item], Awaitable[Result]], items: Sequence[Item], at_once: int
) -> AsyncGenerator[Result, None]:
    """The results in the order of the items, so many worked on at a time; an exception ends all of them."""
    begun: deque[asyncio.Future[Result]] = deque()
    try:
        for item in items:
            begun.append(asyncio.ensure_future(work(item)))
            if len(begun) == at_once:
                yield await begun[0]
                begun.popleft()
        while begun:
            yield await begun[0]
            begun.popleft()
    finally:
        for unfinished in begun:
            unfinished.cancel()
