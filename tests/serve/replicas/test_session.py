import asyncio

import pytest

from compression.calibration import Calibration
from compression.cascade.result import Hit, ShardResult
from harken.cascade_settings import CascadeSettings
from serve.replicas.session import Parts, detections_of, in_order, together
from serve.replicas.shards import Gathered, counted


def hit(entry: int, term: str, start: int, verifier: float) -> Hit:
    return Hit(entry, term, (term,), "", start, start + 10, 10, 0.5, 5.0, verifier)


def result(*hits: Hit, partitions: tuple[int, ...] = ()) -> ShardResult:
    return ShardResult(hits, (), partitions, "model", 12.5)


def parts() -> Parts:
    sure = Calibration((0.0, 1.0, 0.0, 0.0), 0.0, -1.0, -10.0, 8, 8)
    return Parts(None, None, sure, CascadeSettings(), 2)  # type: ignore[arg-type]


def test_terms_of_the_request_join_those_of_the_glossary():
    shards = [result(hit(1, "Kelly", 0, 3.0), partitions=(0, 1)), result(hit(2, "Birkin", 20, 2.0), partitions=(2, 3))]
    own = result(hit(3, "Lindy", 40, 1.0), partitions=(0, 1, 2, 3))
    assert [one.term for one in detections_of(shards, own, parts())] == ["Kelly", "Birkin", "Lindy"]
    assert [one.term for one in detections_of([], own, parts())] == ["Lindy"]


def test_a_term_that_is_in_both_is_told_once_as_the_glossary_writes_it():
    shards = [result(hit(1, "Kelly", 0, 3.0), partitions=(0,))]
    own = result(hit(1, "kelly", 0, 4.0), partitions=(0,))
    (found,) = detections_of(shards, own, parts())
    assert found.term == "Kelly"


def test_a_shard_that_missed_one_window_has_not_answered():
    whole, missing = Gathered((result(), result())), Gathered((result(), None))
    assert not counted(2, [whole, whole]).degraded
    found = counted(2, [whole, missing, whole])
    assert (found.shards, found.answered, found.degraded) == (2, 1, True)
    assert len(missing.answers) == 1
    assert counted(0, []).shards == 0


def test_results_keep_the_order_of_the_items_and_few_are_worked_on_at_a_time():
    working: list[int] = []
    most = 0

    async def work(item: int) -> int:
        nonlocal most
        working.append(item)
        most = max(most, len(working))
        await asyncio.sleep(0.01 * (5 - item))
        working.remove(item)
        return item * item

    async def run() -> list[int]:
        return [found async for found in in_order(work, range(5), 3)]

    assert asyncio.run(run()) == [0, 1, 4, 9, 16]
    assert most == 3


def test_one_failure_ends_the_others():
    cancelled: list[int] = []

    async def work(item: int) -> int:
        try:
            await asyncio.sleep(0 if item == 0 else 60)
        except asyncio.CancelledError:
            cancelled.append(item)
            raise
        raise RuntimeError("broken")

    async def run() -> None:
        with pytest.raises(RuntimeError, match="broken"):
            async for _ in in_order(work, range(3), 3):
                pass
        await asyncio.sleep(0)

    asyncio.run(run())
    assert cancelled == [1, 2]


def test_of_two_the_failure_of_one_ends_the_other():
    ended: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("wait")

    async def fail() -> None:
        await asyncio.sleep(0)
        raise RuntimeError("broken")

    async def run() -> list[str]:
        with pytest.raises(RuntimeError, match="broken"):
            await together(wait(), fail())
        await asyncio.sleep(0)
        return list(ended)

    assert asyncio.run(run()) == ["wait"]
