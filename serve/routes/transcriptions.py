"""`POST /v1/audio/transcriptions` as OpenAI has it, with glossaries; `POST /v1/audio/keywords`."""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable
from contextlib import aclosing
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, StreamingResponse
from pydantic import Field, field_validator

from harken.audio import SAMPLE_RATE
from serve import subtitles
from serve.answers import (
    Wanted,
    delta_event,
    done_event,
    event,
    search_headers,
    spotted,
    transcript,
    verbose_transcript,
)
from serve.backend import GlossaryVersion, Search, Transcription, TranscriptionRequest
from serve.bodies import Fields, Upload, describes, form
from serve.callers import Caller, requires
from serve.errors import ServiceError, invalid, unavailable, unforeseen
from serve.gateway import until_disconnected
from serve.routes.documented import errors
from serve.schemas import Spotted, Transcript, VerboseTranscript
from serve.service import Service, ServicePart
from serve.terms import LONGEST_TERM, sanitise

Result = TypeVar("Result")
Format = Literal["json", "text", "verbose_json", "srt", "vtt"]

ANY_MODEL = "whisper-1"
"""OpenAI's name, which many programs send whatever serves them: it stands for the default model."""

_FILE = "WAV, FLAC, MP3 or Ogg (Opus, Vorbis, FLAC)"
_ERRORS = errors(404, 408, 409, 413, 415)

router = APIRouter(prefix="/v1/audio", tags=["audio"])


class ListeningFields(Fields):
    """What both endpoints take beside the file."""

    model: str = Field(ANY_MODEL, max_length=256, description=f"an id of /v1/models; {ANY_MODEL}: the default one")
    language: str | None = Field(None, max_length=16, description="a code such as zh or en")
    keywords: tuple[str, ...] = Field((), description="terms to listen for that are in no glossary")
    glossary_id: str | None = Field(None, max_length=64, description="the glossary to listen for")
    strict: bool = Field(False, description="fail rather than leave out a part of the glossary that does not respond")

    @field_validator("keywords")
    @classmethod
    def _are_harmless(cls, keywords: tuple[str, ...]) -> tuple[str, ...]:
        cleaned = tuple(sanitise(keyword) for keyword in keywords)
        if not all(0 < len(keyword) <= LONGEST_TERM for keyword in cleaned):
            raise ValueError(f"each is of 1 to {LONGEST_TERM} characters")
        return cleaned


class TranscriptionFields(ListeningFields):
    """What a transcription takes beside the file."""

    model: str = Field(max_length=256, description=f"an id of /v1/models; {ANY_MODEL}: the default one")
    prompt: str = Field(
        "", max_length=4000, description="text that goes before every window of the recording, for style and spelling"
    )
    response_format: Format = "json"
    timestamp_granularities: tuple[Literal["word", "segment"], ...] = Field((), description="of verbose_json")
    temperature: float = Field(
        0.0, ge=0.0, le=1.0, description="0: the likeliest text; above: drawn, the same one for the same audio"
    )
    stream: bool = Field(False, description="server-sent events; for the formats json and text")
    chunking_strategy: Literal["auto"] | None = Field(None, description="long audio is always cut at its pauses")

    @field_validator("prompt")
    @classmethod
    def _is_harmless(cls, prompt: str) -> str:
        return sanitise(prompt)


@router.post(
    "/transcriptions",
    response_model=Transcript | VerboseTranscript,
    responses={
        **_ERRORS,
        200: {"content": {"text/plain": {}, "text/event-stream": {}, "application/x-subrip": {}, "text/vtt": {}}},
    },
    openapi_extra=describes(TranscriptionFields, _FILE),
    summary="Transcribe a recording",
)
async def transcribe(
    request: Request,
    service: ServicePart,
    caller: Annotated[Caller, Depends(requires("transcribe"))],
    upload: Annotated[Upload, Depends(form(TranscriptionFields))],
) -> Response:
    """What is said in an audio file, in the words of a glossary where they are said."""
    fields: TranscriptionFields = upload.values
    if fields.stream and fields.response_format not in ("json", "text"):
        raise invalid("stream", f"stream: it has no effect on {fields.response_format}; ask for json.", status=400)
    if fields.timestamp_granularities and fields.response_format != "verbose_json":
        raise invalid("timestamp_granularities", "timestamp_granularities: ask for verbose_json.", status=400)
    asked = await _prepare(request, service, caller, upload, fields)
    wanted = Wanted(
        glossary=asked.glossary,
        temperature=fields.temperature,
        words="word" in fields.timestamp_granularities,
        segments=not fields.timestamp_granularities or "segment" in fields.timestamp_granularities,
    )
    if fields.stream:
        return await _stream(request, service, asked, wanted, fields.strict)
    began = time.perf_counter()
    found = await _within_limits(request, service, service.backend.transcribe(asked))
    service.metrics.count_transcription(found, time.perf_counter() - began)
    _check_complete(found.search, fields.strict)
    return _formatted(found, wanted, fields.response_format)


@router.post(
    "/keywords",
    response_model=Spotted,
    responses=_ERRORS,
    openapi_extra=describes(ListeningFields, _FILE),
    summary="Find terms in a recording",
)
async def spot(
    request: Request,
    response: Response,
    service: ServicePart,
    caller: Annotated[Caller, Depends(requires("transcribe"))],
    upload: Annotated[Upload, Depends(form(ListeningFields))],
) -> Spotted:
    """The terms of a glossary that are said in an audio file: which, when and how surely; no transcript."""
    fields: ListeningFields = upload.values
    if fields.glossary_id is None and not fields.keywords:
        message = "glossary_id: give a glossary or keywords to listen for."
        raise invalid("glossary_id", message, "missing_required_parameter", 400)
    asked = await _prepare(request, service, caller, upload, fields)
    found = await _within_limits(request, service, service.backend.keywords(asked))
    service.metrics.count_search(found.search, dict(found.stages))
    _check_complete(found.search, fields.strict)
    response.headers.update(search_headers(found.search, asked.glossary))
    return spotted(found, len(asked.wave) / SAMPLE_RATE, asked.glossary)


async def _prepare(
    request: Request, service: Service, caller: Caller, upload: Upload, fields: ListeningFields
) -> TranscriptionRequest:
    """Everything that can be refused, in the order of what it costs to find out."""
    limits = service.settings.limits
    if len(fields.keywords) > limits.keywords:
        raise invalid("keywords", f"keywords: at most {limits.keywords}; more belong in a glossary.", status=400)
    model = _model(service, fields)
    glossary: GlossaryVersion | None = None
    if fields.glossary_id is not None:
        if "glossaries:read" not in caller.scopes and "admin" not in caller.scopes:
            raise ServiceError(403, "missing_scope", "This key lacks the scope 'glossaries:read'.")
        glossary = await run_in_threadpool(service.glossaries.version, caller.tenant.id, fields.glossary_id)
    wave = await decode_upload(request, service, caller, upload.content)
    more: dict[str, Any] = {}
    if isinstance(fields, TranscriptionFields):
        words = "word" in fields.timestamp_granularities
        more = {"prompt": fields.prompt, "temperature": fields.temperature, "words": words}
    return TranscriptionRequest(
        wave=wave,
        model=model,
        language=fields.language,
        keywords=fields.keywords,
        glossary=glossary,
        request_id=request.state.request_id,
        **more,
    )


async def decode_upload(request: Request, service: Service, caller: Caller, content: bytes) -> np.ndarray:
    """The samples of an upload, charged to its tenant.

    Raises:
        ServiceError: as `Decoder.decode`, or 429.
    """
    began = time.perf_counter()
    try:
        wave = await service.decoder.decode(content)
    except ServiceError as refusal:
        service.metrics.refused.labels(refusal.code).inc()
        raise
    service.metrics.decoding.observe(time.perf_counter() - began)
    seconds = len(wave) / SAMPLE_RATE
    request.state.audio_seconds = seconds
    service.metrics.audio.inc(seconds)
    await service.quotas.charge(caller.tenant, "audio_seconds", seconds)
    return wave


def _model(service: Service, fields: ListeningFields) -> str:
    cards = service.backend.models()
    card = cards[0] if fields.model == ANY_MODEL else next((card for card in cards if card.id == fields.model), None)
    if card is None:
        raise ServiceError(404, "model_not_found", f"There is no model {fields.model!r}: see /v1/models.", "model")
    if fields.language is not None and fields.language not in card.languages:
        known = ", ".join(card.languages)
        raise invalid("language", f"language: {card.id} knows {known}, and not {fields.language!r}.", status=400)
    return card.id


async def _within_limits(request: Request, service: Service, work: Awaitable[Result]) -> Result:
    """The backend's result, unless the client leaves or it takes too long."""
    try:
        async with asyncio.timeout(service.settings.request_seconds):
            result: Result = await until_disconnected(request.receive, work)
            return result
    except TimeoutError:
        raise unavailable(f"It took longer than {service.settings.request_seconds:g} seconds.") from None


def _check_complete(search: Search, strict: bool) -> None:
    if strict and search.degraded:
        raise unavailable(f"Only {search.answered} of {search.shards} parts of the glossary were searched in time.")


def _formatted(found: Transcription, wanted: Wanted, chosen: Format) -> Response:
    headers = search_headers(found.search, wanted.glossary)
    if chosen == "text":
        return PlainTextResponse(f"{found.text}\n", headers=headers)
    if chosen == "srt":
        return Response(subtitles.srt(found.segments), headers=headers, media_type="application/x-subrip")
    if chosen == "vtt":
        return Response(subtitles.vtt(found.segments), headers=headers, media_type="text/vtt")
    told = transcript(found, wanted) if chosen == "json" else verbose_transcript(found, wanted)
    return Response(
        told.model_dump_json(exclude_none=chosen == "verbose_json"), headers=headers, media_type="application/json"
    )


async def _stream(
    request: Request, service: Service, asked: TranscriptionRequest, wanted: Wanted, strict: bool
) -> Response:
    pieces = service.backend.stream(asked).__aiter__()
    # What fails before the first piece still has a status of its own.
    first = await _within_limits(request, service, anext(pieces))

    async def events() -> AsyncIterator[str]:
        began = time.perf_counter()
        deadline = asyncio.get_running_loop().time() + service.settings.request_seconds
        try:
            async with aclosing(_after(first, pieces)) as all_pieces:
                while True:
                    # Around each piece alone: while one is sent, whoever sends it would be cancelled.
                    async with asyncio.timeout_at(deadline):
                        piece = await anext(all_pieces, None)
                    if piece is None:
                        return
                    if isinstance(piece, str):
                        yield delta_event(piece)
                    else:
                        service.metrics.count_transcription(piece, time.perf_counter() - began)
                        _check_complete(piece.search, strict)
                        yield done_event(piece, wanted)
        except ServiceError as refusal:
            yield event(refusal.document())
        except TimeoutError:
            yield event(unavailable("It took too long.").document())
        except Exception as failure:  # the status is sent: an event is all that can still tell
            yield event(unforeseen(asked.request_id, failure).document())

    return StreamingResponse(events(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})


async def _after(first: Any, rest: AsyncIterator[Any]) -> AsyncGenerator[Any, None]:
    yield first
    async for piece in rest:
        yield piece
