"""A local server with OpenAI's speech protocol that really synthesizes, with espeak-ng, and can be told to fail."""

import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import soundfile

from actors.tts.espeak import EspeakSynthesizer
from actors.tts.interface import SpeechRequest

KEY = "local-test-key"
RATE = 24_000


class SpeechServer(ThreadingHTTPServer):
    """`failures` holds answers (status, headers, body) given before the server speaks; `requests` what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.synthesizer = EspeakSynthesizer(RATE)
        self.requests: list[dict[str, Any]] = []
        self.failures: list[tuple[int, dict[str, str], bytes]] = []
        self.wrong_length = False
        self.hang = threading.Event()
        self.hang.set()
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: SpeechServer

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.requests.append(asked)
            failure = self.server.failures.pop(0) if self.server.failures else None
        self.server.hang.wait(30)
        if self.headers["Authorization"] != f"Bearer {KEY}":
            failure = (401, {}, b'{"error": {"message": "wrong key"}}')
        elif failure is None and "拒绝" in asked["input"]:
            failure = (400, {}, b'{"error": {"message": "input refused"}}')
        self._answer(*(failure or (200, {}, self._speech(asked))))

    def _speech(self, asked: dict[str, Any]) -> bytes:
        request = SpeechRequest(
            "served", asked["input"], asked["input"], asked["voice"], asked.get("speed", 1.0), seed=asked.get("seed", 0)
        )
        wave = self.server.synthesizer.synthesize([request])[0].wave
        assert wave is not None
        if asked["response_format"] == "pcm":
            return (np.clip(wave, -1, 1) * 32767).astype("<i2").tobytes()
        stream = io.BytesIO()
        soundfile.write(stream, wave, RATE, format=asked["response_format"].upper(), subtype="PCM_16")
        content = stream.getvalue()
        if self.server.wrong_length:
            # What a server sends that starts to answer before it knows the length.
            position = content.index(b"data") + 4
            content = content[:4] + b"\xff" * 4 + content[8:position] + b"\xff" * 4 + content[position + 4 :]
        return content

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


@contextmanager
def speech_server() -> Iterator[SpeechServer]:
    """The server, running until the block ends."""
    server = SpeechServer()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.hang.set()
        server.shutdown()
        server.server_close()
        thread.join()
