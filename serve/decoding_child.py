"""The process that decodes the files of strangers: started once with its libraries, then forked for every file.

A fork costs a millisecond where a new interpreter costs half a second, and a file that takes over its process finds
neither another client's audio nor a way to stay: the fork has hard limits and ends with its file.

Protocol, with one connection for each file (all numbers little-endian): the child tells its process id (4 bytes),
takes the content's length (8 bytes) and content, and answers with a status (1 byte), a length (8 bytes) and so many
bytes: float32 samples at 16 kHz of status OK, else a message.
"""

import array
import json
import os
import resource
import signal
import socket
import struct
import sys
from typing import Any

from harken.audio import AudioTooLongError, decode_speech
from harken.errors import HarkenError
from serve.containers import LIBSNDFILE_CONTAINERS, LIBSNDFILE_ENCODINGS

OK, REFUSED, TOO_LONG, TOO_LARGE = range(4)
PROCESS_ID = struct.Struct("<I")
LENGTH = struct.Struct("<Q")
ANSWER = struct.Struct("<BQ")
_MOST_FILES = 32


def main() -> None:
    """Fork for every connection that comes over the control socket, until its other end closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    limits: dict[str, Any] = json.loads(sys.argv[2])
    # The kernel takes away what has ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        for descriptor in array.array("i", descriptors):
            if os.fork() == 0:
                control.close()
                _work(socket.socket(fileno=descriptor), limits)
            os.close(descriptor)


def _work(connection: socket.socket, limits: dict[str, Any]) -> None:
    """Decode one file and end this process."""
    try:
        _confine(limits)
        connection.sendall(PROCESS_ID.pack(os.getpid()))
        (length,) = LENGTH.unpack(_receive(connection, LENGTH.size))
        status, answer = _decode(_receive(connection, length), limits["audio_seconds"])
        connection.sendall(ANSWER.pack(status, len(answer)))
        connection.sendall(answer)
    finally:
        # Without the interpreter's farewell, which would run what the parent has registered.
        os._exit(0)


def _confine(limits: dict[str, Any]) -> None:
    """No files, no dumps, so much memory and time."""
    for kind, limit in (
        (resource.RLIMIT_CPU, limits["cpu_seconds"]),
        (resource.RLIMIT_AS, limits["memory_bytes"]),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NOFILE, _MOST_FILES),
    ):
        resource.setrlimit(kind, (limit, limit))


def _decode(content: bytearray, seconds: float) -> tuple[int, bytes | memoryview]:
    try:
        # The name stands in messages to the client, who called the field so.
        wave = decode_speech(content, seconds, LIBSNDFILE_CONTAINERS, LIBSNDFILE_ENCODINGS, name="file")
    except AudioTooLongError as failure:
        return TOO_LONG, failure.remedy.encode()
    except HarkenError as failure:
        return REFUSED, failure.remedy.encode()
    except MemoryError:
        return TOO_LARGE, b"It takes more memory to decode than is allowed."
    return OK, wave.data.cast("B")


def _receive(connection: socket.socket, length: int) -> bytearray:
    content = bytearray(length)
    view = memoryview(content)
    while view:
        received = connection.recv_into(view)
        if not received:
            raise EOFError
        view = view[received:]
    return content


if __name__ == "__main__":
    main()
