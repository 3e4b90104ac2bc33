"""Models, health and figures: what operators and clients ask before they trust a service."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.security import HTTPAuthorizationCredentials
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from sqlalchemy import text

from serve.callers import BEARER, Caller, requires
from serve.errors import ServiceError, unavailable
from serve.routes.documented import ErrorAnswer, errors
from serve.schemas import Health, Model, ModelList
from serve.service import Service, ServicePart

router = APIRouter()

_READY_SECONDS = 5.0
_UNREADY = {503: {"model": ErrorAnswer, "description": "A part does not respond"}}


@router.get("/v1/models", tags=["models"], responses=errors())
async def list_models(service: ServicePart, caller: Annotated[Caller, Depends(requires("transcribe"))]) -> ModelList:
    """The models, the default one first."""
    return ModelList(data=_models(service))


@router.get("/v1/models/{model:path}", tags=["models"], responses=errors(404))
async def get_model(
    service: ServicePart, caller: Annotated[Caller, Depends(requires("transcribe"))], model: str
) -> Model:
    """One model."""
    found = next((card for card in _models(service) if card.id == model), None)
    if found is None:
        raise ServiceError(404, "model_not_found", f"There is no model {model!r}: see /v1/models.", "model")
    return found


@router.get("/healthz", tags=["operation"])
async def healthz() -> Health:
    """The process answers."""
    return Health(status="ok")


@router.get("/readyz", tags=["operation"], responses=_UNREADY)  # type: ignore[arg-type]
async def readyz(service: ServicePart) -> Health:
    """The database, the transcriber and every shard answer."""
    try:
        async with asyncio.timeout(_READY_SECONDS):
            await run_in_threadpool(_ask_database, service)
            readiness = await service.backend.ready()
    except TimeoutError:
        raise unavailable(f"A part did not respond within {_READY_SECONDS:g} seconds.") from None
    if readiness.answered < readiness.shards:
        raise unavailable(f"Only {readiness.answered} of {readiness.shards} shards respond.")
    return Health(status="ok", shards=readiness.shards, answered=readiness.answered)


@router.get("/metrics", tags=["operation"], include_in_schema=False)
async def metrics(
    request: Request,
    service: ServicePart,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(BEARER)],
) -> Response:
    """For Prometheus."""
    if service.settings.access.metrics == "admin":
        await service.gate.admit(request, credentials.credentials if credentials else None, "admin")
    told = await run_in_threadpool(generate_latest, service.metrics.registry)
    return Response(told, media_type=CONTENT_TYPE_LATEST)


def _ask_database(service: Service) -> None:
    with service.database.read() as connection:
        connection.execute(text("SELECT 1"))


def _models(service: Service) -> list[Model]:
    return [
        Model(id=card.id, created=card.created, owned_by=card.owner, languages=list(card.languages))
        for card in service.backend.models()
    ]
