"""The HTTP face as one ASGI app: `create_app` puts routes, errors and gateway around a backend."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from serve.backend import Backend
from serve.builder import Builder
from serve.errors import add_handlers
from serve.gateway import Gateway
from serve.routes import glossaries, operation, transcriptions
from serve.routes.pages import add_pages
from serve.service import make_service
from serve.settings import ServiceSettings

_DESCRIPTION = """Transcription that knows your vocabulary. The audio endpoints are OpenAI's, so its clients work as
they are; glossaries of up to a million terms are resources of their own and are named by `glossary_id`."""


def create_app(
    settings: ServiceSettings, backend: Backend, builder: Builder, most_requests: int | None = None
) -> FastAPI:
    """The service over a backend that transcribes and a builder that makes glossary versions.

    Args:
        most_requests: under way at a time, where nobody before it sees to that.

    Raises:
        HarkenError: the data folder or the database cannot be used, or the address is public and there is no key.
    """
    service = make_service(settings, backend, builder, most_requests)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service.start()
        try:
            yield
        finally:
            service.stop()

    app = FastAPI(
        title="Harken",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.service = service
    app.add_middleware(Gateway, limits=settings.limits, metrics=service.metrics, traffic=service.traffic)
    add_handlers(app)
    for module in (transcriptions, glossaries, operation):
        app.include_router(module.router)
    add_pages(app)
    return app
