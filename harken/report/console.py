"""The table a run ends with."""

from rich.console import Console
from rich.table import Table

from harken.report.data import Systems
from harken.report.measures import (
    Change,
    Measure,
    change,
    paired_interval,
    present,
    system_label,
    with_interval,
)


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
                cells.append(_change(systems, paired or {}, system, measure))
        table.add_row(measure.label, *cells)
    console.print(table)
    basis = "the interval of the paired difference excludes 0" if paired else "the two intervals do not overlap"
    console.print(f"In brackets: 95% intervals. Change from {system_label(first)}:", highlight=False)
    console.print(f"* {basis}; ~ may be chance.", highlight=False)


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
    if found.absolute is None or found.established is None:
        return " "
    return "*" if found.established else "~"
