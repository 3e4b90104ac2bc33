"""Asks all shards at once and gathers what they answer in time, in the order of the shards."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from ray.exceptions import RayActorError, RayError, RayTaskError
from ray.serve.exceptions import BackPressureError, ReplicaUnavailableError, RequestCancelledError
from ray.serve.handle import DeploymentHandle

from compression.cascade.result import ShardResult
from compression.cascade.utterance import CompressedUtterance
from harken.errors import HarkenError
from serve.backend import GlossaryVersion, Search
from serve.errors import ServiceError
from serve.handles import answer
from serve.replicas.figures import SearchFigures

_LOG = logging.getLogger("harken.search")
# A replica that is lost is replaced, or another one takes over; until Serve has noticed, it may be chosen again.
_SECONDS_BETWEEN_TRIES = 0.05
_READY_SECONDS = 2.0


@dataclass(frozen=True)
class Gathered:
    """What the shards answered, in their order; None for one that did not in time."""

    results: tuple[ShardResult | None, ...] = ()

    @property
    def answers(self) -> list[ShardResult]:
        """Those that answered."""
        return [result for result in self.results if result is not None]


class Shards:
    """The shards of every glossary.

    Args:
        handles: one deployment per shard, in order.
        deadline: seconds for one search, tries on other replicas included.
    """

    def __init__(self, handles: Sequence[DeploymentHandle], deadline: float, figures: SearchFigures) -> None:
        self._handles = tuple(handles)
        self._deadline = deadline
        self._figures = figures

    def __len__(self) -> int:
        return len(self._handles)

    async def search(self, version: GlossaryVersion, utterance: CompressedUtterance) -> Gathered:
        """Search a version in all shards.

        Raises:
            ServiceError: 409 the version cannot be opened with the models in use.
        """
        asked = (self._ask(number, version, utterance) for number in range(len(self)))
        return Gathered(tuple(await asyncio.gather(*asked)))

    async def answering(self) -> int:
        """How many shards respond now."""
        answers = await asyncio.gather(*(self._ping(handle) for handle in self._handles))
        return sum(answers)

    async def _ask(self, number: int, version: GlossaryVersion, utterance: CompressedUtterance) -> ShardResult | None:
        loop = asyncio.get_running_loop()
        began = loop.time()
        outcome, result = "answered", None
        try:
            async with asyncio.timeout_at(began + self._deadline):
                result = await self._ask_until_answered(number, version, utterance)
        except TimeoutError:
            outcome = "late"
        except BackPressureError:
            outcome = "busy"
        except RayTaskError as failure:
            if isinstance(failure.cause, HarkenError):
                raise _unusable(version, failure.cause) from None
            outcome = "lost"
            _LOG.error("shard %d failed", number, exc_info=failure)
        except (RayError, RequestCancelledError) as failure:
            outcome = "lost"
            _LOG.warning("shard %d does not answer: %s", number, failure)
        self._figures.ended(number, outcome, loop.time() - began)
        return result

    async def _ask_until_answered(
        self, number: int, version: GlossaryVersion, utterance: CompressedUtterance
    ) -> ShardResult:
        while True:
            try:
                result: ShardResult = await answer(self._handles[number].search.remote(version, utterance))
                return result
            except (RayActorError, ReplicaUnavailableError):
                self._figures.retried(number)
                await asyncio.sleep(_SECONDS_BETWEEN_TRIES)

    async def _ping(self, handle: DeploymentHandle) -> bool:
        try:
            async with asyncio.timeout(_READY_SECONDS):
                await answer(handle.ping.remote())
        except Exception:  # whatever it is, the shard does not respond
            return False
        return True


def counted(shards: int, gathered: Sequence[Gathered]) -> Search:
    """How the windows of a request were searched: a shard that missed one has not answered."""
    missing = {number for one in gathered for number, result in enumerate(one.results) if result is None}
    return Search(shards=shards, answered=shards - len(missing))


def _unusable(version: GlossaryVersion, failure: HarkenError) -> ServiceError:
    _LOG.error("version %d of glossary %s cannot be used: %s", version.version, version.glossary_id, failure)
    # Another process may just have published a newer version and discarded this one; clients try again.
    return ServiceError(
        409,
        "glossary_unusable",
        f"Version {version.version} of glossary {version.glossary_id!r} cannot be searched any more: build it again.",
        "glossary_id",
        retry_after=1,
    )
