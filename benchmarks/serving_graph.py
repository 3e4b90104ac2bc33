"""The service as its benchmark sees it: started on this machine, asked over HTTP, its own figures read."""

import http.client
import json
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from prometheus_client.parser import text_string_to_metric_families
from ray import serve

from benchmarks.serving_speech import Recording
from harken.config import load_config
from harken.errors import HarkenError
from serve.__main__ import start
from serve.build_queue import BuildQueue
from serve.callers import ANONYMOUS
from serve.database import Database, default_url
from serve.glossaries import GlossaryStore
from serve.graph_settings import GraphSettings
from serve.keys import KeyStore

TRANSCRIPTIONS, KEYWORDS = "transcriptions", "keywords"
_MANY = 1_000_000
_PATIENCE = 600.0
_OWNER = "benchmarks.serving"


def benchmark_settings(config: Path, data: Path, overrides: Sequence[str]) -> GraphSettings:
    """The service of a configuration with its data in a folder, a free port, and neither quota nor deadline that cuts.

    Raises:
        HarkenError: the configuration has unknown keys or wrong values.
    """
    fixed = [
        f"service.data={data}",
        f"service.listen.port={_free_port()}",
        f"service.quotas.requests_per_minute={_MANY}",
        f"service.quotas.audio_seconds_per_minute={_MANY}",
        f"service.request_seconds={_PATIENCE}",
        f"glossary.deadline_seconds={_PATIENCE}",
        f"logs.file={data.parent / 'service.log'}",
        # One process answers, so that /metrics tells of every request.
        "ingress.most=1",
        # Whatever else the machine does, nothing is replaced under a request.
        *(
            f"{part}.health_timeout_seconds={_PATIENCE}"
            for part in ("ingress", "transcriber.replicas", "glossary.replicas")
        ),
    ]
    return load_config(config, [*fixed, *overrides], GraphSettings)


def register_stores(settings: GraphSettings, stores: Mapping[str, Path]) -> dict[str, str]:
    """Make ready glossaries of stores that were built elsewhere, which are linked; returns their ids by name."""
    service = settings.service
    shutil.rmtree(service.data, ignore_errors=True)
    database = Database(default_url(service.data))
    try:
        with database.write() as connection:
            KeyStore(database).ensure_tenant(connection, ANONYMOUS.name, ANONYMOUS.id)
        glossaries = GlossaryStore(database, service.data.absolute() / "glossaries", service.limits)
        queue = BuildQueue(database, glossaries, service.builds)
        return {name: _register(glossaries, queue, name, store) for name, store in stores.items()}
    finally:
        database.close()


def _register(glossaries: GlossaryStore, queue: BuildQueue, name: str, store: Path) -> str:
    glossary = glossaries.create(ANONYMOUS.id, name, "")
    queue.ask(ANONYMOUS.id, glossary.id)
    build = queue.claim(_OWNER)
    assert build is not None
    assert build.glossary_id == glossary.id
    folder = queue.order(build).folder
    folder.parent.mkdir(parents=True)
    folder.symlink_to(store.absolute())
    queue.finish(build, _OWNER)
    identifier: str = glossary.id
    return identifier


@contextmanager
def running(settings: GraphSettings) -> Iterator["Client"]:
    """The service, and a client of it; Ray, which it starts where none runs, stays for the next one.

    Raises:
        HarkenError: a deployment cannot start.
    """
    try:
        start(settings)
        with Client(settings) as client:
            yield client
    finally:
        if ray.is_initialized():
            serve.shutdown()


@dataclass(frozen=True)
class Answer:
    """What came back, after so many seconds."""

    seconds: float
    document: dict[str, Any]


class Client:
    """One connection that is kept, over which requests go one after another."""

    def __init__(self, settings: GraphSettings) -> None:
        listen = settings.service.listen
        self._connection = http.client.HTTPConnection(listen.host, listen.port, timeout=_PATIENCE)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def ask(self, recording: Recording, glossary: str | None = None, path: str = TRANSCRIPTIONS) -> Answer:
        """Transcribe a recording, or find the terms of a glossary in it.

        Raises:
            HarkenError: the service refuses or fails.
        """
        fields = {"model": "whisper-1"} | ({"glossary_id": glossary} if glossary else {})
        boundary = secrets.token_hex(16)
        body = _form(fields, recording.content, boundary)
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        began = time.perf_counter()
        self._connection.request("POST", f"/v1/audio/{path}", body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        seconds = time.perf_counter() - began
        if answer.status != http.client.OK:
            raise HarkenError("request", answer.status, content.decode(errors="replace")[:500])
        return Answer(seconds, json.loads(content))

    def figures(self) -> dict[str, float]:
        """The sums of seconds that the service tells of itself, by name and stage."""
        self._connection.request("GET", "/metrics")
        text = self._connection.getresponse().read().decode()
        found = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                if sample.name.endswith("_sum"):
                    name = sample.labels.get("stage") or sample.labels.get("route") or family.name
                    found[name] = sample.value
        return found


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """What was added between two readings of `Client.figures`."""
    return {name: value - before.get(name, 0.0) for name, value in after.items()}


def _form(fields: Mapping[str, str], content: bytes, boundary: str) -> bytes:
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="speech.flac"\r\n'
    parts += [head.encode(), b"Content-Type: audio/flac\r\n\r\n", content, f"\r\n--{boundary}--\r\n".encode()]
    return b"".join(parts)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
