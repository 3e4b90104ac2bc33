"""The graph as the HTTP face sees it: handles of deployments, and their failures as answers that clients understand."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, contextmanager
from time import perf_counter
from typing import Any

from ray.exceptions import RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, ReplicaUnavailableError
from ray.serve.handle import DeploymentHandle

from harken.model_folder import model_languages
from serve.backend import GlossaryVersion, ModelCard, Readiness, Spotting, Transcription, TranscriptionRequest
from serve.errors import ServiceError, overloaded, unavailable
from serve.graph_settings import GraphSettings
from serve.handles import answer, answers

_LOG = logging.getLogger("harken.service")
_LOST = (RayActorError, ReplicaUnavailableError)
_TRIES = 3
_SECONDS_BETWEEN_TRIES = 0.1
_RETRY_AFTER = 1.0
# Of samples that go along with a call, about a minute: Serve's gRPC takes messages of 4 MiB. More lies in Ray's store,
# which costs a short recording more than it saves.
_MOST_SENT = 3 * 1024 * 1024


class RayBackend:
    """See `serve.backend.Backend`.

    Args:
        transcriber: the deployment of `replicas.transcriber.Transcriber`.
        shards: those of `replicas.shard.Shard`, in order.

    Raises:
        HarkenError: a model is missing.
    """

    def __init__(
        self, settings: GraphSettings, transcriber: DeploymentHandle, shards: Sequence[DeploymentHandle]
    ) -> None:
        self._transcriber = transcriber
        self._shards = tuple(shards)
        self._cards = [ModelCard(name, model_languages(model.folder)) for name, model in settings.models.items()]

    async def transcribe(self, request: TranscriptionRequest) -> Transcription:
        """See `serve.backend.Backend.transcribe`; a replica that is lost is made up for by another."""
        found: Transcription = await self._ask("transcribe", request)
        return found

    async def stream(self, request: TranscriptionRequest) -> AsyncIterator[str | Transcription]:
        """See `serve.backend.Backend.stream`; what has been told cannot be taken back, so nothing is tried again."""
        handle = self._transcriber.options(multiplexed_model_id=request.model, stream=True)
        with _explained():
            async with aclosing(answers(handle.stream.remote(request))) as pieces:
                async for piece in pieces:
                    yield piece

    async def keywords(self, request: TranscriptionRequest) -> Spotting:
        """See `serve.backend.Backend.keywords`; a replica that is lost is made up for by another."""
        found: Spotting = await self._ask("keywords", request)
        return found

    async def publish(self, glossary: GlossaryVersion) -> None:
        """See `serve.backend.Backend.publish`; a shard that does not respond opens the version when it is asked."""
        began = perf_counter()
        opened = (handle.broadcast("open", glossary).results_async() for handle in self._shards)
        outcomes = await asyncio.gather(*opened, return_exceptions=True)
        name = f"glossary {glossary.glossary_id}: version {glossary.version}"
        for number, outcome in enumerate(outcomes):
            if isinstance(outcome, BaseException):
                _LOG.warning("%s: shard %d has not opened it yet: %s", name, number, outcome)
        count = sum(not isinstance(outcome, BaseException) for outcome in outcomes)
        told = name, count, len(outcomes), perf_counter() - began
        _LOG.info("%s: opened by %d of %d shards in %.1f s, requests get it now", *told)

    async def ready(self) -> Readiness:
        """See `serve.backend.Backend.ready`."""
        with _explained():
            found: Readiness = await answer(self._transcriber.ready.remote())
        return found

    def models(self) -> list[ModelCard]:
        """See `serve.backend.Backend.models`."""
        return list(self._cards)

    async def _ask(self, method: str, request: TranscriptionRequest) -> Any:
        stored = request.wave.nbytes > _MOST_SENT
        handle = getattr(self._transcriber.options(multiplexed_model_id=request.model, _by_reference=stored), method)
        with _explained():
            for _ in range(_TRIES - 1):
                try:
                    return await answer(handle.remote(request))
                except _LOST as failure:
                    _LOG.warning("request %s is asked again: %s", request.request_id, failure)
                    await asyncio.sleep(_SECONDS_BETWEEN_TRIES)
            return await answer(handle.remote(request))


@contextmanager
def _explained() -> Iterator[None]:
    """Failures of the graph as what clients are told; whatever is a bug of ours stays an exception."""
    try:
        yield
    except BackPressureError as failure:
        raise overloaded("The service has as much to do as it can take.", _RETRY_AFTER) from failure
    except (*_LOST, DeploymentUnavailableError) as failure:
        raise unavailable("The transcriber does not respond.") from failure
    except RayTaskError as failure:
        if isinstance(failure.cause, ServiceError):
            raise failure.cause from None
        raise
