"""The table a run ends with."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harken.records import FAILED
from harken.report.data import Interval, Systems
from harken.report.measures import (
    LABEL_RATES,
    Change,
    Measure,
    change,
    number,
    paired_interval,
    present,
    rate,
    system_label,
    with_interval,
)

CUSTOMERS_SHOWN = 5
SIDE_BY_SIDE = 2
"""More systems than these get a line for the interval."""
# What biasing may not worsen, and what it is for.
_BIASED = {"mer": "MER", "cer": "CER", "keyword_recall": "recall"}


def print_table(systems: Systems, console: Console, paired: Systems | None = None) -> None:
    """Print every headline metric of every system with its 95% interval and its change from the first system.

    A change carries ``*`` when it is more than chance at the 95% level and ``~`` when it may be chance: by the
    interval of the paired difference where ``paired`` has one, else by whether the two intervals are apart.
    """
    measures = [measure for measure in present(systems) if measure.headline]
    if not measures:
        console.print("No system was evaluated.")
        return
    first = next(iter(systems))
    console.print((_wide if len(systems) <= SIDE_BY_SIDE else _narrow)(systems, paired or {}, measures))
    if len(systems) == 1:
        console.print("In brackets: 95% intervals.", highlight=False)
        return
    basis = "the interval of the paired difference excludes 0" if paired else "the two intervals do not overlap"
    console.print(f"In brackets: 95% intervals. Change from {system_label(first)}:", highlight=False)
    console.print(f"* {basis}; ~ may be chance.", highlight=False)


def _wide(systems: Systems, paired: Systems, measures: Sequence[Measure]) -> Table:
    """A metric a line: value, interval and change side by side."""
    first = next(iter(systems))
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("Metric", no_wrap=True)
    for system in systems:
        table.add_column(system_label(system), justify="right", overflow="fold")
        if system != first:
            table.add_column("change", justify="right", overflow="fold")
    for measure in measures:
        cells = []
        for system, metrics in systems.items():
            cells.append(with_interval(metrics.get(measure.key)))
            if system != first:
                cells.append(_change(systems, paired, system, measure))
        table.add_row(measure.label, *cells)
    return table


def _narrow(systems: Systems, paired: Systems, measures: Sequence[Measure]) -> Table:
    """A metric two lines, so that four systems fit into 80 columns: the interval stands below value and change."""
    first = next(iter(systems))
    table = Table(box=None, pad_edge=False)
    table.add_column("Metric", no_wrap=True)
    for system in systems:
        table.add_column(system_label(system), justify="right", overflow="fold")
    for measure in measures:
        cells = []
        for system, metrics in systems.items():
            value, _, interval = with_interval(metrics.get(measure.key)).partition(" ")
            changed = f" {_change(systems, paired, system, measure)}" if system != first else ""
            cells.append(f"{value}{changed.rstrip()}\n{interval}")
        table.add_row(measure.label, *cells)
    return table


def _change(systems: Systems, paired: Systems, system: str, measure: Measure) -> str:
    first = next(iter(systems))
    found = change(
        systems[first].get(measure.key),
        systems[system].get(measure.key),
        paired_interval(paired, system, measure.key),
        measure.higher_is_better,
    )
    return f"{_size(found)} {_certainty(found)}"


def _size(found: Change) -> str:
    if found.absolute is None:
        return "n/a"
    if found.relative is not None:
        return f"{found.relative:+.1%}"
    return f"{found.absolute:+.3f}"


def _certainty(found: Change) -> str:
    return " " if found.absolute is None else _mark(found.established)


def _mark(established: bool | None) -> str:
    return " " if established is None else "*" if established else "~"


def print_biasing(figures: Mapping[str, Any], console: Console) -> None:
    """Print what biasing changed against the same model without, and what became of the detected terms.

    ``figures`` is what `jobs.biased_figures.biasing_figures` found.
    """
    table = Table(box=None, pad_edge=False)
    for name in ("Biasing", "set"):
        table.add_column(name)
    for name in (*_BIASED.values(), "applied", "right", "rejected"):
        table.add_column(name, justify="right", overflow="fold")
    for name, compared in figures["comparisons"].items():
        for system, found in compared.items():
            counts = figures["terms"][name][system]
            differences = [_difference(found["metrics"].get(key)) for key in _BIASED]
            fates = [str(counts[key]) for key in ("applied", "already right", "rejected")]
            table.add_row(f"of {system_label(found['than']).lower()}", name, *differences, *fates)
    console.print(table)
    console.print(
        f"Differences by a glossary of {figures['entries']:,} entries, and its terms that were detected.",
        highlight=False,
    )


def _difference(interval: Interval | None) -> str:
    value, low, high = (number(interval, part) for part in ("value", "low", "high"))
    if value is None:
        return "n/a"
    established = None if low is None or high is None else low > 0 or high < 0
    return f"{value:+.3f} {_mark(established)}".rstrip()


def print_portrait_rates(record: Mapping[str, Any], console: Console) -> None:
    """Print how right the portrait labels of every system are; ``record`` is that of the stage `portraits`."""
    rates = {system: {name: found[name] for name in LABEL_RATES} for system, found in record["rates"].items()}
    print_table(rates, console, record["paired"])
    table = Table(show_edge=False, pad_edge=False)
    table.add_column("Label F1", no_wrap=True)
    table.add_column("said", justify="right")
    for system in rates:
        table.add_column(system_label(system), justify="right")
    for category, said in record["support"].items():
        found = [record["rates"][system][f"f1.{category}"]["value"] for system in rates]
        table.add_row(category, str(said), *map(rate, found))
    console.print(table)
    if "spelled" in record:
        told = ", ".join(f"{system} {rate(found['f1']['value'])}" for system, found in record["spelled"].items())
        console.print(f"Label F1 without what was found by sound: {told}", highlight=False)


def print_customers(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print the first portraits with their suggestions, and how many customers got one."""
    table = Table(show_edge=False, pad_edge=False, show_lines=True)
    for name in ("Transcript", "Portrait", "Suggestions"):
        table.add_column(name, overflow="fold")
    for row in rows[:CUSTOMERS_SHOWN]:
        labels = [f"{category} {', '.join(found)}" for category, found in row["portrait"]]
        labels += [f"{category} not {', '.join(found)}" for category, found in row["refused"]]
        suggestions = [_suggestion(found) for found in row["suggestions"]]
        cells = (f"{row['id']}\n{row['text']}", "\n".join(labels), "\n".join(suggestions))
        table.add_row(*map(escape, cells))
    console.print(table)
    served = sum(bool(row["suggestions"]) for row in rows)
    failed = sum(row["status"] == FAILED for row in rows)
    told = f"{len(rows)} customers, {served} with suggestions" + (f", {failed} failed" if failed else "")
    console.print(told, highlight=False)


def _suggestion(found: Mapping[str, Any]) -> str:
    causes = ", ".join(cause["label"] for cause in found["causes"])
    return f"{found['score']:.2f} {found['product']} {found['name']} <- {causes}"
