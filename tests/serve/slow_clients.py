"""Clients that keep a connection and give or take next to nothing: headers, bodies, and answers nobody reads."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from tests.serve.hostile_requests import PATH

_SECONDS_BETWEEN = 0.1
_SMALLEST_BUFFER = 4096
_STREAMS = 4


@contextmanager
def slow_clients(port: int, of_each_kind: int, sound: bytes, key: str | None = None) -> Iterator["SlowClients"]:
    """Open so many connections of each of the three kinds, until the end of the block."""
    clients = SlowClients(port, of_each_kind, sound, key)
    dripping = threading.Thread(target=clients.drip, daemon=True)
    dripping.start()
    try:
        yield clients
    finally:
        clients.end()
        dripping.join()


class SlowClients:
    """The connections; `bodies` gets what the server tells those whose body comes too slowly."""

    def __init__(self, port: int, of_each_kind: int, sound: bytes, key: str | None) -> None:
        self._ended = threading.Event()
        self._port = port
        authorization = f"Authorization: Bearer {key}\r\n" if key else ""
        head = f"Host: 127.0.0.1:{port}\r\n{authorization}"
        form = f"POST {PATH} HTTP/1.1\r\n{head}Content-Type: multipart/form-data; boundary=x\r\n"
        self._headers = [self._connect(f"GET /v1/models HTTP/1.1\r\n{head}X-Slow: ") for _ in range(of_each_kind)]
        begun = '--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        self.bodies = [self._connect(f"{form}Content-Length: 100000\r\n\r\n{begun}") for _ in range(of_each_kind)]
        body = (
            b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
            b'--x\r\nContent-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n'
            + begun.encode() + sound + b"\r\n--x--\r\n"
        )  # fmt: skip
        # A stream first, then a document larger than what the operating system keeps for who does not read.
        streamed = f"{form}Content-Length: {len(body)}\r\n\r\n".encode() + body
        document = f"GET /openapi.json HTTP/1.1\r\n{head}\r\n".encode() * 100
        self._readers = [self._connect("") for _ in range(of_each_kind)]
        for reader in self._readers:
            reader.setblocking(False)
        # Of the streams a few, as each takes a transcription of the time that the good clients wait for.
        self._unsent = {
            reader: streamed + document if number < _STREAMS else document
            for number, reader in enumerate(self._readers)
        }

    def drip(self) -> None:
        """A byte now and then, while the other side takes it."""
        while not self._ended.wait(_SECONDS_BETWEEN):
            for connection in (*self._headers, *self.bodies):
                self._send(connection, b"a")
            for reader, rest in self._unsent.items():
                self._unsent[reader] = rest[self._send(reader, rest) :]

    def end(self) -> None:
        """Close everything."""
        self._ended.set()
        for connection in (*self._headers, *self.bodies, *self._readers):
            connection.close()

    def _connect(self, beginning: str) -> socket.socket:
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _SMALLEST_BUFFER)
        connection.settimeout(600)
        connection.connect(("127.0.0.1", self._port))
        connection.sendall(beginning.encode())
        return connection

    @staticmethod
    def _send(connection: socket.socket, content: bytes) -> int:
        try:
            return connection.send(content) if content else 0
        except OSError:
            # It has been closed, or takes no more for now.
            return 0
