"""The most memory that a process and its children took while something ran."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

_SECONDS_BETWEEN = 0.02


class Peak:
    """Bytes of resident memory: of the process itself, and of the largest process below it."""

    def __init__(self) -> None:
        self.before = psutil.Process().memory_info().rss
        self.own = self.before
        self.child = 0

    @property
    def grown(self) -> int:
        """By how much the process itself was larger than at the beginning."""
        return self.own - self.before

    def _look(self) -> None:
        process = psutil.Process()
        self.own = max(self.own, process.memory_info().rss)
        for child in process.children(recursive=True):
            try:
                self.child = max(self.child, child.memory_info().rss)
            except psutil.NoSuchProcess:
                continue


@contextmanager
def watched() -> Iterator[Peak]:
    """Look at this process and its children again and again, until the end of the block."""
    peak, ended = Peak(), threading.Event()

    def look() -> None:
        while not ended.wait(_SECONDS_BETWEEN):
            peak._look()

    looking = threading.Thread(target=look, daemon=True)
    looking.start()
    try:
        yield peak
    finally:
        ended.set()
        looking.join()
