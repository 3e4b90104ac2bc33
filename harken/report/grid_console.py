"""The tables a grid ends with, on the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape as _plain
from rich.table import Table

from harken.report.measures import MEASURES, Measure, number, rate, with_interval

GRID_METRICS = (
    "cer", "cer_cn", "cer_oth", "wer", "wer_cn", "wer_oth", "mer", "ier", "keyword_recall", "insertion_rate",
    "loop_rate",
)  # fmt: skip
"""The columns of the grid."""
_NOT_ON_A_TERMINAL = {"wer_cn", "wer_oth"}
_LOG_WIDTH = 160
COMPARED = ("cer", "mer", "ier", "keyword_recall")
SWEPT = ("cer", "keyword_recall")
"""What a sweep's curves show."""
IER_CLASSES = {"W": "words", "C": "characters", "S": "keywords"}

_BY_KEY = {measure.key: measure for measure in MEASURES}


def print_grid(found: Mapping[str, Any], console: Console) -> None:
    """Print what `jobs.measuring.measure` found: a table a test set, IER by class, recall, differences, sweeps."""
    if not console.is_terminal:
        # A log has no width of its own; folded into 80 columns the figures could not be read.
        console.width = max(console.width, _LOG_WIDTH)
    for shown in _tables(found):
        console.print(shown)
    console.print("In brackets: 95% intervals; of differences over the same resampled utterances.")
    console.print("* the interval excludes 0; ~ the difference may be chance.")
    for cell in found["cells"]:
        if cell["status"] == "failed":
            console.print(f"{cell['name']}: failed: {cell['error']}", markup=False, soft_wrap=True)
        elif cell["training"] and cell["training"]["said in tests"]:
            leaked = cell["training"]["said in tests"]
            told = f"{cell['name']}: {leaked} of its training sentences are also in a test set"
            console.print(told, markup=False, soft_wrap=True)
    for name, told in found["forgot"].items():
        console.print(f"{name}: {told}", markup=False, soft_wrap=True)
    console.print(f"IER segmenters: {', '.join(found['segmenters'])}")


def _tables(found: Mapping[str, Any]) -> Iterator[Table]:
    rows = [cell["name"] for cell in found["cells"]]
    for test, figures in found["sets"].items():
        yield _results(test, figures, rows)
    for test, figures in list(found["sets"].items())[:1]:
        yield _ier(test, figures, rows, found["segmenters"])
        yield _recall(test, figures, rows)
    if found["comparisons"]:
        yield _comparisons(found["comparisons"])
    for name, points in by_sweep(found["sweeps"]).items():
        yield _sweep(name, points)


def best(figures: Mapping[str, Any], measure: Measure) -> str | None:
    """The system that is best in a metric; None when fewer than two were measured."""
    values = {
        system: value
        for system, parts in figures["systems"].items()
        if (value := number(parts["metrics"].get(measure.key))) is not None
    }
    if len(values) < 2:
        return None
    return (max if measure.higher_is_better else min)(values, key=lambda system: values[system])


def grid_measures(keys: Sequence[str] = GRID_METRICS) -> list[Measure]:
    """The measures of these keys, in their order."""
    return [_BY_KEY[key] for key in keys]


def _results(test: str, figures: Mapping[str, Any], rows: Sequence[str]) -> Table:
    table = _table(f"{test}: {figures['utterances']} utterances (the best in bold)", "trained on")
    measures = [measure for measure in grid_measures() if measure.key not in _NOT_ON_A_TERMINAL]
    for measure in measures:
        table.add_column(measure.label, justify="right")
    leaders = {measure.key: best(figures, measure) for measure in measures}
    for name in rows:
        metrics = figures["systems"].get(name, {}).get("metrics", {})
        cells = []
        for measure in measures:
            shown = rate(number(metrics.get(measure.key)))
            cells.append(f"[bold]{shown}[/]" if leaders[measure.key] == name else shown)
        table.add_row(_plain(name), *cells)
    return table


def _ier(test: str, figures: Mapping[str, Any], rows: Sequence[str], segmenters: Sequence[str]) -> Table:
    table = _table(f"{test}: IER, and the error rate of each class of unit", "trained on", "IER")
    for segmenter in segmenters:
        for kind in IER_CLASSES.values():
            table.add_column(f"{kind} ({segmenter})", justify="right")
    for name in rows:
        parts = figures["systems"].get(name)
        if parts is None:
            continue
        rates = [
            rate(parts["ier_by_segmenter"][segmenter]["rates"][kind])
            for segmenter in segmenters
            for kind in IER_CLASSES
        ]
        table.add_row(_plain(name), with_interval(parts["metrics"]["ier"]), *rates)
    return table


def _recall(test: str, figures: Mapping[str, Any], rows: Sequence[str]) -> Table:
    systems = {name: figures["systems"][name] for name in rows if name in figures["systems"]}
    categories = next(iter(systems.values()))["keyword_recall_by_category"] if systems else {}
    table = _table(f"{test}: keyword recall by category", "trained on")
    for category, counted in categories.items():
        table.add_column(f"{_plain(category)} ({counted['mentions']})", justify="right")
    for name, parts in systems.items():
        recalls = [rate(parts["keyword_recall_by_category"][category]["recall"]) for category in categories]
        table.add_row(_plain(name), *recalls)
    return table


def _comparisons(comparisons: Sequence[Mapping[str, Any]]) -> Table:
    table = _table("Differences", "this", "less that", "on", texts=3)
    for measure in grid_measures(COMPARED):
        table.add_column(measure.label, justify="right")
    for pair in comparisons:
        shown = [difference(pair["metrics"][key]) for key in COMPARED]
        table.add_row(_plain(pair["this"]), _plain(pair["than"]), _plain(pair["test"]), *shown)
    return table


def difference(found: Mapping[str, float | None]) -> str:
    """``-0.123 [-0.150, -0.098]*``: a star where the interval excludes 0, a tilde where it does not."""
    value, low, high = (number(found, part) for part in ("value", "low", "high"))
    if value is None or low is None or high is None:
        return "n/a"
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]{'*' if low > 0 or high < 0 else '~'}"


def by_sweep(points: Sequence[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """The points of every sweep, in their order."""
    sweeps: dict[str, list[Mapping[str, Any]]] = {}
    for point in points:
        sweeps.setdefault(point["sweep"], []).append(point)
    return sweeps


def _sweep(name: str, points: Sequence[Mapping[str, Any]]) -> Table:
    table = _table(f"{name}: by {points[0]['key']}", "trained on", "on", "value", texts=2)
    for measure in grid_measures(SWEPT):
        table.add_column(measure.label, justify="right")
    for point in points:
        shown = [with_interval(point[key]) for key in SWEPT]
        table.add_row(_plain(point["variant"]), _plain(point["test"]), f"{point['value']:g}", *shown)
    return table


def _table(title: str, *headers: str, texts: int = 1) -> Table:
    """A table whose first ``texts`` columns hold words."""
    table = Table(title=f"\n{_plain(title)}", title_justify="left", show_edge=False, pad_edge=False)
    for place, header in enumerate(headers):
        table.add_column(header, justify="left" if place < texts else "right")
    return table
