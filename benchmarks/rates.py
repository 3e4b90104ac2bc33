"""How fast shards were committed, with starting and stopping told apart from steady work."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from harken.stages import Stage


@dataclass(frozen=True)
class Commit:
    """A finished shard: when (Unix time) and how many rows."""

    time: float
    rows: int


@dataclass(frozen=True)
class Rate:
    """``steady`` counts rows per second from the first shard of every worker on to the last shard; ``total`` counts
    them from the start of the program to its end. ``overhead`` is the seconds that steady work does not explain."""

    rows: int
    seconds: float
    steady: float
    total: float
    overhead: float


def commits(stage: Stage) -> list[Commit]:
    """The finished shards of a stage by the time at which their file appeared."""
    parts = [part for part in stage.parts() if part.exists()]
    return sorted(
        (Commit(part.stat().st_mtime, pq.read_metadata(part).num_rows) for part in parts),
        key=lambda commit: commit.time,
    )


def rate(finished: Sequence[Commit], workers: int, sessions: Sequence[tuple[float, float]]) -> Rate:
    """The rate of ``workers`` over the sessions (start, end) in which they worked; a cut session counts like another.

    In every session the first shard of each worker is left out of the steady rate: its time holds the start.

    Raises:
        ValueError: no session finished more shards than there are workers.
    """
    starts = [start for start, _ in sessions]
    of_session: list[list[Commit]] = [[] for _ in sessions]
    for commit in sorted(finished, key=lambda commit: commit.time):
        of_session[max(0, bisect_right(starts, commit.time) - 1)].append(commit)
    rows = seconds = 0.0
    for done in of_session:
        if len(done) > workers:
            rows += sum(commit.rows for commit in done[workers:])
            seconds += done[-1].time - done[workers - 1].time
    if not seconds:
        raise ValueError(f"{len(finished)} shards are too few to tell the rate of {workers} workers")
    steady, every = rows / seconds, sum(commit.rows for commit in finished)
    whole = sum(end - start for start, end in sessions)
    return Rate(every, whole, steady, every / whole, whole - every / steady)
