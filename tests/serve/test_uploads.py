import socket
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import psutil
import pytest

from harken.audio import SAMPLE_RATE, resample
from tests.serve.hostile_files import encoded
from tests.serve.service import NANO, NanoBackend, Server, running, speech

_LIMITS = {"upload_bytes": 1_000_000, "audio_seconds": 30.0, "upload_seconds": 3.0, "import_bytes": 10_000}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, backend: NanoBackend) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("uploads"), backend, limits=_LIMITS) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[httpx2.Client]:
    with server.client() as client:
        yield client


def post(client: httpx2.Client, content: bytes) -> httpx2.Response:
    return client.post("/v1/audio/transcriptions", data={"model": NANO}, files={"file": ("a.wav", content)})


@pytest.mark.parametrize(
    ("container", "encoding", "rate"),
    [("WAV", "PCM_16", 48_000), ("WAV", "FLOAT", 8_000), ("WAV", "ULAW", 8_000), ("WAVEX", "PCM_24", 44_100),
     ("FLAC", None, 44_100), ("MP3", None, 44_100), ("OGG", "VORBIS", 22_050), ("OGG", "OPUS", 48_000)],
)  # fmt: skip
def test_the_accepted_formats_say_the_same(
    client: httpx2.Client, backend: NanoBackend, container: str, encoding: str | None, rate: int
) -> None:
    wave = resample(speech(), SAMPLE_RATE, rate)
    stereo = np.stack([wave, wave], axis=1)
    answer = post(client, encoded(stereo, rate, container, encoding))
    assert answer.status_code == 200, answer.text
    assert len(backend.asked[-1].wave) == pytest.approx(len(speech()), abs=2500)
    assert answer.json()["text"]


def test_bodies_are_refused_by_their_size_before_they_are_read(client: httpx2.Client, server: Server) -> None:
    announced = post(client, bytes(1_100_000))
    assert (announced.status_code, announced.json()["error"]["code"]) == (413, "body_too_large")
    taken = [0]

    def endless() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        while True:
            taken[0] += 65_536
            yield bytes(65_536)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    try:
        answer = client.post("/v1/audio/transcriptions", content=endless(), headers=headers)
        assert answer.status_code == 413
    except (httpx2.WriteError, httpx2.RemoteProtocolError, httpx2.ReadError):
        # The connection was closed under what was still being sent.
        pass
    assert taken[0] < 64 * 1024 * 1024
    glossary = client.post("/v1/glossaries", json={"name": "g"}).json()["id"]
    too_much = client.post(
        f"/v1/glossaries/{glossary}/imports", content=b"a\n" * 6000, headers={"content-type": "text/csv"}
    )
    assert too_much.status_code == 413
    assert client.post("/v1/glossaries", json={"name": "g" * 2_000_000}).status_code == 413


def test_a_body_that_does_not_come_is_given_up(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
        connection.sendall(
            b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        )
        assert b"408" in connection.recv(1000).splitlines()[0]


def test_the_decoding_process_is_replaced_when_it_dies(server: Server, client: httpx2.Client) -> None:
    content = encoded(speech(), SAMPLE_RATE, "FLAC")
    process = server.service.decoder._process
    process.kill()
    process.wait()
    assert post(client, content).status_code == 200
    assert server.service.decoder._process.pid != process.pid


def waiting_fork(server: Server) -> psutil.Process:
    """The one for the next file, which is made a little after the last one was taken."""
    decoding, ends = psutil.Process(server.service.decoder._process.pid), time.monotonic() + 60
    forks: list[psutil.Process] = []
    while len(forks) != 1 and time.monotonic() < ends:
        # What decoded the last file may be the only one for a moment.
        time.sleep(0.2)
        forks = decoding.children()
    (fork,) = forks
    return fork


def test_a_waiting_fork_that_dies_costs_nobody_an_answer(server: Server, client: httpx2.Client) -> None:
    content = encoded(speech(), SAMPLE_RATE, "FLAC")
    assert post(client, content).status_code == 200
    fork = waiting_fork(server)
    fork.kill()
    fork.wait(60)
    assert post(client, content).status_code == 200


def test_no_fork_outlives_the_service(tmp_path: Path, backend: NanoBackend) -> None:
    with running(tmp_path, backend) as server, server.client() as client:
        assert post(client, encoded(speech(), SAMPLE_RATE, "FLAC")).status_code == 200
        fork = waiting_fork(server)
    psutil.wait_procs([fork], timeout=60)
    assert not fork.is_running()


def test_the_decoding_process_knows_no_secret_and_keeps_no_file(
    tmp_path: Path, backend: NanoBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THE_SERVICE", "1234")
    with running(tmp_path, backend) as server:
        process = psutil.Process(server.service.decoder._process.pid)
        while "decoding_child" not in " ".join(process.cmdline()):
            time.sleep(0.02)
        assert "SECRET_OF_THE_SERVICE" not in process.environ()
        assert process.cwd() == "/"
        opened = {str(path.readlink()) for path in Path(f"/proc/{process.pid}/fd").iterdir()}
        assert not any("service.sqlite" in name for name in opened)
    assert not process.is_running()


def test_what_takes_too_long_to_decode_is_ended(tmp_path: Path, backend: NanoBackend) -> None:
    with running(tmp_path, backend) as server, server.client() as client:
        assert post(client, encoded(speech(), SAMPLE_RATE, "FLAC")).status_code == 200
        decoder = server.service.decoder
        decoder._settings = decoder._settings.model_copy(update={"wall_seconds": 0.1})
        long = encoded(np.resize(speech(), 590 * SAMPLE_RATE), SAMPLE_RATE, "MP3")
        answer = post(client, long)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "audio_too_large")
        assert client.get("/healthz").status_code == 200


def test_a_file_that_nobody_was_there_to_decode_is_not_blamed(
    tmp_path: Path, backend: NanoBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serve.decoder._SECONDS_TO_START", 0.0001)
    with running(tmp_path, backend) as server, server.client() as client:
        answer = post(client, encoded(speech(), SAMPLE_RATE, "FLAC"))
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "overloaded")
        assert answer.headers["retry-after"]
        assert client.get("/healthz").status_code == 200
