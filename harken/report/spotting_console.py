"""The tables that training or judging keyword spotters ends with, on the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from harken.report.measures import number, rate, with_interval

_LOG_WIDTH = 120


def print_spotting(found: Mapping[str, Any], console: Console) -> None:
    """Print what ``evaluation.json`` holds (`harken.report.spotting`): `spotting_tables`, then its notes."""
    if not console.is_terminal:
        # A log has no width of its own; folded into 80 columns the figures could not be read.
        console.width = max(console.width, _LOG_WIDTH)
    rates = {
        name: variant | {"sets": {test: judged["rates"] for test, judged in variant["sets"].items()}}
        for name, variant in found["variants"].items()
    }
    for table in spotting_tables(found["sets"], rates):
        console.print(table)
    for line in found["notes"]:
        console.print(line, markup=False, soft_wrap=True)


def spotting_tables(sets: Mapping[str, Any], variants: Mapping[str, Any]) -> list[Table]:
    """A table for each test set, a row for each variant.

    Args:
        sets, variants: as in ``evaluation.json``, but of each of a variant's sets its rates alone.
    """
    return [_table(name, size, variants) for name, size in sets.items()]


def _table(name: str, size: Mapping[str, int], variants: Mapping[str, Any]) -> Table:
    said = f"{size['said']} of {size['pairs']} pairs said"
    table = Table(title=f"{escape(name)}: {size['utterances']} utterances, {size['terms']} terms, {said}")
    for place, head in enumerate(("variant", "layers", "F1", "F1@1", "mAP", "bytes", "paper's bytes", "pairs/s")):
        table.add_column(head, justify="left" if place < 2 else "right")
    for variant, found in variants.items():
        rates = found["sets"][name]
        table.add_row(
            variant,
            ", ".join(map(str, found["layers"])),
            with_interval(rates["f1"]),
            *(rate(number(rates[key])) for key in ("f1_at_1", "mean_average_precision")),
            f"{found['bytes_per_keyword']:,.0f}",
            f"{found['padded_bytes_per_keyword']:,}",
            f"{found['pairs_per_second']:,.0f}",
        )
    return table
