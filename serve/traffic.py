"""The requests under way in one process of the service, and how they come to an end when it does."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from serve.errors import overloaded, unavailable

_RETRY_AFTER = 1.0


class Traffic:
    """Counts requests until `end`; one event loop uses it.

    Args:
        most: under way at a time; None: whoever sends them sees to that.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        self._under_way = 0
        self._ending = False
        self._idle = asyncio.Event()

    def check_open(self) -> None:
        """Refuse a request once the service is ending.

        Raises:
            ServiceError: 503 with Retry-After.
        """
        if self._ending:
            raise unavailable("The service is ending: send the request to another one, or again in a while.")

    def check_room(self) -> None:
        """Refuse a request while as many are under way as may be.

        Raises:
            ServiceError: 503 with Retry-After.
        """
        if self._most is not None and self._under_way >= self._most:
            raise overloaded("As many requests are under way as this service takes.", _RETRY_AFTER)

    @contextmanager
    def counted(self) -> Iterator[None]:
        """A request is under way until its answer is complete; those that were refused are not counted."""
        self._under_way += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._under_way -= 1
            if not self._under_way:
                self._idle.set()

    async def end(self, seconds: float) -> int:
        """Refuse what comes from now on and wait for what is under way; returns how many have not ended in time."""
        self._ending = True
        if self._under_way:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._idle.wait()
        return self._under_way

    def give_up(self) -> None:
        """Let `end` wait no longer."""
        self._idle.set()
