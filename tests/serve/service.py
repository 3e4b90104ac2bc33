"""A whole service on a local port: real HTTP, the embedded Whisper, a builder that writes a file."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import uvicorn
from fastapi import FastAPI

from actors.tts.espeak import EspeakSynthesizer
from actors.tts.interface import SpeechRequest
from harken.audio import SAMPLE_RATE, encode_flac, resample
from harken.config import check
from harken.detection import Detection
from harken.errors import HarkenError
from harken.whisper import Whisper, load_whisper
from serve.app import create_app
from serve.backend import (
    GlossaryVersion,
    ModelCard,
    Readiness,
    Search,
    Segment,
    Spotting,
    Transcription,
    TranscriptionRequest,
    Word,
)
from serve.builder import BuildOrder
from serve.database import default_url
from serve.settings import ServiceSettings

ROOT = Path(__file__).resolve().parents[2]
NANO = "harken-nano"


class NanoBackend:
    """The embedded Whisper in this process; it listens for no term, and says of itself what `search` holds."""

    def __init__(self, shards: int = 4) -> None:
        self._whisper: Whisper = load_whisper(str(ROOT / "models" / "nano"), device="cpu")
        self._turn = asyncio.Lock()
        self.search = Search(shards, shards)
        self.published: list[GlossaryVersion] = []
        self.asked: list[TranscriptionRequest] = []
        self.cancelled = threading.Event()
        self.hold = 0.0

    async def transcribe(self, request: TranscriptionRequest) -> Transcription:
        self.asked.append(request)
        try:
            await asyncio.sleep(self.hold)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        async with self._turn:
            language = request.language or "zh"
            heard = (await asyncio.to_thread(self._whisper.transcribe, [request.wave], language=language))[0]
        seconds = len(request.wave) / SAMPLE_RATE
        words = heard.text.split()
        step = seconds / max(len(words), 1)
        return Transcription(
            text=heard.text,
            language=language,
            seconds=seconds,
            segments=(Segment(0.0, seconds, heard.text, heard.tokens, heard.average_logprob),) if heard.text else (),
            words=tuple(Word(word, index * step, (index + 1) * step) for index, word in enumerate(words)),
            unbiased=heard.text,
            search=self.search if request.glossary or request.keywords else Search(),
            stages={"decode": 0.01},
        )

    async def stream(self, request: TranscriptionRequest) -> AsyncIterator[str | Transcription]:
        found = await self.transcribe(request)
        for word in found.text.split(" "):
            yield word if found.text.startswith(word) else f" {word}"
        yield found

    async def keywords(self, request: TranscriptionRequest) -> Spotting:
        found = await self.transcribe(request)
        heard = [keyword for keyword in request.keywords if keyword.lower() in found.text.lower()]
        detections = tuple(Detection(keyword, 0.0, found.seconds, 0.9, (keyword,), {"text": 1.0}) for keyword in heard)
        return Spotting(detections, found.search)

    async def publish(self, glossary: GlossaryVersion) -> None:
        self.published.append(glossary)

    async def ready(self) -> Readiness:
        return Readiness(self.search.shards, self.search.answered)

    def models(self) -> list[ModelCard]:
        return [ModelCard(NANO, ("zh", "en"))]


class FileBuilder:
    """Writes the terms of a version into one JSON file; `gate` holds it before its last step."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()

    def build(self, order: BuildOrder, progress: Callable[[float], None]) -> None:
        order.folder.mkdir()
        terms = []
        for term in order.terms:
            terms.append({"term": term.term, "recordings": [path.is_file() for path in term.recordings]})
        progress(0.5)
        while not self.gate.wait(0.05):
            progress(0.5)
        if "unspeakable" in [term["term"] for term in terms]:
            raise HarkenError("term", "unspeakable", f"No voice can say it ({order.folder}).")
        (order.folder / "terms.json").write_text(json.dumps(terms, ensure_ascii=False), encoding="utf-8")


class Server:
    """A running service; `url` is where. `client` sends a key when it is given one."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.service = app.state.service
        config = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", timeout_graceful_shutdown=5)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive(), "the service did not start"
            time.sleep(0.02)

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(60)

    @property
    def port(self) -> int:
        return self._server.servers[0].sockets[0].getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, key: str | None = None, **options: Any) -> httpx2.Client:
        headers = {**options.pop("headers", {}), **({"Authorization": f"Bearer {key}"} if key else {})}
        return httpx2.Client(base_url=self.url, headers=headers, timeout=120, **options)


database_of: Callable[[Path], str] = default_url
"""The database of a service with its data in a folder; another one while the tests of that are run."""


@contextmanager
def running(
    data: Path,
    backend: NanoBackend,
    builder: FileBuilder | None = None,
    most_requests: int | None = None,
    **settings: Any,
) -> Iterator[Server]:
    """A service with its data in a folder; `settings` are sections."""
    tree = {"data": str(data), "database": database_of(data), **settings}
    checked = check(tree, ServiceSettings, "test")
    server = Server(create_app(checked, backend, builder or FileBuilder(), most_requests))
    server.start()
    try:
        yield server
    finally:
        server.stop()


def speech(text: str = "我们今天去商店买东西") -> np.ndarray:
    """A sentence in a voice that the embedded Whisper knows, at 16 kHz."""
    result = EspeakSynthesizer().synthesize([SpeechRequest(id="1", text_label=text, text_spoken=text, speaker="cmn")])[
        0
    ]
    assert result.wave is not None
    return resample(result.wave, result.sample_rate)


def speech_file(text: str = "我们今天去商店买东西") -> bytes:
    """The same as FLAC."""
    return encode_flac(speech(text), SAMPLE_RATE)


def wait_for_build(client: httpx2.Client, build: dict[str, Any]) -> dict[str, Any]:
    """The build once it has ended."""
    url = f"/v1/glossaries/{build['glossary_id']}/builds/{build['id']}"
    while True:
        found = client.get(url).raise_for_status().json()
        if found["status"] in ("ready", "failed"):
            return found
        time.sleep(0.05)
