"""Whatever is uploaded: no failure of the server, errors in OpenAI's shape, bounded memory, and it still hears."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.serve.hostile_files import hostile_files
from tests.serve.hostile_requests import PATH, exchange, hostile_bodies, hostile_messages
from tests.serve.memory import watched
from tests.serve.service import NANO, NanoBackend, Server, running

MEGABYTE = 1_000_000
_LIMITS = {"upload_bytes": MEGABYTE, "audio_seconds": 30.0, "upload_seconds": 10.0, "import_bytes": 10_000}
_DECODER = {"memory_bytes": 300 * 1024 * 1024}
_QUOTAS = {"requests_per_minute": 1_000_000, "audio_seconds_per_minute": 1_000_000}
_REFUSALS = {400, 413, 415}
# Numbers that say nothing about sound, or sound behind a tag that decoders pass over.
_MAY_BE_HEARD = ("cut", "damaged", "lying", "polyglot", "values: denormal", "values: one sample", "values: 1e38")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, backend: NanoBackend) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("hostile")
    with running(folder, backend, limits=_LIMITS, decoder=_DECODER, quotas=_QUOTAS) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client() as client:
        yield client


def post(client: httpx2.Client, content: bytes, name: str = "a.wav") -> httpx2.Response:
    return client.post(PATH, data={"model": NANO}, files={"file": (name, content)})


def check_error(name: str, status: int, body: str) -> None:
    """An error as OpenAI's API shapes it, which names no file of the server."""
    assert status < 500, (name, status, body)
    error = json.loads(body)["error"]
    assert set(error) == {"message", "type", "param", "code"}, name
    assert not any(part in error["message"] for part in (str(Path.cwd()), "site-packages", "Traceback", "/tmp/")), name


def check_still_hears(server: Server, client: httpx2.Client, spoken: bytes) -> None:
    """A good recording is heard, and no process that decoded a bad one is left but the one that waits for the next."""
    assert post(client, spoken).json()["text"]
    assert server.service.decoder._process is not None
    decoding = psutil.Process(server.service.decoder._process.pid)
    ends = time.monotonic() + 60
    # The next file's process is made a little later than the last one's begins to end.
    while len(left := decoding.children()) != 1 and time.monotonic() < ends:
        time.sleep(0.1)
    assert len(left) == 1


@pytest.mark.parametrize(
    "step", [pytest.param(8, marks=pytest.mark.smoke, id="some"), pytest.param(1, marks=pytest.mark.slow, id="all")]
)
def test_hostile_files_are_refused_in_bounded_memory(
    server: Server, client: httpx2.Client, spoken: bytes, step: int
) -> None:
    everything = hostile_files()
    assert len(everything) >= 200
    files = dict(list(everything.items())[::step])
    post(client, spoken)
    with watched() as memory:
        answers = {name: post(client, content) for name, content in files.items()}
    for name, answer in answers.items():
        if answer.status_code != 200:
            check_error(name, answer.status_code, answer.text)
            assert answer.status_code in _REFUSALS, (name, answer.text)
        else:
            assert name.startswith(_MAY_BE_HEARD), name
    for name in files:
        if name.startswith("bomb"):
            assert len(files[name]) < MEGABYTE, "it must be small enough to be looked into"
    # Each upload is at most a megabyte, and half a minute of samples two.
    assert memory.grown < 100 * MEGABYTE
    assert memory.child < _DECODER["memory_bytes"]
    check_still_hears(server, client, spoken)


def test_bombs_are_told_from_damage(client: httpx2.Client) -> None:
    told = {
        name.partition(": ")[2]: post(client, content).json()["error"]["code"]
        for name, content in hostile_files().items()
        if name.startswith("bomb")
    }
    assert told.pop("zip") == told.pop("gzip") == "unsupported_audio"
    assert set(told.values()) == {"audio_too_long"}, told


def test_hostile_bodies_are_refused(server: Server, client: httpx2.Client, spoken: bytes) -> None:
    with watched() as memory:
        for name, kind, body in hostile_bodies(spoken):
            answer = client.post(PATH, content=body, headers={} if kind is None else {"content-type": kind})
            if answer.status_code != 200:
                check_error(name, answer.status_code, answer.text)
            else:
                assert answer.json()["usage"]["seconds"] > 1, name
    assert memory.grown < 100 * MEGABYTE
    check_still_hears(server, client, spoken)


def test_hostile_messages_are_refused(server: Server, client: httpx2.Client, spoken: bytes) -> None:
    with watched() as memory:
        for name, message in hostile_messages():
            status, body = exchange(server.port, message)
            assert status is None or 400 <= status < 500, (name, status, body)
            # What is no HTTP is refused below the app, in a line of text.
            if body.startswith(b"{"):
                check_error(name, status or 0, body.decode())
        status, body = exchange(server.port, dict(hostile_messages())["4 GB announced"])
        assert (status, json.loads(body)["error"]["code"]) == (413, "body_too_large")
    assert memory.grown < 100 * MEGABYTE
    check_still_hears(server, client, spoken)


def test_names_of_files_are_never_paths(server: Server, client: httpx2.Client, spoken: bytes) -> None:
    before = sorted(path.name for path in server.service.settings.data.rglob("*"))
    for name in ("../../escaped.wav", "/tmp/escaped.wav", "escaped.wav\0.png", "~/escaped.wav", "con.wav", "-rf"):
        assert post(client, spoken, name).status_code == 200
    assert sorted(path.name for path in server.service.settings.data.rglob("*")) == before
