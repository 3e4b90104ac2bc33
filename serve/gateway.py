"""What stands before every route, at the level of ASGI messages: the body's size and time, the log, the figures.

The body is counted as it comes, before anything parses it; a length that the client announces only refuses earlier.
"""

import asyncio
import contextlib
import json
import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serve.errors import ServiceError, answer, unforeseen
from serve.metrics import Metrics
from serve.settings import LimitSettings
from serve.traffic import Traffic

_ACCESS = logging.getLogger("harken.access")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HEADERS = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"no-referrer"))
# What operators look at when there is too much to do; it takes no room.
_ALWAYS_ANSWERED = ("/healthz", "/readyz", "/metrics")
_UNKNOWN_ROUTE = "(none)"
# What the log says of a client that left before its answer began.
_CLIENT_LEFT = 499


class Gateway:
    """ASGI middleware around the whole app."""

    def __init__(self, app: ASGIApp, limits: LimitSettings, metrics: Metrics, traffic: Traffic) -> None:
        self._app = app
        self._traffic = traffic
        self._limits = limits
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        body = _Body(receive, self._limits, self._most_bytes(scope), headers)
        request = _Request(body, headers, self._limits.answer_pause_seconds)
        scope.setdefault("state", {})["request_id"] = request.identifier
        watched = scope["path"] in _ALWAYS_ANSWERED
        self._metrics.in_flight.inc()
        try:
            try:
                self._traffic.check_open()
                if not watched:
                    self._traffic.check_room()
                body.check_length()
            except ServiceError as refusal:
                await answer(refusal)(scope, receive, request.sending(send))
            else:
                with contextlib.nullcontext() if watched else self._traffic.counted():
                    await self._app(scope, body.receive, request.sending(send))
        except (ClientLeftError, ClientDisconnect):
            # The server closes what was not completed.
            pass
        except Exception as failure:
            if request.status != _CLIENT_LEFT:
                raise
            await answer(unforeseen(request.identifier, failure))(scope, receive, request.sending(send))
        finally:
            if leave := scope["state"].pop("leave", None):
                leave()
            self._metrics.in_flight.dec()
            self._note(scope, request, body.received)

    def _most_bytes(self, scope: Scope) -> int:
        path = scope["path"]
        if path.endswith("/imports"):
            return self._limits.import_bytes
        if path.startswith("/v1/audio/") or path.endswith("/recordings"):
            return self._limits.upload_bytes
        return self._limits.document_bytes

    def _note(self, scope: Scope, request: "_Request", received: int) -> None:
        route = getattr(scope.get("route"), "path", _UNKNOWN_ROUTE)
        method = scope["method"] if route != _UNKNOWN_ROUTE else "any"
        seconds = time.perf_counter() - request.began
        self._metrics.requests.labels(method, route, str(request.status)).inc()
        self._metrics.latency.labels(route).observe(seconds)
        # Neither the path nor a header: they may hold what a client thinks is secret.
        line: dict[str, Any] = {
            "request": request.identifier,
            "tenant": scope["state"].get("tenant"),
            "method": method,
            "route": route,
            "status": request.status,
            "seconds": round(seconds, 4),
            "bytes": received,
        }
        if (audio := scope["state"].get("audio_seconds")) is not None:
            line["audio_seconds"] = round(audio, 3)
        _ACCESS.info(json.dumps(line), extra={"fields": line})


class _Request:
    """The name of a request and what was answered."""

    def __init__(self, body: "_Body", headers: dict[bytes, bytes], pause: float) -> None:
        self._body = body
        self._pause = pause
        given = headers.get(b"x-request-id", b"").decode("latin-1")
        self.identifier = given if _REQUEST_ID.fullmatch(given) else uuid.uuid4().hex
        self.began = time.perf_counter()
        self.status = _CLIENT_LEFT

    def sending(self, send: Send) -> Send:
        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                identifier = (b"x-request-id", self.identifier.encode())
                # Else the server would go on to read, and throw away, whatever a refused client still sends.
                close = [] if self._body.complete else [(b"connection", b"close")]
                message = {**message, "headers": [*message["headers"], *_HEADERS, identifier, *close]}
            try:
                async with asyncio.timeout(self._pause):
                    await send(message)
            except TimeoutError:
                raise ClientLeftError from None

        return sent


class _Body:
    """The body of a request on its way to whoever reads it."""

    def __init__(self, receive: Receive, limits: LimitSettings, most: int, headers: dict[bytes, bytes]) -> None:
        self._receive = receive
        self._most = most
        self._seconds = limits.upload_seconds
        self._pause = limits.upload_pause_seconds
        self._deadline: float | None = None
        self._announced = headers.get(b"content-length")
        self.complete = self._announced in (None, b"0") and b"transfer-encoding" not in headers
        self.received = 0

    def check_length(self) -> None:
        """Refuse a body that is said to be too large.

        Raises:
            ServiceError: 400 the length is no number, 413.
        """
        if self._announced is None:
            return
        if not self._announced.isdigit():
            raise ServiceError(400, "invalid_header", "The Content-Length is no number.")
        if int(self._announced) > self._most:
            raise self._too_large()

    async def receive(self) -> Message:
        """The next message, unless the body is too large or too slow."""
        if self.complete:
            # Waits for the client to leave, which may take as long as the answer.
            return await self._receive()
        now = asyncio.get_running_loop().time()
        self._deadline = self._deadline or now + self._seconds
        try:
            async with asyncio.timeout_at(min(self._deadline, now + self._pause)):
                message = await self._receive()
        except TimeoutError:
            message_text = f"The body must come within {self._seconds:g} seconds, without a pause of {self._pause:g}."
            raise ServiceError(408, "body_too_slow", message_text) from None
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            if self.received > self._most:
                raise self._too_large()
        self.complete = not message.get("more_body", False)
        return message

    def _too_large(self) -> ServiceError:
        message = (
            f"The body is larger than the {self._most:,} bytes allowed here: send it in parts, audio as FLAC or Ogg."
        )
        return ServiceError(413, "body_too_large", message)


async def until_disconnected(receive: Callable[[], Awaitable[Message]], work: Awaitable[Any]) -> Any:
    """The result of the work, which is cancelled when the client leaves; call it once the body has been read.

    Raises:
        ClientLeftError: the client left.
        Exception: whatever the work raises.
    """
    task = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_disconnect(receive))
    try:
        await asyncio.wait({task, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeftError
        return task.result()
    finally:
        for pending in (task, leaving):
            pending.cancel()
        await asyncio.gather(task, leaving, return_exceptions=True)


class ClientLeftError(Exception):
    """Nobody waits for the answer any more, or nobody takes it."""


async def _disconnect(receive: Callable[[], Awaitable[Message]]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
