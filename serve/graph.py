"""The service as a Ray Serve application: ingress -> transcribers -> shards.

``serve run serve/config.yaml`` builds it of the arguments in that file, `python -m serve` of a configuration of
`GraphSettings`. All options of the deployments come from there, so that one file says what runs.
"""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from ray import serve
from ray.serve import Application
from ray.serve.handle import DeploymentHandle

from harken.config import check
from serve.app import create_app
from serve.glossary_builder import GlossaryBuilder
from serve.graph_settings import GraphSettings
from serve.ray_backend import RayBackend
from serve.replicas.shard import Shard
from serve.replicas.transcriber import Transcriber

APPLICATION = "harken"


@serve.deployment
@serve.ingress()
class Ingress:
    """The HTTP face; everything that needs a model is asked of the other deployments."""

    def __init__(
        self, settings: GraphSettings, transcriber: DeploymentHandle, shards: Sequence[DeploymentHandle]
    ) -> None:
        self._settings = settings
        self._backend = RayBackend(settings, transcriber, shards)

    def __serve_build_asgi_app__(self) -> FastAPI:
        return create_app(self._settings.service, self._backend, GlossaryBuilder(self._settings))


def build(settings: GraphSettings) -> Application:
    """The application for ``serve.run``."""
    search, transcriber = settings.glossary, settings.transcriber
    shards = [
        serve.deployment(Shard).options(name=f"shard-{number}", **search.replicas.options()).bind(number, search)
        for number in range(search.shards)
    ]
    hearing = serve.deployment(Transcriber).options(**transcriber.replicas.options()).bind(settings, shards)
    return Ingress.options(**settings.ingress.options()).bind(settings, hearing, shards)


def application(arguments: dict[str, Any]) -> Application:
    """The application of the ``args`` in serve/config.yaml, which have the keys of `GraphSettings`.

    Raises:
        HarkenError: an unknown key, or a value that is not accepted.
    """
    return build(check(arguments, GraphSettings, source="serve/config.yaml"))
