"""The deployment that hears and writes: windows, encoder, search of the shards, biased decoding, one transcript."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, TypeVar

import torch
from ray import serve
from ray.serve.handle import DeploymentHandle

from actors.listener import Draft, Heard, Listener, Passage, Wave, Written
from actors.phoneme_reader import espeak_voice
from actors.phonetics import Phonetics
from compression.search_model import SearchModel
from compression.storage import load_spotter
from harken.biasing.biaser import Biaser
from harken.vad import VoiceActivity
from harken.whisper import Whisper, load_whisper
from serve.backend import Readiness, Spotting, Transcription, TranscriptionRequest
from serve.graph_settings import GraphSettings
from serve.logs import configure
from serve.recipe import build_recipe
from serve.replicas.figures import SearchFigures, Stages, TranscriberFigures
from serve.replicas.keyword_terms import KeywordTerms
from serve.replicas.session import Parts, Session
from serve.replicas.shards import Shards
from serve.replicas.windows import find_windows

Item = TypeVar("Item")
Result = TypeVar("Result")
# Its types know functions, and no methods.
_batched: Any = serve.batch


class Transcriber:
    """Holds a few models; the windows of all requests for one model share batches.

    Raises:
        HarkenError: a model, the spotter or the search model is missing, damaged, or does not fit the others.
    """

    def __init__(self, settings: GraphSettings, shards: Sequence[DeploymentHandle]) -> None:
        configure(settings.logs, "transcriber")
        own = settings.transcriber
        torch.set_num_threads(own.threads)
        self._settings = settings
        self._figures = TranscriberFigures()
        self._reference = self._load_whisper(settings.default_model)
        self._spotter = load_spotter(settings.glossary.spotter, self._reference.device)
        search_model = SearchModel.load(settings.glossary.search_folder, self._spotter)
        cascade = settings.glossary.cascade
        self._recipe = build_recipe(settings)
        self._terms = KeywordTerms(
            self._recipe, self._reference, self._spotter, search_model, cascade, own.terms_held, own.threads
        )
        self._voice = VoiceActivity(own.vad)
        shards_ = Shards(shards, settings.glossary.deadline_seconds, SearchFigures())
        self._parts = Parts(self, shards_, search_model.calibration, cascade, own.windows_at_once)
        self._working = 0
        for batched in (self._encode, self._draft, self._write):
            batched.set_max_batch_size(own.batch)
            batched.set_batch_wait_timeout_s(own.batch_seconds)

        @serve.multiplexed(max_num_models_per_replica=own.models_loaded)
        async def listener(name: str) -> Listener:
            return await asyncio.to_thread(self._load, name)

        self._listener = listener

    async def transcribe(self, request: TranscriptionRequest) -> Transcription:
        """The whole transcript.

        Raises:
            ServiceError: 409 the glossary's version cannot be searched.
        """
        with self._work() as seconds:
            session = await self._session(request)
            async for transcription in session.transcriptions():
                whole = transcription
            self._figures.transcribed(whole, seconds())
        return whole

    async def stream(self, request: TranscriptionRequest) -> AsyncIterator[str | Transcription]:
        """The text of each window once it is written, then the whole transcript; raises as `transcribe`."""
        told = ""
        with self._work() as seconds:
            session = await self._session(request)
            async for transcription in session.transcriptions():
                if piece := transcription.text[len(told) :]:
                    yield piece
                told, whole = transcription.text, transcription
            self._figures.transcribed(whole, seconds())
        yield whole

    async def keywords(self, request: TranscriptionRequest) -> Spotting:
        """The terms that are heard; raises as `transcribe`."""
        with self._work():
            spotting = await (await self._session(request)).spotting()
            self._figures.searched(spotting.stages, spotting.search.degraded)
        return spotting

    async def ready(self) -> Readiness:
        """How many shards respond, as this replica sees it."""
        shards = self._parts.shards
        return Readiness(len(shards), await shards.answering())

    async def encode(self, listener: Listener, wave: Wave) -> Heard:
        """See `session.Batches`."""
        return _result(await self._encode(listener, wave))

    async def draft(self, listener: Listener, passage: Passage) -> Draft:
        """See `session.Batches`."""
        return _result(await self._draft(listener, passage))

    async def write(self, listener: Listener, passage: Passage) -> Written:
        """See `session.Batches`."""
        return _result(await self._write(listener, passage))

    @_batched
    async def _encode(self, listeners: list[Listener], waves: list[Wave]) -> list[Heard | Exception]:
        self._figures.batched("encode", len(waves))
        return await asyncio.to_thread(_by_listener, Listener.encode, listeners, waves)

    @_batched
    async def _draft(self, listeners: list[Listener], passages: list[Passage]) -> list[Draft | Exception]:
        self._figures.batched("decode", len(passages))
        return await asyncio.to_thread(_by_listener, Listener.draft, listeners, passages)

    @_batched
    async def _write(self, listeners: list[Listener], passages: list[Passage]) -> list[Written | Exception]:
        self._figures.batched("bias", len(passages))
        return await asyncio.to_thread(_by_listener, Listener.write, listeners, passages)

    async def _session(self, request: TranscriptionRequest) -> Session:
        stages = Stages()
        listener: Listener = await self._listener(request.model)
        with stages.timed("windows"):
            windows = await asyncio.to_thread(find_windows, self._voice, request.wave, listener.longest_samples)
        terms = None
        if request.keywords:
            with stages.timed("keywords"):
                terms = await asyncio.to_thread(self._terms.searching, request.keywords)
        language = request.language or self._settings.models[request.model].language
        return Session(self._parts, listener, request, windows, terms, language, stages)

    def _load(self, name: str) -> Listener:
        chosen, default = self._settings.models[name], self._settings.models[self._settings.default_model]
        alike = (chosen.folder, chosen.adapter) == (default.folder, default.adapter)
        whisper = self._reference if alike else self._load_whisper(name)
        sounds = Phonetics(espeak_voice(chosen.language or self._recipe.terms.language).lower())
        biaser = Biaser(whisper, sounds, self._settings.transcriber.biasing)
        return Listener(biaser, self._spotter, self._reference, self._settings.transcriber.max_new_tokens)

    def _load_whisper(self, name: str) -> Whisper:
        model = self._settings.models[name]
        adapter = None if model.adapter is None else str(model.adapter)
        return load_whisper(model.folder, self._settings.transcriber.device, adapter)

    @contextmanager
    def _work(self) -> Iterator[Callable[[], float]]:
        began = perf_counter()
        self._working += 1
        self._figures.working_on(self._working)
        try:
            yield lambda: perf_counter() - began
        finally:
            self._working -= 1
            self._figures.working_on(self._working)


def _by_listener(
    work: Callable[[Listener, Sequence[Item]], list[Result]], listeners: Sequence[Listener], items: Sequence[Item]
) -> list[Result | Exception]:
    """The work on items that share a listener together; Serve has parted models, but one may have been loaded anew."""
    results: dict[int, Result | Exception] = {}
    for listener in set(listeners):
        rows = [row for row, own in enumerate(listeners) if own is listener]
        results.update(zip(rows, _each(work, listener, [items[row] for row in rows]), strict=True))
    return [results[row] for row in range(len(items))]


def _each(
    work: Callable[[Listener, Sequence[Item]], Sequence[Result | Exception]], listener: Listener, items: Sequence[Item]
) -> list[Result | Exception]:
    try:
        return list(work(listener, items))
    except Exception as failure:
        if len(items) == 1:
            return [failure]
        # One request's window must not cost the others in its batch their answer.
        return [outcome for item in items for outcome in _each(work, listener, [item])]


def _result(outcome: Result | Exception) -> Result:
    if isinstance(outcome, Exception):
        raise outcome
    return outcome
