"""What a benchmark prints and records: figures, targets, and the machine they were measured on."""

import argparse
import json
import operator
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from harken.provenance import provenance
from harken.records import write_text

RESULTS = Path(__file__).with_name("RESULTS.md")
PRINT = "-"
_COMPARISONS = {"<=": operator.le, ">=": operator.ge, "==": operator.eq}


def add_output_arguments(parser: argparse.ArgumentParser) -> None:
    """The options every benchmark shares."""
    parser.add_argument(
        "--json",
        nargs="?",
        const=PRINT,
        metavar="FILE",
        help="print one JSON object as the last line, or write it to FILE, instead of tables",
    )
    parser.add_argument("--record", action="store_true", help="put the figures into benchmarks/RESULTS.md")


def target(value: float, relation: str, bound: float) -> dict[str, Any]:
    """A figure, what it should be, and whether it is: ``relation`` is '<=', '>=' or '=='."""
    return {"value": value, "target": f"{relation} {bound:g}", "holds": bool(_COMPARISONS[relation](value, bound))}


def machine() -> dict[str, object]:
    """Where and with what it was measured."""
    return {
        **provenance(),
        "processor": _processor(),
        "memory_bytes": psutil.virtual_memory().total,
        "load_average": [round(load, 2) for load in psutil.getloadavg()],
        "measured": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def deliver(
    name: str, figures: Mapping[str, Any], tables: Sequence[Table], options: argparse.Namespace
) -> dict[str, Any]:
    """Print, write and record as the options say; returns what the JSON holds."""
    whole: dict[str, Any] = {"benchmark": name, **figures, "machine": machine()}
    if options.json is None:
        console = Console(highlight=False)
        for table in [*tables, *_target_table(figures["targets"])]:
            console.print(table)
    elif options.json == PRINT:
        print(json.dumps(whole, ensure_ascii=False, allow_nan=False), flush=True)
    else:
        write_text(Path(options.json), json.dumps(whole, ensure_ascii=False, allow_nan=False, indent=2) + "\n")
    if options.record:
        record(name, whole, tables)
    return whole


def record(name: str, whole: Mapping[str, Any], tables: Sequence[Table], results: Path = RESULTS) -> None:
    """Put the tables between the markers of this benchmark in ``results``.

    Raises:
        ValueError: the file has no such markers.
    """
    text = results.read_text(encoding="utf-8")
    marked = re.compile(rf"(<!-- {name}:begin -->\n).*?(<!-- {name}:end -->)", re.DOTALL)
    if not marked.search(text):
        raise ValueError(f"{results} has no place for {name}: give it the lines <!-- {name}:begin/end -->")
    facts = whole["machine"]
    described = (
        f"{facts['measured'][:10]}, {facts['processor']}, {facts['cpus']} cores, "
        f"{facts['memory_bytes'] / 2**30:.0f} GiB, Python {facts['python']}, "
        f"Ray {facts['versions'].get('ray')}, revision {facts['git_revision'][:12]}.\n\n`{facts['command']}`\n"
    )
    body = "\n".join(_markdown(table) for table in [*tables, *_target_table(whole["targets"])])
    write_text(results, marked.sub(lambda found: f"{found[1]}{described}\n{body}\n{found[2]}", text))


def say(message: str) -> None:
    """Progress, which is kept apart from the figures."""
    print(message, file=sys.stderr, flush=True)


def _target_table(targets: Mapping[str, Mapping[str, Any]]) -> list[Table]:
    if not targets:
        return []
    table = Table("target", "value", "wanted", "holds", title="Targets")
    for name, facts in targets.items():
        table.add_row(name, f"{facts['value']:.4g}", facts["target"], "yes" if facts["holds"] else "NO")
    return [table]


def _markdown(table: Table) -> str:
    heads = [str(column.header) for column in table.columns]
    rows = zip(*([str(cell) for cell in column.cells] for column in table.columns), strict=True)
    lines = [f"**{table.title}**", "", f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)]) + "\n"


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
