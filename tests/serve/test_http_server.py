"""The HTTP server on small apps: what it binds, when it ends, and what it waits for."""

import asyncio
import contextlib
from typing import Any

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from harken.errors import HarkenError
from serve.http_server import HttpServer, bound
from serve.settings import ListenSettings
from tests.tiny_service import free_port

ANY_PORT = ListenSettings(port=0)


class App:
    """Answers once its gate is open; counts what it has begun."""

    def __init__(self) -> None:
        self.gate = asyncio.Event()
        self.begun = asyncio.Event()
        self.events: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for stage in ("startup", "shutdown"):
                assert (await receive())["type"] == f"lifespan.{stage}"
                self.events.append(stage)
                await send({"type": f"lifespan.{stage}.complete"})
            return
        self.begun.set()
        await self.gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})


def run(work: Any) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


def test_what_is_under_way_is_finished_and_the_address_is_free_afterwards() -> None:
    async def work() -> None:
        app = App()
        port = free_port()
        server = HttpServer(app, ListenSettings(port=port), drain_seconds=30)
        await server.start()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            asked = asyncio.ensure_future(client.get("/"))
            await app.begun.wait()
            server.check()
            stopping = asyncio.ensure_future(server.stop())
            await asyncio.sleep(0.5)
            assert not stopping.done()
            app.gate.set()
            answer = await asked
            await stopping
        assert (answer.status_code, answer.text) == (200, "ok")
        assert "server" not in answer.headers
        assert app.events == ["startup", "shutdown"]
        with pytest.raises(RuntimeError, match="ended"):
            server.check()
        bound(ListenSettings(port=port)).close()

    run(work())


@pytest.mark.parametrize("at_once", [False, True])
def test_what_takes_longer_than_it_has_is_cut_off(at_once: bool) -> None:
    async def work() -> None:
        app = App()
        port = free_port()
        server = HttpServer(app, ListenSettings(port=port), drain_seconds=600 if at_once else 1)
        await server.start()
        if at_once:
            server.cut_off()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            asked = asyncio.ensure_future(client.get("/"))
            await app.begun.wait()
            await server.stop()
            answer = (await asyncio.gather(asked, return_exceptions=True))[0]
        assert isinstance(answer, httpx2.TransportError) or answer.status_code == 500
        assert app.events[-1] == "shutdown"

    run(work())


def test_a_head_without_end_is_refused() -> None:
    async def work() -> None:
        app = App()
        port = free_port()
        server = HttpServer(app, ListenSettings(port=port), drain_seconds=1)
        await server.start()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: ")
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                writer.write(b"x" * 65_536)
                await writer.drain()
        with contextlib.suppress(ConnectionError):
            assert (await reader.read()).startswith(b"HTTP/1.1 400")
        assert not app.begun.is_set()
        writer.close()
        await server.stop()

    run(work())


def test_it_waits_for_its_predecessor_to_leave_the_address() -> None:
    async def work() -> None:
        predecessor = bound(ANY_PORT)
        app = App()
        app.gate.set()
        port = predecessor.getsockname()[1]
        server = HttpServer(app, ListenSettings(port=port), drain_seconds=1)
        starting = asyncio.ensure_future(server.start())
        await asyncio.sleep(0.5)
        assert not starting.done()
        predecessor.close()
        await starting
        async with httpx2.AsyncClient() as client:
            assert (await client.get(f"http://127.0.0.1:{port}/")).text == "ok"
        await server.stop()

    run(work())


def test_an_address_that_is_taken_is_named() -> None:
    with bound(ANY_PORT) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(HarkenError, match=f"127.0.0.1:{port}.*listens there already"):
            bound(ListenSettings(port=port))


def test_an_address_is_as_urls_have_it() -> None:
    assert ListenSettings(host="::1", port=8000).address == "[::1]:8000"
    assert ListenSettings(host="localhost", port=8000).address == "localhost:8000"


def test_an_address_of_another_machine_is_named() -> None:
    # Of a network that is reserved for documentation.
    with pytest.raises(HarkenError, match=r"192\.0\.2\.1:80.*cannot be listened on"):
        bound(ListenSettings(host="192.0.2.1", port=80))


def test_an_app_that_cannot_start_is_told_and_ends_nothing_else() -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no"})

    async def work() -> None:
        server = HttpServer(broken, ListenSettings(port=free_port()), drain_seconds=1)
        with pytest.raises(RuntimeError, match="cannot start"):
            await server.start()
        with pytest.raises(RuntimeError, match="cannot start"):
            server.check()

    run(work())
