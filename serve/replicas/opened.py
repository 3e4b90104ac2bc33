"""Glossary versions that are held open: opened when first asked for, closed when others need the room."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from serve.backend import GlossaryVersion

Opened = TypeVar("Opened")
Key = tuple[str, int]


@dataclass(frozen=True)
class _Holding(Generic[Opened]):
    opened: Opened
    size: int


class OpenVersions(Generic[Opened]):
    """Opened versions by (glossary, version), safe to use from several threads.

    Whoever was given one keeps it while they use it: closing means that nobody new is given it, and Python frees it
    (and its memory map) with the last use. So requests in flight end on the version they began with.

    Args:
        opener: opens a version and tells its bytes; two threads that ask for one version wait for one call.
        limit: bytes that may be open; one version alone may be larger.
    """

    def __init__(self, opener: Callable[[GlossaryVersion], tuple[Opened, int]], limit: int) -> None:
        self._opener = opener
        self._limit = limit
        self._held: OrderedDict[Key, _Holding[Opened]] = OrderedDict()
        self._opening: dict[Key, Future[Opened]] = {}
        self._lock = threading.Lock()

    @property
    def keys(self) -> tuple[Key, ...]:
        """What is open, that used longest ago first."""
        with self._lock:
            return tuple(self._held)

    @property
    def size(self) -> int:
        """Bytes of what is open."""
        with self._lock:
            return sum(held.size for held in self._held.values())

    def get(self, version: GlossaryVersion) -> Opened:
        """The opened version.

        Raises:
            Exception: whatever the opener raises, to all who wait; the next to ask tries again.
        """
        key = (version.glossary_id, version.version)
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
                return self._held[key].opened
            waiting = self._opening.get(key)
            if waiting is None:
                mine = self._opening[key] = Future()
        if waiting is not None:
            return waiting.result()
        try:
            opened, size = self._opener(version)
        except BaseException as failure:
            with self._lock:
                del self._opening[key]
            mine.set_exception(failure)
            raise
        with self._lock:
            del self._opening[key]
            self._hold(key, _Holding(opened, size))
        mine.set_result(opened)
        return opened

    def _hold(self, key: Key, holding: _Holding[Opened]) -> None:
        glossary, number = key
        # New requests are given the newest version: its elders serve only those that had begun.
        for elder in [held for held in self._held if held[0] == glossary and held[1] < number]:
            del self._held[elder]
        self._held[key] = holding
        while len(self._held) > 1 and sum(held.size for held in self._held.values()) > self._limit:
            self._held.popitem(last=False)
