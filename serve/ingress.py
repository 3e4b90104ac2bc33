"""The deployment that clients talk to: the HTTP face over the other deployments of the graph."""

from collections.abc import Sequence

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from serve.app import create_app
from serve.glossary_builder import GlossaryBuilder
from serve.graph_settings import GraphSettings
from serve.http_server import HttpServer
from serve.logs import configure
from serve.ray_backend import RayBackend
from serve.traffic import Traffic


class _Face:
    """What both kinds of ingress are; everything that needs a model is asked of the other deployments."""

    def __init__(
        self, settings: GraphSettings, transcriber: DeploymentHandle, shards: Sequence[DeploymentHandle]
    ) -> None:
        configure(settings.logs, "ingress")
        self._settings = settings
        self._backend = RayBackend(settings, transcriber, shards)

    def _app(self, most_requests: int | None = None) -> FastAPI:
        builder = GlossaryBuilder(self._settings)
        app = create_app(self._settings.service, self._backend, builder, most_requests)
        self._traffic: Traffic = app.state.service.traffic
        return app

    async def end_requests(self, seconds: float) -> int:
        """See `serve.traffic.Traffic.end`; Serve itself would cut off whatever is under way."""
        return await self._traffic.end(seconds)

    async def cut_off(self) -> None:
        """Wait no longer in `end_requests`."""
        self._traffic.give_up()


@serve.deployment
@serve.ingress()
class Ingress(_Face):
    """The HTTP face behind Serve's proxies, of which every node has one."""

    def __serve_build_asgi_app__(self) -> FastAPI:
        return self._app()


@serve.deployment
class ListeningIngress(_Face):
    """The HTTP face that takes connections itself: one process at one address."""

    async def __init__(  # type: ignore[misc]  # Serve awaits it
        self, settings: GraphSettings, transcriber: DeploymentHandle, shards: Sequence[DeploymentHandle]
    ) -> None:
        super().__init__(settings, transcriber, shards)
        own = settings.ingress
        self._server = HttpServer(self._app(own.ongoing), settings.service.listen, own.drain_seconds)
        await self._server.start()

    async def cut_off(self) -> None:
        """Nor for what is under way when this replica is stopped."""
        await super().cut_off()
        self._server.cut_off()

    async def check_health(self) -> None:
        """Serve replaces an ingress for which this raises."""
        self._server.check()

    async def __del__(self) -> None:
        # Of one that could not be made, too.
        if hasattr(self, "_server"):
            await self._server.stop()
