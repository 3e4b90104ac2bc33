"""Connections of the ingress's own, without Ray Serve's proxy between clients and it."""

import asyncio
import errno
import socket

import uvicorn
from starlette.types import ASGIApp

from harken.errors import HarkenError
from serve.settings import ListenSettings

# For whoever had the address before to end, where this one takes its place.
_SECONDS_TO_BIND = 30.0
_BEAT_SECONDS = 0.05
_MOST_HEAD_BYTES = 64 * 1024


class HttpServer:
    """An app on an address; one event loop starts and stops it.

    Args:
        drain_seconds: what requests under way have when it stops.
    """

    def __init__(self, app: ASGIApp, listen: ListenSettings, drain_seconds: float) -> None:
        self._listen = listen
        config = uvicorn.Config(
            app,
            # It bounds what a request's head may hold; httptools keeps whatever comes.
            http="h11",
            h11_max_incomplete_event_size=_MOST_HEAD_BYTES,
            timeout_keep_alive=listen.keep_alive_seconds,
            timeout_graceful_shutdown=round(drain_seconds),
            # The gateway tells of requests, and nobody says of themselves where they come from.
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ws="none",
        )
        self._server = uvicorn.Server(config)
        self._serving: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Take connections.

        Raises:
            HarkenError: the address cannot be had.
            RuntimeError: the app cannot start.
        """
        self._serving = asyncio.ensure_future(self._serve(await self._bind()))
        while not self._server.started:
            await asyncio.sleep(_BEAT_SECONDS)
            self.check()

    def check(self) -> None:
        """See that it takes connections.

        Raises:
            RuntimeError: it does not, or not any more.
        """
        if self._serving is None or self._serving.done():
            failure = self._serving.exception() if self._serving else None
            raise failure or RuntimeError("the HTTP server has ended")

    def cut_off(self) -> None:
        """Keep nobody waiting for what is under way when it stops."""
        self._server.config.timeout_graceful_shutdown = 0

    async def stop(self) -> None:
        """Take no connections from now on, and wait for what is under way."""
        if self._serving is not None:
            self._server.should_exit = True
            await self._serving

    async def _serve(self, taken: socket.socket) -> None:
        try:
            await self._server.serve([taken])
        except SystemExit:
            # Meant for a process of its own; here it would end the event loop, and tell nobody.
            raise RuntimeError("the app cannot start: see the log") from None

    async def _bind(self) -> socket.socket:
        ends = asyncio.get_running_loop().time() + _SECONDS_TO_BIND
        while True:
            try:
                return bound(self._listen)
            except HarkenError:
                if asyncio.get_running_loop().time() > ends:
                    raise
            await asyncio.sleep(_BEAT_SECONDS)


def bound(listen: ListenSettings) -> socket.socket:
    """A socket at an address, which nobody else has.

    Raises:
        HarkenError: somebody has, or this machine has no such address.
    """
    family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
    taken = socket.socket(family, socket.SOCK_STREAM)
    # Connections of a process that has just ended do not keep the address.
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((listen.host, listen.port))
        taken.listen()
    except OSError as failure:
        taken.close()
        remedy = "Somebody listens there already: end them, or choose another service.listen.port."
        if failure.errno != errno.EADDRINUSE:
            remedy = f"It cannot be listened on ({failure.strerror or failure}): see service.listen."
        raise HarkenError("address", listen.address, remedy) from None
    return taken
