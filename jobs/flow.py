"""The resumable flow: a stage's missing shards, fanned out over a pool of actors by Ray Data.

One actor call reads one shard, transforms its rows and commits one Parquet part by an atomic rename. Only a
small summary travels back, so 100,000 samples cost the driver nothing, and the commit is the checkpoint:
killing an actor or the driver loses at most the shards in flight, and a rerun makes only what is missing. A row
that kills its worker is set aside after two tries (`jobs.isolation`); a worker that dies before it is given a row
ends the stage after three (`jobs.building`).
"""

import fcntl
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO, TypeAlias

import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy

from harken.config import dump_yaml
from harken.errors import HarkenError
from harken.glossary_settings import GlossarySettings
from harken.records import FAILED, Row, write_parquet
from harken.settings import PipelineSettings, TranscriptSettings
from harken.sources import Source
from harken.spotting_settings import SpottingSettings
from harken.stages import Stage, cause
from jobs.building import build, forget_deaths
from jobs.cluster import connect
from jobs.isolation import IsolatedActor, work_in_isolation
from jobs.progress import StageProgress, note

Configuration: TypeAlias = PipelineSettings | TranscriptSettings | SpottingSettings | GlossarySettings
"""One full configuration of any job."""


class Actor(Protocol):
    """What `actors` offers: rows in, the same number of rows out, never an exception for one bad row."""

    def __call__(self, rows: list[Row]) -> list[Row]: ...


class ShardWorker:
    """Runs inside a Ray actor: holds one loaded actor and commits one part per call.

    After ``rows_per_process`` rows a child process goes on, and after as many rows the next one: for an actor whose
    native library loses memory with every row.
    """

    def __init__(
        self,
        stage: Stage,
        source: Source,
        factory: Callable[..., Actor],
        arguments: Mapping[str, Any],
        schema: pa.Schema,
        rows_per_process: int | None = None,
    ) -> None:
        self.stage, self.source, self.schema = stage, source, schema
        self.rows_per_process = rows_per_process
        self.made = 0
        self.child: IsolatedActor | None = None
        self.factory, self.arguments = factory, arguments
        self.actor: Actor | None = None
        self.failure: Exception | None = None
        worker = ray.get_runtime_context().get_actor_id() if ray.is_initialized() else None
        try:
            self.actor = build(factory, arguments, stage, worker) if worker else factory(**arguments)
        except Exception as failure:
            # Ray would tell an exception here as the loss of a worker; the first call tells it as what it is.
            self.failure = failure

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        summaries = [self.attempt(int(shard)) for shard in batch["shard"]]
        return {key: [summary[key] for summary in summaries] for key in summaries[0]}

    def attempt(self, shard: int) -> dict[str, Any]:
        """Make one part; bad input comes back as data, because Ray keeps only the text of an exception."""
        try:
            return self.commit(shard) | {"error": []}
        except HarkenError as failure:
            error = [failure.thing, str(failure.value), failure.remedy]
            return {"shard": shard, "rows": 0, "causes": [], "counts": [], "error": error}

    def commit(self, shard: int) -> dict[str, Any]:
        """Make one part; returns the number of rows and the causes of failed ones."""
        if self.failure:
            raise self.failure
        rows = self.source.rows(shard)
        mark = self.stage.mark(shard)
        begun_before = mark.exists()
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        try:
            results = self.isolated(rows) if begun_before else self.make(rows)
            if [row["id"] for row in results] != [row["id"] for row in rows]:
                raise RuntimeError(f"{self.stage.name}: the actor dropped, added or reordered rows of shard {shard}")
            write_parquet(self.stage.part(shard), results, self.schema)
        finally:
            # An exception removes the mark as well; only the death of this process leaves it.
            mark.unlink(missing_ok=True)
        causes = Counter(cause(row["error"]) for row in results if row["status"] == FAILED)
        return {"shard": shard, "rows": len(results), "causes": list(causes), "counts": list(causes.values())}

    def make(self, rows: list[Row]) -> list[Row]:
        """What the actor makes of the rows, in this process while that may hold it."""
        if self.rows_per_process and self.made >= self.rows_per_process:
            self.actor, self.made = None, 0
            if self.child:
                self.child.close()
            self.child = IsolatedActor(self.factory, self.arguments)
        self.made += len(rows)
        if self.child:
            return work_in_isolation(self.child, rows, self.schema)
        if self.actor is None:
            self.actor = self.factory(**self.arguments)
        return self.actor(rows)

    def isolated(self, rows: list[Row]) -> list[Row]:
        """What an actor in a child process makes of rows that a worker may have died on before."""
        # Two loaded models may be more than a GPU holds.
        self.actor = None
        with IsolatedActor(self.factory, self.arguments) as actor:
            return work_in_isolation(actor, rows, self.schema)


def run_stage(
    settings: Configuration,
    stage: Stage,
    source: Source,
    factory: Callable[..., Actor],
    arguments: Mapping[str, Any],
    schema: pa.Schema,
    *,
    workers: int,
    gpus_per_worker: float = 0.0,
    python: Path | None = None,
    rows_per_process: int | None = None,
) -> dict[str, Any]:
    """Bring ``stage`` to completion and return its record (rows, failures by cause, seconds).

    A complete stage returns at once without touching Ray; ``workers=0`` runs it in this process. ``python`` is the
    interpreter of another environment for the workers (with the same Ray), for packages that cannot live in this one.
    ``rows_per_process`` bounds what a leaking library can hold (`ShardWorker`).

    Raises:
        HarkenError: bad input found by an actor, workers that die while they are built, a full disk, or another
            driver already working on the stage.
    """
    if stage.complete():
        record = stage.record()
        note(f"{stage.name}: skipped, {record['rows']} rows are there")
        return record
    with exclusive(stage):
        stage.begin(dump_yaml(settings))
        forget_deaths(stage)
        started = time.monotonic()
        missing = stage.missing()
        if missing:
            with StageProgress(stage.name, total=stage.shards, done=stage.shards - len(missing)) as progress:
                worker = (stage.absolute(), source, factory, dict(arguments), schema, rows_per_process)
                if workers:
                    connect(settings.cluster)
                    summaries = _fan_out(missing, worker, min(workers, len(missing)), gpus_per_worker, python)
                else:
                    summaries = _in_process(missing, worker)
                for summary in summaries:
                    if len(summary["error"]):
                        raise HarkenError(*summary["error"])
                    causes = dict(zip(summary["causes"], summary["counts"], strict=True))
                    progress.advance(rows=summary["rows"], causes=causes)
        record = stage.finish(time.monotonic() - started)
    note(f"{stage.name}: {record['rows']} rows, {record['failed']} failed, {record['seconds']:.0f} s")
    return record


def _fan_out(
    missing: Sequence[int], worker: tuple[Any, ...], pool: int, gpus_per_worker: float, python: Path | None
) -> Iterator[dict[str, Any]]:
    # One block per shard keeps Ray Data from coalescing the tiny descriptors into one task.
    environment: dict[str, Any] = {"runtime_env": {"py_executable": str(python)}} if python else {}
    descriptors = ray.data.from_items([{"shard": shard} for shard in missing], override_num_blocks=len(missing))
    summaries = descriptors.map_batches(
        ShardWorker,
        fn_constructor_args=worker,
        batch_size=1,
        compute=ActorPoolStrategy(size=pool),
        num_cpus=1,
        num_gpus=gpus_per_worker or None,
        **environment,
    )
    yield from summaries.iter_rows()


def _in_process(missing: Sequence[int], worker: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    shard_worker = ShardWorker(*worker)
    try:
        for shard in missing:
            yield shard_worker.attempt(shard)
    finally:
        if shard_worker.child:
            shard_worker.child.close()


@contextmanager
def exclusive(stage: Stage) -> Iterator[None]:
    """Hold the stage's lock; the kernel frees it when the holder dies, however it dies.

    Raises:
        HarkenError: another process holds it.
    """
    path = stage.directory / ".lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as lock:
        _acquire(lock, path)
        yield


def _acquire(lock: TextIO, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        raise HarkenError(
            "stage lock", str(path), f"Process {holder} is working on this stage: wait for it or end it."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
