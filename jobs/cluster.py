"""Reaching Ray: a running cluster when there is one, a local one otherwise."""

import logging
import os
import secrets
import socket

import ray
from ray.data import DataContext

from harken.errors import HarkenError
from harken.settings import ClusterSettings

# Ray Data keeps slots for its own operators; with exactly two logical CPUs a pool of two actors can starve.
LOGICAL_CPUS = 8
_SECONDS_TO_ANSWER = 10.0


def connect(settings: ClusterSettings) -> None:
    """Join ``settings.address`` (or the cluster this job was submitted to), else start a local Ray.

    Raises:
        HarkenError: the address does not answer.
    """
    if ray.is_initialized():
        return
    address = settings.address or os.environ.get("RAY_ADDRESS")
    if address:
        try:
            _knock(address)
            ray.init(address=address, logging_level=logging.WARNING)
        except (OSError, ValueError, RuntimeError) as failure:
            raise HarkenError("cluster.address", address, f"No Ray cluster answers there: {failure}") from None
    else:
        # Ray guards a local cluster with a token; one of our own keeps it out of the user's ~/.ray, where it
        # would change how a later `ray start` behaves.
        if "RAY_AUTH_TOKEN_PATH" not in os.environ:
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
        cpus = settings.cpus or max(LOGICAL_CPUS, os.cpu_count() or 1)
        ray.init(address="local", num_cpus=cpus, include_dashboard=False, logging_level=logging.ERROR)
    _quiet()


def _knock(address: str) -> None:
    """Raise OSError where nothing listens at a host and port: Ray itself would try for minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), _SECONDS_TO_ANSWER).close()


def _quiet() -> None:
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.print_on_execution_start = False
    # Ray Data warns that its bars are off; ours are on.
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    logging.getLogger("ray.train").setLevel(logging.WARNING)
