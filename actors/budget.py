"""What an LLM may be asked for: requests and tokens per minute, and a spend cap that holds.

One budget stands for all workers of a run; a worker reaches it through an `Allowance`, in its own process or
across machines. Requests are spaced evenly instead of sent in bursts, so any minute holds the limit (and at most
one request more).
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harken.settings import LlmLimits
from harken.text import character_class

SECONDS_PER_MINUTE = 60.0
TOKENS_PER_PRICE = 1_000_000
# How soon to ask again for money that requests in flight hold and may give back.
RECHECK_SECONDS = 0.25
# Tokens of the message frame that endpoints add to a prompt.
FRAME_TOKENS = 32


@dataclass(frozen=True)
class Permit:
    """Granted: send after ``wait`` seconds. Not granted: ask again after ``wait``, or never when it is None."""

    granted: bool
    wait: float | None


class Allowance(Protocol):
    """How a worker reaches the budget of the whole run."""

    async def reserve(self, ticket: str, tokens: int, cost: float, seconds: float) -> Permit: ...

    async def settle(self, ticket: str, tokens: int, cost: float) -> None: ...

    async def hold(self, seconds: float) -> None: ...


class Budget:
    """The run's account; times in seconds of ``clock``, money in the currency of the prices.

    A request reserves the most it can cost before it is sent and settles what it did cost. What is spent and
    reserved never exceeds the cap together, so the cap holds whatever answers come back. A reservation that is not
    settled in time (its worker died) counts as spent.
    """

    def __init__(
        self,
        *,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        spend_cap: float | None = None,
        spent: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.seconds_per_request = SECONDS_PER_MINUTE / requests_per_minute if requests_per_minute else 0.0
        self.seconds_per_token = SECONDS_PER_MINUTE / tokens_per_minute if tokens_per_minute else 0.0
        self.spend_cap = spend_cap
        self.spent = spent
        self._clock = clock
        self._next_request = self._next_token = clock()
        self._reserved: dict[str, _Reservation] = {}

    @classmethod
    def of(cls, limits: LlmLimits, spent: float) -> "Budget":
        """The budget that settings describe, of which ``spent`` is gone already."""
        return cls(
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
            spend_cap=limits.spend_cap,
            spent=spent,
        )

    def reserve(self, ticket: str, tokens: int, cost: float, seconds: float) -> Permit:
        """Ask to send a request of about ``tokens`` and at most ``cost`` that is over ``seconds`` after its start."""
        now = self._clock()
        self._write_off(now)
        if self.spend_cap is not None:
            if self.spent + cost > self.spend_cap:
                return Permit(False, None)
            if self.spent + cost + sum(held.cost for held in self._reserved.values()) > self.spend_cap:
                return Permit(False, RECHECK_SECONDS)
        start = max(now, self._next_request, self._next_token)
        self._next_request = start + self.seconds_per_request
        self._next_token = start + tokens * self.seconds_per_token
        self._reserved[ticket] = _Reservation(tokens, cost, start + seconds)
        return Permit(True, start - now)

    def settle(self, ticket: str, tokens: int, cost: float) -> None:
        """Say what a request used: its reservation ends, and tokens it did not need are given back."""
        held = self._reserved.pop(ticket, None)
        if held is not None:
            self.spent += cost
            self._next_token -= (held.tokens - tokens) * self.seconds_per_token

    def hold(self, seconds: float) -> None:
        """Send nothing more for a while: the endpoint said so to one of the workers."""
        self._next_request = max(self._next_request, self._clock() + seconds)

    def _write_off(self, now: float) -> None:
        for ticket, held in list(self._reserved.items()):
            if held.deadline < now:
                self.spent += self._reserved.pop(ticket).cost


@dataclass(frozen=True)
class _Reservation:
    tokens: int
    cost: float
    deadline: float


class LocalAllowance:
    """The budget of a run whose only worker is this process."""

    def __init__(self, budget: Budget) -> None:
        self.budget = budget

    async def reserve(self, ticket: str, tokens: int, cost: float, seconds: float) -> Permit:
        return self.budget.reserve(ticket, tokens, cost, seconds)

    async def settle(self, ticket: str, tokens: int, cost: float) -> None:
        self.budget.settle(ticket, tokens, cost)

    async def hold(self, seconds: float) -> None:
        self.budget.hold(seconds)


def cost(limits: LlmLimits, tokens_in: float, tokens_out: float) -> float:
    """The price of so many tokens."""
    return (tokens_in * limits.price_in + tokens_out * limits.price_out) / TOKENS_PER_PRICE


def estimated_tokens(text: str) -> int:
    """About how many tokens a text is: one an ideograph, one every three other characters."""
    ideographs = sum(character_class(character) == "ideograph" for character in text)
    return ideographs + (len(text) - ideographs + 2) // 3


def most_tokens(text: str) -> int:
    """A bound on the tokens of a prompt: byte-level tokenizers never make more tokens than UTF-8 bytes."""
    return len(text.encode("utf-8")) + FRAME_TOKENS
