"""The parts of the service and who knows whom; made once for each process that answers requests."""

import asyncio
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from serve.backend import Backend, GlossaryVersion
from serve.build_queue import BuildQueue
from serve.builder import Builder
from serve.builds import BuildWorker
from serve.callers import ANONYMOUS, Gate, check_exposure
from serve.database import Database, default_url
from serve.decoder import Decoder
from serve.glossaries import GlossaryStore
from serve.keys import KeyStore
from serve.metrics import Metrics
from serve.quotas import Quotas
from serve.recordings import RecordingStore
from serve.settings import ServiceSettings
from serve.traffic import Traffic

_PUBLISH_SECONDS = 600.0


class _Publisher:
    """Tells the backend, in the event loop where it lives, what a build's thread has made."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self.loop: asyncio.AbstractEventLoop | None = None

    def __call__(self, version: GlossaryVersion) -> None:
        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(self._backend.publish(version), self.loop).result(_PUBLISH_SECONDS)


@dataclass
class Service:
    """What routes use; `start` and `stop` belong to the event loop that answers."""

    settings: ServiceSettings
    backend: Backend
    database: Database
    gate: Gate
    quotas: Quotas
    decoder: Decoder
    glossaries: GlossaryStore
    recordings: RecordingStore
    builds: BuildQueue
    worker: BuildWorker
    publisher: "_Publisher"
    metrics: Metrics
    traffic: Traffic

    def start(self) -> None:
        """Begin to decode and to build; called in the event loop."""
        self.publisher.loop = asyncio.get_running_loop()
        self.decoder.start()
        self.worker.start()

    def stop(self) -> None:
        """Give back the builds, end the processes, close the database."""
        self.worker.stop()
        self.decoder.close()
        self.database.close()


def make_service(
    settings: ServiceSettings, backend: Backend, builder: Builder, most_requests: int | None = None
) -> Service:
    """The parts, around one database; `most_requests` as `Traffic` has it.

    Raises:
        HarkenError: the data folder or the database cannot be used, or the address is public and there is no key.
    """
    # The folder holds versions and recordings, wherever the database is.
    local = default_url(settings.data)
    database = Database(settings.database or local)
    keys = KeyStore(database)
    check_exposure(settings, keys)
    with database.write() as connection:
        keys.ensure_tenant(connection, ANONYMOUS.name, ANONYMOUS.id)
    quotas = Quotas(database, settings.quotas)
    glossaries = GlossaryStore(database, settings.data.absolute() / "glossaries", settings.limits)
    queue = BuildQueue(database, glossaries, settings.builds)
    metrics = Metrics()
    publisher = _Publisher(backend)
    return Service(
        settings=settings,
        backend=backend,
        database=database,
        gate=Gate(keys, quotas, settings),
        quotas=quotas,
        decoder=Decoder(settings.decoder, settings.limits.audio_seconds),
        glossaries=glossaries,
        recordings=RecordingStore(database, glossaries, settings.limits.recordings_per_term),
        builds=queue,
        worker=BuildWorker(queue, builder, publisher, metrics.builds, settings.builds),
        publisher=publisher,
        metrics=metrics,
        traffic=Traffic(most_requests),
    )


async def get_service(request: Request) -> Service:
    """The dependency of routes; a coroutine, as FastAPI takes others to a thread and back."""
    service: Service = request.app.state.service
    return service


ServicePart = Annotated[Service, Depends(get_service)]
