"""Several systems by several measures in one table, the best of each measure in bold."""

from collections.abc import Sequence

from harken.report.blocks import Cell, Column, TableCell, TableRow, table
from harken.report.data import Systems
from harken.report.grid_console import best
from harken.report.markup import Markup, element, join
from harken.report.measures import Measure, number, with_interval


def ranking(title: str, first: str, systems: Systems, measures: Sequence[Measure]) -> Markup:
    """A row for each system; `first` names the column of their names. What was not measured is 'n/a'."""
    figures = {"systems": {name: {"metrics": metrics} for name, metrics in systems.items()}}
    leaders = {measure.key: best(figures, measure) for measure in measures}
    columns = [Column(first), *(Column(m.label, numeric=True, meaning=m.meaning) for m in measures)]
    rows: list[TableRow] = []
    for name, metrics in systems.items():
        row: list[TableCell] = [Cell(name, name, "name")]
        for measure in measures:
            interval = metrics.get(measure.key)
            value, bracket, rest = with_interval(interval).partition(" [")
            shown = element("b", value) if leaders[measure.key] == name else value
            within = element("span", f" [{rest}", class_="interval") if bracket else None
            row.append(Cell(join(shown, within), number(interval)))
        rows.append(row)
    return element("div", table(title, columns, rows), class_="narrow")
