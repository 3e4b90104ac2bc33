"""The process that decodes the files of strangers: started once with its libraries, then forked for every file.

A file that takes over its process finds neither another client's audio nor a way to stay: the fork has hard limits and
ends with its file. It is made before its file comes, so that nobody waits for the copies of memory that a fork costs
once it begins to work; and not while one is decoded, from which it would take a core.

Protocol, with one connection for each file (all numbers little-endian): the child tells its process id (4 bytes),
takes the content's length (8 bytes) and content, and answers with a status (1 byte), a length (8 bytes) and so many
bytes: float32 samples at 16 kHz of status OK, else a message.
"""

import array
import gc
import json
import os
import resource
import select
import signal
import socket
import struct
import sys
from typing import Any

import numpy as np

from harken.audio import AudioTooLongError, decode_speech, encode_flac
from harken.errors import HarkenError
from serve.containers import LIBSNDFILE_CONTAINERS, LIBSNDFILE_ENCODINGS

OK, REFUSED, TOO_LONG, TOO_LARGE = range(4)
PROCESS_ID = struct.Struct("<I")
LENGTH = struct.Struct("<Q")
ANSWER = struct.Struct("<BQ")
_MOST_FILES = 32
# Seconds: most files are decoded by then.
_REST = 0.02
# Of most files; not ours, so that they are resampled.
_OTHER_RATE = 44_100


def main() -> None:
    """Hand every connection that comes over the control socket to a fork of its own, until the other end closes."""
    control = socket.socket(fileno=int(sys.argv[1]))
    limits: dict[str, Any] = json.loads(sys.argv[2])
    # The kernel takes away what has ended.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    _warm_up()
    # What is there by now stays: to look for garbage in it would copy it into every fork.
    gc.freeze()
    spare: socket.socket | None = _fork(control, limits)
    while True:
        if spare is None and not select.select([control], [], [], _REST)[0]:
            spare = _fork(control, limits)
        message, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not message:
            return
        for descriptor in array.array("i", descriptors):
            spare = spare or _fork(control, limits)
            try:
                socket.send_fds(spare, [b"\0"], [descriptor])
            except OSError:
                # Somebody ended it while it waited.
                spare.close()
                spare = _fork(control, limits)
                socket.send_fds(spare, [b"\0"], [descriptor])
            os.close(descriptor)
            spare.close()
            spare = None


def _fork(control: socket.socket, limits: dict[str, Any]) -> socket.socket:
    """Where a new process waits to be given its connection; it ends when this end closes before that."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    if os.fork() == 0:
        try:
            control.close()
            ours.close()
            _warm_up()
            _confine(limits)
            message, descriptors, _, _ = socket.recv_fds(theirs, 1, 1)
            theirs.close()
            if message:
                _work(socket.socket(fileno=descriptors[0]), limits)
        finally:
            # Without the interpreter's farewell, which would run what the parent has registered.
            os._exit(0)
    theirs.close()
    return ours


def _warm_up() -> None:
    """Load what decoding needs; in a fork, copy the memory that it writes to."""
    second = encode_flac(np.zeros(_OTHER_RATE, np.float32), _OTHER_RATE)
    decode_speech(second, 1.0, LIBSNDFILE_CONTAINERS, LIBSNDFILE_ENCODINGS)


def _work(connection: socket.socket, limits: dict[str, Any]) -> None:
    """Decode one file."""
    connection.sendall(PROCESS_ID.pack(os.getpid()))
    (length,) = LENGTH.unpack(_receive(connection, LENGTH.size))
    status, answer = _decode(_receive(connection, length), limits["audio_seconds"])
    connection.sendall(ANSWER.pack(status, len(answer)))
    connection.sendall(answer)


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
