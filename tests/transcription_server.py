"""A local server with OpenAI's transcription protocol around any recogniser, which can be told to fail."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from harken.audio import decode_audio

KEY = "local-test-key"


class TranscriptionServer(ThreadingHTTPServer):
    """`failures` holds answers (status, body) given first; `fields` what came with each request's audio."""

    daemon_threads = True

    def __init__(self, recognise: Callable[[np.ndarray, int], str], key: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.key = key
        self.recognise = recognise
        self.fields: list[dict[str, str]] = []
        self.failures: list[tuple[int, str]] = []
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: TranscriptionServer

    def do_POST(self) -> None:
        head = f"Content-Type: {self.headers['Content-Type']}\r\n\r\n".encode()
        form = message_from_bytes(head + self.rfile.read(int(self.headers["Content-Length"])))
        parts = {
            str(part.get_param("name", header="content-disposition")): part.get_payload(decode=True)
            for part in form.get_payload()
        }
        wave, rate = decode_audio(parts.pop("file"))
        with self.server.lock:
            self.server.fields.append({name: value.decode() for name, value in parts.items()})
            failure = self.server.failures.pop(0) if self.server.failures else None
        if self.headers["Authorization"] != f"Bearer {self.server.key}":
            failure = (401, "wrong key")
        status, body = 200, {"text": self.server.recognise(wave, rate)}
        if self.path != "/v1/audio/transcriptions":
            failure = (404, "no such path")
        if failure:
            status, body = failure[0], {"error": {"message": failure[1]}}
        answer = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *arguments: object) -> None:
        """Quiet."""


@contextmanager
def transcription_server(recognise: Callable[[np.ndarray, int], str], key: str = KEY) -> Iterator[TranscriptionServer]:
    """The server, running until the block ends."""
    server = TranscriptionServer(recognise, key)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
