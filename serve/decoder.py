"""Decodes uploads outside this process (`serve.decoding_child`), a few at a time, each under hard limits."""

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np

from serve.containers import check_container
from serve.decoding_child import ANSWER, LENGTH, OK, PROCESS_ID, REFUSED, TOO_LONG
from serve.errors import ServiceError, overloaded
from serve.settings import DecoderSettings

_ROOT = Path(__file__).resolve().parent.parent
_SAMPLE_BYTES = 4
_BUFFER_BYTES = 1024 * 1024
# Until a process is there for a file, which on a busy machine loads its libraries for long.
_SECONDS_TO_START = 60.0


class Decoder:
    """A decoding process and the files that go through it; `close` ends it. One event loop uses it.

    Args:
        audio_seconds: of the longest file accepted.
    """

    def __init__(self, settings: DecoderSettings, audio_seconds: float) -> None:
        self._settings = settings
        self._most_samples = int(audio_seconds * 16_000) + 16_000
        self._limits = json.dumps(
            {
                "cpu_seconds": settings.cpu_seconds,
                "memory_bytes": settings.memory_bytes,
                "audio_seconds": audio_seconds,
            }
        )
        self._turns = asyncio.Semaphore(settings.workers)
        self._waiting = 0
        self._starting = threading.Lock()
        self._control: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, so that the first file does not wait for its libraries; again after it died."""
        with self._starting:
            self.close()
            control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
            command = [sys.executable, "-m", "serve.decoding_child", str(theirs.fileno()), self._limits]
            # Nothing of this process's environment: it may hold secrets. One thread, as forks must not lose others.
            environment = {"PYTHONPATH": str(_ROOT), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
            with theirs:
                self._process = subprocess.Popen(
                    command,
                    cwd="/",
                    env=environment,
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    # An interrupt from a terminal is for the service, which finishes what it has begun.
                    start_new_session=True,
                )
            self._control = control

    def close(self) -> None:
        """End the process; files that are being decoded still end by themselves."""
        if self._control is not None:
            self._control.close()
            self._control = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    async def decode(self, content: bytes) -> np.ndarray:
        """The samples of an encoded file: float32 mono at 16 kHz, of shape (samples,).

        Raises:
            ServiceError: 400 damaged, 413 too long or too large to decode, 415 no format that is accepted, 503 too
                many files are waiting.
        """
        check_container(content)
        if self._turns.locked() and self._waiting >= self._settings.waiting:
            raise overloaded("Too many files are waiting to be decoded.", retry_after=self._settings.wall_seconds / 2)
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._decode(content)
        finally:
            self._turns.release()

    async def _decode(self, content: bytes) -> np.ndarray:
        connection = self._connect()
        loop = asyncio.get_running_loop()
        process_id = 0
        with connection:
            # Sent before the process has told who it is: until it has read all, it ends with its connection.
            sending = asyncio.ensure_future(loop.sock_sendall(connection, LENGTH.pack(len(content)) + content))
            try:
                async with asyncio.timeout(_SECONDS_TO_START) as limit:
                    (process_id,) = PROCESS_ID.unpack(await _receive(loop, connection, PROCESS_ID.size))
                    limit.reschedule(loop.time() + self._settings.wall_seconds)
                    await sending
                    status, length = ANSWER.unpack(await _receive(loop, connection, ANSWER.size))
                    # What comes from that process is believed no more than the file.
                    if length > self._most_samples * _SAMPLE_BYTES:
                        raise EOFError
                    answer = await _receive(loop, connection, length)
            except TimeoutError:
                _kill(process_id)
                if not process_id:
                    # No fault of the file's: the process is still loading, or the machine has too much to do.
                    raise overloaded("Nothing was there to decode the file.", self._settings.wall_seconds) from None
                raise _refused(413, "audio_too_large", "It takes too long to decode.") from None
            except asyncio.CancelledError:
                _kill(process_id)
                raise
            except (EOFError, OSError):
                _kill(process_id)
                raise _refused(400, "invalid_audio", "It cannot be decoded within the limits.") from None
            finally:
                sending.cancel()
                await asyncio.gather(sending, return_exceptions=True)
        if status == OK:
            return np.frombuffer(answer, dtype=np.float32)
        if status == REFUSED:
            raise _refused(400, "invalid_audio", answer.decode("utf-8", "replace"))
        code = "audio_too_long" if status == TOO_LONG else "audio_too_large"
        raise _refused(413, code, answer.decode("utf-8", "replace"))

    def _connect(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        ours.setblocking(False)
        for end in (ours, theirs):
            # Most files and their samples go through at once, without a wait for the other side to make room.
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER_BYTES)
        with theirs:
            for attempt in range(2):
                if self._control is None or self._process is None or self._process.poll() is not None:
                    self.start()
                assert self._control is not None
                try:
                    socket.send_fds(self._control, [b"\0"], [theirs.fileno()])
                except OSError:
                    if attempt:
                        ours.close()
                        raise
                    self.close()
                    continue
                break
        return ours


async def _receive(loop: asyncio.AbstractEventLoop, connection: socket.socket, length: int) -> bytearray:
    content = bytearray(length)
    view = memoryview(content)
    while view:
        received = await loop.sock_recv_into(connection, view)
        if not received:
            raise EOFError
        view = view[received:]
    return content


def _kill(process_id: int) -> None:
    if process_id > 0:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(process_id, signal.SIGKILL)


def _refused(status: int, code: str, reason: str) -> ServiceError:
    return ServiceError(status, code, f"file: {reason}", "file")
