"""The measurements behind `benchmarks.synthesis`: each leaves a record in the work folder and is not made twice.

A measurement that was cut goes on: the stage keeps its finished shards, and the time in which nothing ran is not
counted (`benchmarks.rates`).
"""

import hashlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import loop
from benchmarks.processes import read_samples, watch
from benchmarks.rates import Commit, commits, rate
from benchmarks.results import say
from harken.config import load_config
from harken.provenance import git_revision
from harken.records import OK, fingerprint, write_json
from harken.settings import PipelineSettings
from harken.stages import Stage
from jobs.plan import Plan

# The loop does not augment; with noise in one of the two only the noise would be measured.
PLAIN_SPEECH = (
    "speech.voices.augmentation.noise_probability=0",
    "speech.voices.augmentation.gain_probability=0",
)
RECORD = "record.json"


@dataclass(frozen=True)
class Bench:
    """A configuration, its overrides, and the folder in which measurements leave their records."""

    config: Path
    overrides: tuple[str, ...]
    work: Path

    def case(self, name: str, *more: str) -> "Case":
        """A measurement of its own; other settings get another folder."""
        overrides = (*self.overrides, *more)
        settings = load_config(self.config, overrides, PipelineSettings)
        content = settings.model_dump(mode="json", exclude={"run": {"output"}})
        folder = self.work / f"{name}-{fingerprint(content)[:8]}"
        output = f"run.output={folder / 'run'}"
        return Case(self.config, (*overrides, output), folder)


@dataclass(frozen=True)
class Case:
    """One measurement."""

    config: Path
    overrides: tuple[str, ...]
    folder: Path

    @property
    def settings(self) -> PipelineSettings:
        """The configuration that is measured."""
        return load_config(self.config, self.overrides, PipelineSettings)

    @property
    def arguments(self) -> list[str]:
        """The configuration on a command line."""
        return ["--config", str(self.config), *(part for key in self.overrides for part in ("--set", key))]

    def made(self) -> dict[str, Any] | None:
        """The record, when this was measured before."""
        path = self.folder / RECORD
        if not path.exists():
            return None
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return record

    def finish(self, record: dict[str, Any], keep: bool) -> dict[str, Any]:
        """Write the record and, unless they shall be kept, delete the rows."""
        record["git_revision"] = git_revision()
        write_json(self.folder / RECORD, record)
        if not keep:
            for folder in ("run", "loop"):
                shutil.rmtree(self.folder / folder, ignore_errors=True)
        return record


def compare(bench: Bench, rows: int, workers: Sequence[int], repeats: int) -> list[dict[str, Any]]:
    """The speech stage and the bare loop in turns, over the same labels: a record for every pair of runs."""
    labels = bench.case("labels", f"labels.count={rows}", *PLAIN_SPEECH)
    requests = labels.folder / loop.REQUESTS
    if not requests.exists():
        say(f"comparison: writing {rows} labels")
        watch(["-m", "benchmarks.driver", *labels.arguments, "--stages", "labels"], labels.folder)
        loop.prepare(labels.settings, requests)
    pairs = []
    for repeat in range(repeats):
        for count in workers:
            name = f"compare-{repeat}-{count}"
            case = bench.case(name, f"labels.count={rows}", f"speech.workers={count}", *PLAIN_SPEECH)
            record = case.made()
            if record is None:
                record = _pair(case, labels, requests, count, stage_first=repeat % 2 == 0)
            pairs.append(record)
            say(
                f"comparison: repeat {repeat + 1} of {repeats}, {count} workers: "
                f"stage {record['stage']['steady']:.2f}, loop {record['loop']['steady']:.2f} rows/s"
            )
    return pairs


def _pair(case: Case, labels: Case, requests: Path, workers: int, stage_first: bool) -> dict[str, Any]:
    plan = Plan(case.settings)
    # A comparison is short: one that was cut is made again from its start.
    shutil.rmtree(case.folder, ignore_errors=True)
    shutil.copytree(Plan(labels.settings).labels.directory, plan.labels.directory)
    stage, bare = case.folder / "stage", case.folder / "loop"

    def measure_stage() -> None:
        watch(["-m", "benchmarks.driver", *case.arguments, "--stages", "speech"], stage)

    def measure_loop() -> None:
        options = ["--requests", str(requests), "--output", str(bare / "audio"), "--workers", str(workers)]
        watch(["-m", "benchmarks.loop", *case.arguments, *options], bare)

    for measure in (measure_stage, measure_loop) if stage_first else (measure_loop, measure_stage):
        measure()
    record = {
        "workers": workers,
        "stage": _rate(commits(plan.speech.stage), workers, stage),
        "loop": _rate(loop.commits(bare / "audio"), workers, bare),
        "same_audio": _same_audio(plan.speech.stage, bare / "audio"),
    }
    return case.finish(record, keep=False)


def grow(bench: Bench, sizes: Sequence[int], keep: bool) -> list[dict[str, Any]]:
    """Labels and speech of so many rows, each size in a process of its own: a record a size."""
    records = []
    for size in sizes:
        case = bench.case(f"rows-{size}", f"labels.count={size}")
        record = case.made()
        if record is None:
            say(f"growth: {size} rows; progress in {case.folder / 'log'}")
            figures = case.folder / "figures.json"
            watch(["-m", "benchmarks.driver", *case.arguments, "--figures", str(figures)], case.folder)
            record = _grown(case, size, json.loads(figures.read_text(encoding="utf-8")))
            case.finish(record, keep)
        records.append(record)
        say(
            f"growth: {size} rows: labels {record['labels_per_second']:.1f}, "
            f"speech {record['speech_per_second']:.2f} rows/s, driver {record['driver_peak_bytes'] / 2**20:.0f} MiB"
        )
    return records


def _grown(case: Case, size: int, figures: dict[str, Any]) -> dict[str, Any]:
    settings = case.settings
    plan = Plan(settings)
    samples, sessions = read_samples(case.folder), _sessions(case.folder)
    return {
        "rows": size,
        "labels_per_second": rate(commits(plan.labels), settings.labels.workers or 1, sessions).steady,
        "speech_per_second": rate(commits(plan.speech.stage), settings.speech.workers, sessions).steady,
        "sessions": len(sessions),
        "seconds": sum(end - start for start, end in sessions),
        "driver_peak_bytes": max(sample.program for sample in samples),
        "worker_peak_bytes": max(sample.worker for sample in samples),
        "workers_peak_bytes": max(sample.workers for sample in samples),
        "spilled_bytes": figures["spilled_bytes"],
        "dataset": _contents(plan),
    }


def _contents(plan: Plan) -> dict[str, Any]:
    """What the rows are: failures by cause, hours, bytes, distinct texts."""
    texts = {hashlib.sha256(row["text"].encode()).digest() for row in plan.labels.rows(["text"])}
    spoken = plan.speech.stage.record()
    return {
        "rows": spoken["rows"],
        "failures": spoken["failures"],
        "distinct_texts": len(texts),
        "hours": sum(row["duration"] or 0.0 for row in plan.speech.stage.rows(["duration"])) / 3600,
        "bytes": sum(part.stat().st_size for part in plan.speech.stage.parts()),
    }


def _rate(finished: list[Commit], workers: int, folder: Path) -> dict[str, float]:
    return asdict(rate(finished, workers, _sessions(folder)))


def _sessions(folder: Path) -> list[tuple[float, float]]:
    ends: dict[float, float] = {}
    for sample in read_samples(folder):
        ends[sample.session] = sample.time
    return sorted(ends.items())


def _same_audio(stage: Stage, folder: Path) -> bool:
    """True when the loop wrote for every row that did not fail the very bytes that the stage did."""
    return all(
        (folder / f"{row['id']}.flac").read_bytes() == row["audio"]
        for row in stage.rows(["id", "audio", "status"])
        if row["status"] == OK
    )
