"""Building an actor in a worker process that may die of it, which Ray would start again for ever.

While an actor is built, a file beside the stage's parts says for the how manieth time. Only the death of the process
leaves it, and the worker that Ray starts in its place, under the same id, reads it and gives up in the end.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from harken.errors import HarkenError
from harken.records import write_text
from harken.stages import Stage

TRIES = 3

Built = TypeVar("Built")


def build(factory: Callable[..., Built], arguments: Mapping[str, Any], stage: Stage, worker: str) -> Built:
    """What ``factory(**arguments)`` makes in the Ray actor whose id is ``worker``.

    Raises:
        HarkenError: the process died `TRIES` times at this (a lost node counts as well).
        Exception: what the factory raised.
    """
    mark = stage.building_mark(worker)
    deaths = int(mark.read_text(encoding="utf-8")) if mark.exists() else 0
    if deaths >= TRIES:
        remedy = "Ray's messages above say how. Often the memory is too small for as many loaded models as there are "
        remedy += "workers: take fewer, or a smaller model; finished parts are kept."
        raise HarkenError(f"worker of {stage.name}", f"died {deaths} times before it was given a row", remedy)
    write_text(mark, str(deaths + 1))
    try:
        return factory(**arguments)
    finally:
        mark.unlink(missing_ok=True)


def forget_deaths(stage: Stage) -> None:
    """Remove what earlier runs left; the caller holds the stage's lock."""
    for mark in stage.building_mark("*").parent.glob(stage.building_mark("*").name):
        mark.unlink(missing_ok=True)
