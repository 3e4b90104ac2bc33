"""Fifty clients of each slow kind, and the good ones beside them."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from serve.keys import SCOPES, KeyStore
from tests.serve.service import NANO, NanoBackend, Server, running
from tests.serve.slow_clients import slow_clients

_EACH = 50
_GIVEN_UP = 'harken_requests_total{method="POST",route="/v1/audio/transcriptions",status="408"}'


@pytest.fixture
def server(tmp_path: Path, backend: NanoBackend) -> Iterator[Server]:
    limits = {"upload_seconds": 6.0, "upload_pause_seconds": 3.0, "answer_pause_seconds": 3.0}
    with running(tmp_path, backend, limits=limits, access={"anonymous": "never"}) as server:
        yield server


def figure(client: httpx2.Client, name: str) -> float:
    """One of the service's own figures; 0 where it has not been counted yet."""
    told = client.get("/metrics").text.splitlines()
    return next((float(line.rsplit(" ", 1)[1]) for line in told if line.startswith(f"{name} ")), 0.0)


def in_flight(client: httpx2.Client) -> float:
    """Requests under way beside the one that asks."""
    return figure(client, "harken_requests_in_flight") - 1


def test_slow_clients_do_not_keep_others_waiting(server: Server, spoken: bytes) -> None:
    keys = KeyStore(server.service.database)
    slow, good = keys.create("slow", "k", SCOPES), keys.create("good", "k", SCOPES)
    with server.client(good) as client, slow_clients(server.port, _EACH, spoken, slow) as clients:
        while in_flight(client) + figure(client, _GIVEN_UP) < _EACH:
            time.sleep(0.05)
        for _ in range(3):
            answer = client.post("/v1/audio/transcriptions", data={"model": NANO}, files={"file": spoken})
            assert answer.raise_for_status().json()["text"]
            assert client.get("/healthz").status_code == 200
        # Whose body does not come within the limits is told so, and the connection is closed.
        for connection in clients.bodies:
            assert connection.recv(12) == b"HTTP/1.1 408"
        # Answers that nobody reads are given up, and headers that never end are no request yet.
        while in_flight(client) > 0:
            time.sleep(0.05)
        assert client.post("/v1/audio/transcriptions", data={"model": NANO}, files={"file": spoken}).status_code == 200


def test_one_tenant_cannot_take_every_place(tmp_path: Path, backend: NanoBackend, spoken: bytes) -> None:
    quotas = {"requests_at_once": 10}
    with running(tmp_path, backend, access={"anonymous": "never"}, quotas=quotas) as server:
        keys = KeyStore(server.service.database)
        greedy, other = (keys.create(name, "k", SCOPES) for name in ("greedy", "other"))
        with (
            server.client(greedy) as refused,
            server.client(other) as client,
            slow_clients(server.port, quotas["requests_at_once"], spoken, greedy),
        ):
            while (answer := refused.get("/v1/models")).status_code == 200:
                time.sleep(0.05)
            assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many_at_once")
            assert int(answer.headers["retry-after"]) >= 1
            assert client.get("/v1/models").status_code == 200
        with server.client(greedy) as client:
            while client.get("/v1/models").status_code != 200:
                time.sleep(0.05)
