"""The service as a Ray Serve application: ingress -> transcribers -> shards.

``serve run serve/config.yaml`` builds it of the arguments in that file, `python -m serve` of a configuration of
`GraphSettings`. All options of the deployments come from there, so that one file says what runs.
"""

from typing import Any

import ray
from ray import serve
from ray.serve import Application

from harken.config import check
from harken.errors import HarkenError
from serve.graph_settings import GraphSettings
from serve.ingress import Ingress, ListeningIngress
from serve.replicas.shard import Shard
from serve.replicas.transcriber import Transcriber

APPLICATION = "harken"
# Its types are those of its use as a decorator.
_deployment: Any = serve.deployment
# Of a resource that every node has one of.
_SHARE_OF_NODE = 0.001


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
    options = settings.ingress.options()
    if settings.service.listen.by == "ingress":
        ingress = ListeningIngress
        # Where its address is.
        options["ray_actor_options"]["resources"] = {f"node:{ray.util.get_node_ip_address()}": _SHARE_OF_NODE}
    bound: Application = ingress.options(**options).bind(settings, hearing, shards)
    return bound


def application(arguments: dict[str, Any]) -> Application:
    """The application of the ``args`` in serve/config.yaml, which have the keys of `GraphSettings`.

    Raises:
        HarkenError: an unknown key, a value that is not accepted, or an ingress that is to listen itself.
    """
    settings = check(arguments, GraphSettings, source="serve/config.yaml")
    if settings.service.listen.by == "ingress":
        remedy = "Set it to proxies: only `python -m serve` knows at which machine's address an ingress is to listen."
        raise HarkenError("service.listen.by", "ingress", remedy)
    return build(settings)
