"""What is under way when the service ends or its replicas are replaced: it is finished, and nothing new begins."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from serve.__main__ import start
from serve.graph_settings import GraphSettings
from tests.serve.service import ROOT, NanoBackend, Server, running, speech_file
from tests.tiny_service import CONFIG, PATIENCE, service_overrides, service_settings

SAID = "我们今天去商店买铂金包"


def ask(client: httpx2.Client, content: bytes) -> httpx2.Response:
    return client.post("/v1/audio/transcriptions", data={"model": "whisper-1"}, files={"file": content})


@contextmanager
def under_way(client: httpx2.Client, content: bytes) -> Iterator[Future[httpx2.Response]]:
    """The answer of a request that has begun to be worked on."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, client, content)
        # Its audio is decoded by then.
        while "harken_decoding_seconds_count 1.0" not in client.get("/metrics").text:
            assert not answer.done(), answer.result().text
            time.sleep(0.01)
        yield answer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    backend = NanoBackend()
    backend.hold = 2.0
    with running(tmp_path, backend) as server:
        yield server


@pytest.mark.parametrize(("seconds", "left"), [(60.0, 0), (0.1, 1)])
def test_a_service_that_ends_finishes_what_it_has_begun_and_refuses_the_rest(server, spoken, seconds, left):
    with server.client() as client, under_way(client, spoken) as begun:
        loop = server.service.publisher.loop
        ended = asyncio.run_coroutine_threadsafe(server.service.traffic.end(seconds), loop)
        # Nothing more is to be under way than the request above.
        while not server.service.traffic._ending:
            time.sleep(0.01)
        refused = ask(client, spoken)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
        assert "ending" in refused.json()["error"]["message"]
        assert int(refused.headers["retry-after"]) >= 1
        assert ended.result() == left
        # Of one that has been answered the client may still be reading.
        assert not (left and begun.done())
        assert begun.result().raise_for_status().json()["text"]


def test_a_service_that_nobody_stands_before_takes_so_many_requests_at_a_time(tmp_path: Path, spoken: bytes) -> None:
    backend = NanoBackend()
    backend.hold = 2.0
    with (
        running(tmp_path, backend, most_requests=1) as server,
        server.client() as client,
        under_way(client, spoken) as begun,
    ):
        refused = ask(client, spoken)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        assert begun.result().raise_for_status().json()["text"]
        assert ask(client, spoken).status_code == 200


@contextmanager
def started(folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`python -m serve` and its address, in a group of processes of its own; `more` are overrides."""
    command = [sys.executable, "-m", "serve", "--config", str(CONFIG)]
    command += [part for override in (*service_overrides(folder), *more) for part in ("--set", override)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    )
    try:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert "listens on" in first, first + process.stdout.read()
        yield process, first.split()[3]
    finally:
        process.kill()
        process.wait()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_requests_finish(tmp_path: Path, number: signal.Signals) -> None:
    with started(tmp_path) as (process, address):
        long = speech_file("，".join([SAID] * 20))
        with httpx2.Client(base_url=address, timeout=PATIENCE) as client:
            with under_way(client, long) as begun:
                # A terminal sends its interrupt to all processes of the group.
                os.killpg(process.pid, number) if number == signal.SIGINT else process.send_signal(number)
                refused: set[int] = set()
                while not begun.done():
                    refused.add(client.get("/healthz").status_code)
                answer = begun.result().raise_for_status().json()
            assert answer["usage"]["seconds"] > 30
            assert 503 in refused <= {200, 503}
        told, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, told
        assert told.splitlines()[-1].startswith("ending: requests in progress"), told


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_second_signal_waits_for_nobody(tmp_path: Path) -> None:
    with started(tmp_path, "service.limits.upload_pause_seconds=600") as (process, address):
        port = int(address.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as uploading:
            head = "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
            uploading.sendall(f"{head}Content-Type: multipart/form-data; boundary=x\r\n\r\n--x".encode())
            time.sleep(1.0)
            began = time.monotonic()
            for _ in range(3):
                process.send_signal(signal.SIGINT)
                time.sleep(2.0)
            told, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 0, told
        assert "Traceback" not in told
        assert "Controller failed" not in told
        # Serve's own limit for what does not end is 30.
        assert time.monotonic() - began < 120


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[GraphSettings]:
    import ray
    from ray import serve

    yield service_settings(tmp_path, "service.listen.by=proxies", "transcriber.replicas.least=2",
        "transcriber.replicas.most=2",
    )  # fmt: skip
    serve.shutdown()
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("change", [{"max_new_tokens": 190}, {"replicas": {"least": 1, "most": 1}}])
def test_transcribers_that_are_replaced_or_taken_away_cost_no_request_its_answer(settings, change):
    long, short = speech_file("，".join([SAID] * 20)), speech_file(SAID)
    replicas = settings.transcriber.replicas.model_copy(update=change.get("replicas", {}))
    changed = settings.transcriber.model_copy(update={**change, "replicas": replicas})
    with httpx2.Client(base_url=start(settings), timeout=PATIENCE) as client, ThreadPoolExecutor(6) as pool:
        begun = [pool.submit(ask, client, long) for _ in range(4)]
        time.sleep(1.0)
        updated = pool.submit(start, settings.model_copy(update={"transcriber": changed}))
        statuses = []
        while not updated.done():
            statuses.append(ask(client, short).status_code)
        updated.result()
        assert statuses
        assert set(statuses) == {200}
        assert {answer.result().status_code for answer in begun} == {200}
        assert len({answer.result().json()["text"] for answer in begun}) == 1
