"""The service as a Ray Serve application: ingress -> transcribers -> shards.

``serve run serve/config.yaml`` builds it of the arguments in that file, `python -m serve` of a configuration of
`GraphSettings`. All options of the deployments come from there, so that one file says what runs.
"""

from typing import Any

from ray import serve
from ray.serve import Application

from harken.config import check
from serve.graph_settings import GraphSettings
from serve.ingress import Ingress
from serve.replicas.shard import Shard
from serve.replicas.transcriber import Transcriber

APPLICATION = "harken"
# Its types are those of its use as a decorator.
_deployment: Any = serve.deployment


def build(settings: GraphSettings) -> Application:
    """The application for ``serve.run``."""
    search, transcriber = settings.glossary, settings.transcriber
    shards = [
        _deployment(Shard)
        .options(name=f"shard-{number}", **search.replicas.options())
        .bind(number, search, settings.logs)
        for number in range(search.shards)
    ]
    hearing = _deployment(Transcriber).options(**transcriber.replicas.options()).bind(settings, shards)
    ingress: Any = Ingress
    bound: Application = ingress.options(**settings.ingress.options()).bind(settings, hearing, shards)
    return bound


def application(arguments: dict[str, Any]) -> Application:
    """The application of the ``args`` in serve/config.yaml, which have the keys of `GraphSettings`.

    Raises:
        HarkenError: an unknown key, or a value that is not accepted.
    """
    return build(check(arguments, GraphSettings, source="serve/config.yaml"))
