"""Killed again and again, the rows stay the same: ``python -m benchmarks.soak --config configs/bulk.yaml --kills 20``.

Labels and speech are made undisturbed in one folder. In another, at random moments, the driver's whole process group
is killed with -9 (and, in some rounds, one Ray worker alone, under which the driver must go on); it is started again
until nothing is missing. Then both datasets are compared row for row in every column. The moments are drawn from
--seed; what runs at such a moment is not in anybody's hands, so the kills differ between two runs of this tool.

Run the same command again after a cut and it goes on; --fresh starts over.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.measures import Bench, Case
from benchmarks.processes import Family, end_children_on_termination, start, tail, watch
from benchmarks.results import add_output_arguments, deliver, say, target
from harken.records import generator, read_parquet, write_json
from harken.stages import Stage
from jobs.plan import Plan

# What Ray calls the processes that hold the actors of a stage.
ACTOR_TITLE = "ray::MapWorker"
DRIVER, WORKER = "driver", "worker"
# In one start of so many a worker is killed before the driver is.
WORKER_ROUNDS = 4
SECONDS_BETWEEN_LOOKS = 0.02
# A blow is held back for up to so long, or until the next shard is done: it falls into the start of the driver when
# no shard is to be done before, and into the work on a shard otherwise.
SECONDS_OF_START, SECONDS_OF_SHARD = 8.0, 1.0


@dataclass(frozen=True)
class Kill:
    """What was killed, and how far the stage that was at work had come."""

    victim: str
    stage: str
    share: float


class Soak:
    """A run of both stages that is killed ``kills`` times, spread over all their shards."""

    def __init__(self, case: Case, kills: int, seed: int) -> None:
        self.case, self.wanted, self.seed = case, kills, seed
        plan = Plan(case.settings)
        self.stages = [plan.labels, plan.speech.stage]
        self.journal = case.folder / "kills.jsonl"
        self.kills = self._remembered()

    def run(self) -> list[Kill]:
        """Start the driver and kill it until it has been killed often enough, then let it finish.

        Raises:
            RuntimeError: the driver ended with an error of its own, or had nothing left to be killed over.
        """
        while len(self.kills) < self.wanted:
            number = len(self.kills)
            if not self._missing():
                remedy = "give it more --rows, or begin again with --fresh"
                raise RuntimeError(f"the run was complete after {number} of {self.wanted} kills: {remedy}")
            self._round(number)
        watch(["-m", "benchmarks.driver", *self.case.arguments], self.case.folder)
        return self.kills

    def _round(self, number: int) -> None:
        """One start of the driver up to one kill of it; a worker may be killed on the way."""
        draw = generator("soak", self.seed, number)
        began = self._missing()
        # What is left is shared among the kills that are left, so that they fall all over the run.
        ahead = int(draw.random() * began / (self.wanted - number + 1))
        blows = [(DRIVER, ahead)]
        if number % WORKER_ROUNDS == WORKER_ROUNDS - 1:
            # The driver has to go on after the loss of a worker before it is killed itself.
            before = max(1, ahead // 2)
            blows = [(WORKER, before), (DRIVER, before + max(1, ahead - before))]
        process = start(["-m", "benchmarks.driver", *self.case.arguments], self.case.folder / "log")
        family = Family(process.pid)
        try:
            for victim, shards in blows:
                longest = SECONDS_OF_SHARD if shards else SECONDS_OF_START
                self._wait(process, began - shards, draw.random() * longest)
                self._strike(family, victim)
                if len(self.kills) == self.wanted:
                    break
        finally:
            family.kill_head()
            process.wait()

    def _wait(self, process: "subprocess.Popen[bytes]", missing: int, pause: float) -> None:
        """Until no more than ``missing`` shards are left to make, and ``pause`` seconds on if no shard is done then."""
        while self._missing() > missing and process.poll() is None:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        left, until = self._missing(), time.monotonic() + pause
        while time.monotonic() < until and self._missing() == left and process.poll() is None:
            time.sleep(SECONDS_BETWEEN_LOOKS)
        if process.poll():
            raise RuntimeError(f"the driver ended with {process.returncode}:\n{tail(self.case.folder / 'log')}")

    def _strike(self, family: Family, victim: str) -> None:
        """Kill and remember it, if there is something to kill."""
        stage = next((stage for stage in self.stages if stage.missing()), self.stages[-1])
        kill = Kill(victim, stage.name, 1 - len(stage.missing()) / stage.shards)
        if victim == WORKER:
            workers = family.workers(ACTOR_TITLE)
            if not workers:
                return
            workers[0].kill()
        else:
            if family.head not in family.members():
                return
            family.kill_head()
        self.kills.append(kill)
        with self.journal.open("a", encoding="utf-8") as journal:
            journal.write(json.dumps(asdict(kill)) + "\n")
        say(f"soak: kill {len(self.kills)} of {self.wanted}: the {victim}, {stage.name} {kill.share:.0%} complete")

    def _missing(self) -> int:
        return sum(len(stage.missing()) for stage in self.stages)

    def _remembered(self) -> list[Kill]:
        if not self.journal.exists():
            return []
        return [Kill(**json.loads(line)) for line in self.journal.read_text(encoding="utf-8").splitlines()]


def differences(undisturbed: Stage, killed: Stage) -> tuple[int, list[str]]:
    """Rows compared, and for every difference what it is: in order, in all columns, audio bytes included."""
    rows, found = 0, []
    if undisturbed.shards != killed.shards:
        return 0, [f"{undisturbed.name}: {undisturbed.shards} shards against {killed.shards}"]
    for shard in range(undisturbed.shards):
        left, right = (read_parquet(stage.part(shard)) for stage in (undisturbed, killed))
        rows += len(left)
        if len(left) != len(right):
            found.append(f"{undisturbed.name}, shard {shard}: {len(left)} rows against {len(right)}")
            continue
        for one, other in zip(left, right, strict=True):
            columns = [name for name in one.keys() | other.keys() if one.get(name) != other.get(name)]
            if columns:
                found.append(f"{undisturbed.name}, shard {shard}, row {one['id']}: {', '.join(sorted(columns))} differ")
    return rows, found


def soak(bench: Bench, rows: int, kills: int, seed: int) -> dict[str, Any]:
    """Both runs and their comparison."""
    whole = bench.case("undisturbed", f"labels.count={rows}")
    if whole.made() is None:
        say(f"soak: {rows} rows undisturbed; progress in {whole.folder / 'log'}")
        watch(["-m", "benchmarks.driver", *whole.arguments], whole.folder)
        whole.finish({"rows": rows}, keep=True)
    killed = bench.case(f"killed-{kills}-{seed}", f"labels.count={rows}")
    killed.folder.mkdir(parents=True, exist_ok=True)
    done = Soak(killed, kills, seed).run()
    compared, found = {}, []
    plans = [Plan(case.settings) for case in (whole, killed)]
    for left, right in zip(*([plan.labels, plan.speech.stage] for plan in plans), strict=True):
        compared[left.name], differing = differences(left, right)
        found += differing
    write_json(killed.folder / "differences.json", found)
    return {
        "rows": compared,
        "kills": [asdict(kill) for kill in done],
        "differences": found[:20],
        "identical": not found,
        "targets": {
            "kills": target(len(done), ">=", kills),
            "rows that differ": target(len(found), "==", 0),
        },
    }


def table(measured: dict[str, Any]) -> Table:
    """The figures for a reader."""
    made = Table("kills of", "in stage", "count", "at shares complete", title="Killed with -9")
    counts = Counter((kill["victim"], kill["stage"]) for kill in measured["kills"])
    for (victim, stage), count in sorted(counts.items()):
        shares = [kill["share"] for kill in measured["kills"] if (kill["victim"], kill["stage"]) == (victim, stage)]
        made.add_row(victim, stage, str(count), ", ".join(f"{share:.0%}" for share in shares))
    for stage, rows in measured["rows"].items():
        made.add_row("rows compared", stage, f"{rows:,}", "identical" if measured["identical"] else "DIFFERENT")
    return made


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--config", type=Path, default=Path("configs/bulk.yaml"))
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    arguments.add_argument("--rows", type=int, default=5000)
    arguments.add_argument("--kills", type=int, default=20)
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--work", type=Path, default=Path("outputs/benchmarks/soak"), help="both datasets")
    arguments.add_argument("--fresh", action="store_true", help="delete the work folder first")
    add_output_arguments(arguments)
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Soak, compare, print; 1 when a row differs."""
    options = parser().parse_args(arguments)
    end_children_on_termination()
    if options.fresh:
        shutil.rmtree(options.work, ignore_errors=True)
    bench = Bench(options.config, tuple(options.overrides), options.work.absolute())
    measured = soak(bench, options.rows, options.kills, options.seed)
    deliver("soak", measured, [table(measured)], options)
    return 0 if measured["identical"] else 1


if __name__ == "__main__":
    sys.exit(main())
