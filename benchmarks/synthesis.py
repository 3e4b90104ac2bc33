"""How fast labels become speech, and what that costs in memory: ``python -m benchmarks.synthesis``.

Comparison: the speech stage against a bare loop over the same backend, the same texts, voices and encoding
(`benchmarks.loop`), in turns, with noise and gain off in both. Growth: labels and speech of ever more rows in one
driver, augmentation as configured.

Rates are steady ones: rows after the first shard of every worker over the time they took. Starting and ending is
reported apart. Every measurement leaves a record in the work folder: run the same command again after a cut and it
goes on; --fresh starts over.
"""

import argparse
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from benchmarks.measures import Bench, compare, grow
from benchmarks.processes import end_children_on_termination
from benchmarks.results import add_output_arguments, deliver, target

MIB = 2**20
PARTS = ("comparison", "growth")
# A smoke test of the benchmark, too small to measure anything.
QUICK = {"compare_rows": 16, "repeats": 1, "workers": [1], "rows": [16]}
QUICK_OVERRIDES = ("labels.rows_per_shard=4", "labels.workers=0")


def figures(comparison: Sequence[dict[str, Any]], growth: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The targets beside the records they were computed from."""
    targets: dict[str, Any] = {}
    summary = {str(workers): _summary(comparison, workers) for workers in _worker_counts(comparison)}
    for workers, medians in summary.items():
        targets[f"time of the stage over the loop, {workers} workers"] = target(medians["time_ratio"], "<=", 1.1)
    if {"1", "2"} <= set(summary):
        for program in ("stage", "loop"):
            summary["2"][f"{program}_speed_up"] = summary["2"][program] / summary["1"][program]
        targets["speed of 2 workers over 1"] = target(summary["2"]["stage_speed_up"], ">=", 1.8)
    if len(growth) > 1:
        rates = [record["speech_per_second"] for record in growth]
        peaks = [record["driver_peak_bytes"] for record in growth]
        targets["slowest over fastest rate as rows grow"] = target(min(rates) / max(rates), ">=", 0.85)
        targets["driver's peak memory, most rows over fewest"] = target(peaks[-1] / peaks[0], "<=", 1.15)
    # Not known of a session that found everything made.
    spilled = [record["spilled_bytes"] for record in growth if record["spilled_bytes"] is not None]
    if spilled:
        targets["bytes spilled"] = target(max(spilled), "==", 0)
    return {"comparison": list(comparison), "medians": summary, "growth": list(growth), "targets": targets}


def _worker_counts(comparison: Sequence[dict[str, Any]]) -> list[int]:
    return sorted({pair["workers"] for pair in comparison})


def _summary(comparison: Sequence[dict[str, Any]], workers: int) -> dict[str, float]:
    """Medians over the repeats; the ratio is taken within each pair of neighbouring runs."""
    pairs = [pair for pair in comparison if pair["workers"] == workers]
    return {
        "stage": statistics.median(pair["stage"]["steady"] for pair in pairs),
        "loop": statistics.median(pair["loop"]["steady"] for pair in pairs),
        "time_ratio": statistics.median(pair["loop"]["steady"] / pair["stage"]["steady"] for pair in pairs),
    }


def tables(measured: dict[str, Any]) -> list[Table]:
    """The figures for a reader."""
    made = []
    if measured["comparison"]:
        heads = (
            "workers",
            "stage rows/s",
            "loop rows/s",
            "loop / stage",
            "stage s apart",
            "loop s apart",
            "same audio",
        )
        table = Table(*heads, title="Speech stage beside a bare loop")
        for pair in measured["comparison"]:
            stage, loop = pair["stage"], pair["loop"]
            table.add_row(
                str(pair["workers"]),
                f"{stage['steady']:.2f}",
                f"{loop['steady']:.2f}",
                f"{loop['steady'] / stage['steady']:.3f}",
                f"{stage['overhead']:.1f}",
                f"{loop['overhead']:.1f}",
                "yes" if pair["same_audio"] else "NO",
            )
        made.append(table)
    if measured["growth"]:
        heads = ("rows", "labels/s", "speech rows/s", "minutes", "driver MiB", "a worker MiB", "spilled", "failed")
        table = Table(*heads, "hours", "GB", title="As rows grow")
        for record in measured["growth"]:
            contents = record["dataset"]
            table.add_row(
                f"{record['rows']:,}",
                f"{record['labels_per_second']:.0f}",
                f"{record['speech_per_second']:.2f}",
                f"{record['seconds'] / 60:.1f}",
                f"{record['driver_peak_bytes'] / MIB:.0f}",
                f"{record['worker_peak_bytes'] / MIB:.0f}",
                str(record["spilled_bytes"]),
                str(sum(contents["failures"].values())),
                f"{contents['hours']:.1f}",
                f"{contents['bytes'] / 1e9:.2f}",
            )
        made.append(table)
    return made


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--config", type=Path, default=Path("configs/bulk.yaml"))
    arguments.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", dest="overrides")
    arguments.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="what to measure")
    arguments.add_argument("--compare-rows", type=int, default=5000, help="rows of one run of the comparison")
    arguments.add_argument("--repeats", type=int, default=3, help="pairs of runs for every number of workers")
    arguments.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="numbers of workers to compare")
    arguments.add_argument("--rows", type=int, nargs="+", default=[1000, 10_000, 100_000], help="sizes to grow over")
    arguments.add_argument("--work", type=Path, default=Path("outputs/benchmarks/synthesis"), help="rows and records")
    arguments.add_argument("--keep", action="store_true", help="keep the rows of the growth, not the figures alone")
    arguments.add_argument("--fresh", action="store_true", help="delete the work folder first")
    arguments.add_argument("--quick", action="store_true", help="tiny sizes: shows that it works, measures nothing")
    add_output_arguments(arguments)
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what is missing and print; 1 when a target does not hold (never with --quick)."""
    options = parser().parse_args(arguments)
    end_children_on_termination()
    overrides = tuple(options.overrides)
    if options.quick:
        vars(options).update(QUICK)
        overrides = (*QUICK_OVERRIDES, *overrides)
    if options.fresh:
        shutil.rmtree(options.work, ignore_errors=True)
    bench = Bench(options.config, overrides, options.work.absolute())
    comparison = growth = []
    if "comparison" in options.parts:
        comparison = compare(bench, options.compare_rows, options.workers, options.repeats)
    if "growth" in options.parts:
        growth = grow(bench, sorted(options.rows), options.keep)
    measured = figures(comparison, growth)
    deliver("synthesis", measured, tables(measured), options)
    held = all(facts["holds"] for facts in measured["targets"].values())
    return 0 if held or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
