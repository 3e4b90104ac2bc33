"""One writer at a time: a lock that the operating system takes back from a process that ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harken.errors import HarkenError

LOCK = ".lock"


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold a folder's lock for as long as the block runs.

    Raises:
        HarkenError: another process, or another writer of this one, holds it; or the folder cannot be written.
    """
    try:
        file = (folder / LOCK).open("a+", encoding="utf-8")
    except OSError as failure:
        raise HarkenError("glossary", str(folder), f"It cannot be changed ({failure.strerror}).") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            remedy = f"Process {file.read().strip()} is changing it: wait until it has ended, then try again."
            raise HarkenError("glossary", str(folder), remedy) from None
        file.truncate(0)
        file.write(f"{os.getpid()} of {socket.gethostname()}")
        file.flush()
        yield
