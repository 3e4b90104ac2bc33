"""The deployment that clients talk to: the HTTP face over the other deployments of the graph."""

from collections.abc import Sequence

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from serve.app import create_app
from serve.glossary_builder import GlossaryBuilder
from serve.graph_settings import GraphSettings
from serve.logs import configure
from serve.ray_backend import RayBackend
from serve.traffic import Traffic


@serve.deployment
@serve.ingress()
class Ingress:
    """The HTTP face; everything that needs a model is asked of the other deployments."""

    def __init__(
        self, settings: GraphSettings, transcriber: DeploymentHandle, shards: Sequence[DeploymentHandle]
    ) -> None:
        configure(settings.logs, "ingress")
        self._settings = settings
        self._backend = RayBackend(settings, transcriber, shards)

    def __serve_build_asgi_app__(self) -> FastAPI:
        app = create_app(self._settings.service, self._backend, GlossaryBuilder(self._settings))
        self._traffic: Traffic = app.state.service.traffic
        return app

    async def end_requests(self, seconds: float) -> int:
        """See `serve.traffic.Traffic.end`; Serve itself would cut off whatever its proxy has under way."""
        return await self._traffic.end(seconds)
