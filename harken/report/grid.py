"""The report of a grid: the shape of the first paper's Tables 3 and 4 and Figure 6a, in one HTML file."""

from collections.abc import Mapping, Sequence
from typing import Any

from harken.report.audio import Shelf
from harken.report.blocks import (
    Cell,
    Column,
    TableCell,
    TableRow,
    change_badge,
    details,
    facts,
    nothing,
    plural,
    section,
    side_by_side,
    stack,
    table,
)
from harken.report.data import Interval, Utterance
from harken.report.grid_console import COMPARED, IER_CLASSES, SWEPT, best, by_sweep, grid_measures
from harken.report.grid_plots import rate_curves, row_dots
from harken.report.listening import cards
from harken.report.markup import Markup, element, join
from harken.report.measures import change, number, percent, rate, with_interval
from harken.report.page import AUDIO_BUDGET, Chapters, assemble
from harken.report.ranking import ranking
from harken.report.run import duration, reproduction
from harken.report.transcript import Highlighter

Found = Mapping[str, Any]
"""What `jobs.measuring.measure` found."""

_CHAPTERS: Chapters = (
    ("Results", (("summary", "Summary"), ("results", "The grid"), ("comparisons", "Differences"))),
    ("Detail", (("ier", "IER by class"), ("keywords", "Keywords"), ("sweeps", "Sweeps"), ("worst", "The worst"))),
    ("Run", (("training", "What was trained"), ("reproduction", "Configuration"))),
)


def render_grid(found: Found, worst: Sequence[Utterance] = (), language: str = "zh") -> str:
    """The whole report as HTML text; every text in it is inert.

    Args:
        worst: what the row with the lowest CER on the first test set hears worst there, the worst first.
        language: BCP 47 tag of the sentences.
    """
    rows = [cell["name"] for cell in found["cells"]]
    sections = join(
        _summary(found),
        _results(found["sets"], rows),
        _comparisons(found),
        _ier(found["sets"], rows, found["segmenters"]),
        _keywords(found["sets"], rows),
        _sweeps(found["sweeps"]),
        _worst(worst, language),
        _training(found["cells"]),
        reproduction(f"{found['grid']}\n---\n{found['pipeline']}", found["provenance"]),
    )
    tests = plural(len(found["sets"]), "test set")
    return assemble("Models x training sets", f"{plural(len(rows), 'row')}, {tests}", _CHAPTERS, sections)


def leader(found: Found) -> str | None:
    """The row with the lowest CER on the first test set, the only one if there are not two; None without any."""
    for figures in found["sets"].values():
        return best(figures, grid_measures(("cer",))[0]) or next(iter(figures["systems"]), None)
    return None


def _summary(found: Found) -> Markup:
    notes = [element("li", note) for note in found["notes"]]
    told = element("div", element("h3", "Before you rely on this"), element("ul", notes), class_="notes")
    leaders = [
        element("li", f"{test}: the lowest CER has {name} ({with_interval(_metric(figures, name, 'cer'))})")
        for test, figures in found["sets"].items()
        if (name := best(figures, grid_measures(("cer",))[0]))
    ]
    leaders += [element("li", f"{name}: {told}") for name, told in found["forgot"].items()]
    failed = [cell["name"] for cell in found["cells"] if cell["status"] == "failed"]
    return section(
        "summary",
        "Summary",
        element("ul", leaders) if leaders else nothing("There are not two rows to compare."),
        element("p", f"Failed: {', '.join(failed)}. The others are complete.", class_="nothing") if failed else None,
        told if notes else None,
    )


def _results(sets: Mapping[str, Any], rows: Sequence[str]) -> Markup:
    if not sets:
        return section("results", "The grid", nothing("No row was measured."))
    shown = []
    for test, figures in sets.items():
        plots = [
            row_dots(
                measure,
                {name: _metric(figures, name, measure.key) for name in rows if name in figures["systems"]},
                best(figures, measure),
            )
            for measure in grid_measures(("cer", "keyword_recall"))
        ]
        shown.append(_set_table(test, figures, rows))
        shown.append(side_by_side(*plots))
    return section("results", "The grid", shown, lead="Lower is better, except for keyword recall. The best in bold.")


def _set_table(test: str, figures: Mapping[str, Any], rows: Sequence[str]) -> Markup:
    title = f"{test}: {plural(figures['utterances'], 'utterance')}"
    systems = {name: figures["systems"].get(name, {}).get("metrics", {}) for name in rows}
    return ranking(title, "Trained on", systems, grid_measures())


def _comparisons(found: Found) -> Markup:
    title = "Differences"
    if not found["comparisons"]:
        return section("comparisons", title, nothing("There are not two rows to compare."))
    measures = grid_measures(COMPARED)
    columns = [Column("This"), Column("Less that"), Column("On")]
    for measure in measures:
        columns += [Column(measure.label, numeric=True), Column("", numeric=True), Column("p", numeric=True)]
    lines: list[TableRow] = []
    for pair in found["comparisons"]:
        systems = found["sets"][pair["test"]]
        line: list[TableCell] = [pair["this"], pair["than"], pair["test"]]
        for measure in measures:
            difference = pair["metrics"][measure.key]
            before, after = (_metric(systems, pair[side], measure.key) for side in ("than", "this"))
            badge = change_badge(change(before, after, difference, measure.higher_is_better))
            p = difference["p"]
            line += [Cell(_signed(difference), number(difference)), badge, Cell("n/a" if p is None else f"{p:.3g}", p)]
        lines.append(line)
    return section(
        "comparisons",
        title,
        element("div", table("Paired bootstrap over utterances", columns, lines), class_="narrow"),
        details("Any two rows: difference of CER (row less column)", _matrix(found["pairs"]), long=True),
        lead="✓ the 95% interval of the difference excludes zero; ≈ it does not: this may be chance.",
    )


def _matrix(pairs: Mapping[str, Mapping[str, Any]]) -> Markup:
    names = list(pairs)
    columns = [Column("CER, row less column"), *(Column(name, numeric=True) for name in names)]
    lines: list[TableRow] = []
    for this in names:
        line: list[TableCell] = [this]
        for than in names:
            difference = pairs[than].get(this)
            if difference is None:
                line.append("")
                continue
            value, low, high = (number(difference, part) for part in ("value", "low", "high"))
            certain = low is not None and high is not None and (low > 0 or high < 0)
            shown = "n/a" if value is None else f"{_minus(f'{value:+.3f}')} {'✓' if certain else '≈'}"
            line.append(Cell(shown, value))
        lines.append(line)
    return table("Differences of CER on the first test set", columns, lines, sortable=False)


def _ier(sets: Mapping[str, Any], rows: Sequence[str], segmenters: Sequence[str]) -> Markup:
    columns = [Column("Trained on"), Column("IER", numeric=True), Column("IER_ins", numeric=True)]
    columns += [
        Column(f"{kind}, {segmenter}", numeric=True) for segmenter in segmenters for kind in IER_CLASSES.values()
    ]
    shown = []
    for test, figures in sets.items():
        lines: list[TableRow] = []
        for name in rows:
            if name not in figures["systems"]:
                continue
            parts = figures["systems"][name]["ier_by_segmenter"]
            line: list[TableCell] = [Cell(name, name, "name")]
            for key in ("ier", "ier_ins"):
                interval = _metric(figures, name, key)
                line.append(Cell(with_interval(interval), number(interval)))
            for segmenter in segmenters:
                rates = parts[segmenter]["rates"]
                line += [Cell(rate(rates[kind]), rates[kind]) for kind in IER_CLASSES]
            lines.append(line)
        shown.append(table(f"{test}: integrated error rate", columns, lines))
    return section(
        "ier",
        "IER by class",
        shown or nothing("No row was measured."),
        lead="Share of words, single characters and keywords with any error inside; a unit counts as a whole.",
    )


def _keywords(sets: Mapping[str, Any], rows: Sequence[str]) -> Markup:
    shown = []
    for test, figures in sets.items():
        systems = {name: figures["systems"][name] for name in rows if name in figures["systems"]}
        counted = next(iter(systems.values()))["keyword_recall_by_category"] if systems else {}
        mentioned = {category: found for category, found in counted.items() if found["mentions"]}
        if not mentioned:
            continue
        columns = [Column("Trained on")]
        columns += [Column(f"{category} ({found['mentions']})", numeric=True) for category, found in mentioned.items()]
        lines: list[TableRow] = []
        for name, parts in systems.items():
            recalls = [parts["keyword_recall_by_category"][category]["recall"] for category in mentioned]
            lines.append([Cell(name, name, "name"), *(Cell(percent(recall), recall) for recall in recalls)])
        shown.append(table(f"{test}: keyword recall by category (mentions)", columns, lines))
    return section(
        "keywords",
        "Keywords",
        shown or nothing("No keyword is mentioned in a test set."),
        lead="A keyword counts only if its whole span is right. A category with few mentions says little by itself.",
    )


def _sweeps(points: Sequence[Mapping[str, Any]]) -> Markup:
    shown = []
    for name, swept in by_sweep(points).items():
        figures = [
            rate_curves(
                f"{name}: {measure.label}",
                _lines(swept, measure.key),
                swept[0]["key"],
                measure.label,
            )
            for measure in grid_measures(SWEPT)
        ]
        shown.append(side_by_side(*figures))
    return section(
        "sweeps",
        "Sweeps",
        shown or nothing("No setting was swept (`sweeps` in the grid's configuration)."),
        lead="One setting over several values: every point is a training of its own and a row of the grid.",
    )


def _lines(points: Sequence[Mapping[str, Any]], metric: str) -> dict[str, list[tuple[float, Interval]]]:
    """A line for each variant on each test set, named after whatever tells it from the others."""
    varying = [part for part in ("variant", "test") if len({point[part] for point in points}) > 1]
    lines: dict[str, list[tuple[float, Interval]]] = {}
    for point in points:
        name = ", ".join(point[part] for part in varying or ("test",))
        lines.setdefault(name, []).append((float(point["value"]), point[metric]))
    return lines


def _worst(worst: Sequence[Utterance], language: str) -> Markup:
    title = "The worst"
    if not worst:
        return section("worst", title, nothing("No utterance was kept for listening."))
    highlighter = Highlighter.coloured(language, (span.category for heard in worst for span in heard.spans))
    lead = "What the row with the lowest CER still hears worst on the first test set, beside what the first row hears."
    return section("worst", title, cards(worst, highlighter, Shelf(AUDIO_BUDGET)), lead=lead)


def _training(cells: Sequence[Mapping[str, Any]]) -> Markup:
    columns = [Column("Row"), Column("Training sets"), Column("Kept", numeric=True), Column("of", numeric=True)]
    columns += [Column("Said in a test", numeric=True), Column("Training", numeric=True), Column("Status")]
    lines: list[TableRow] = []
    known = []
    for cell in cells:
        training = cell["training"]
        status = Cell(cell["error"] or "ok", kind="worse" if cell["error"] else None)
        if training is None:
            lines.append([cell["name"], "none", Cell("n/a"), Cell("n/a"), Cell("n/a"), Cell("n/a"), status])
            continue
        sets = ", ".join(f"{name} ({count})" for name, count in training["sets"].items())
        seconds = training["seconds"]
        lines.append(
            [
                *(cell["name"], sets, training["kept"], training["spoken"], training["said in tests"]),
                Cell(duration(seconds), seconds),
                status,
            ]
        )
        known.append(stack(element("h3", cell["name"]), facts((k, str(v)) for k, v in training["facts"].items())))
    return section(
        "training",
        "What was trained",
        table("Rows of the grid", columns, lines),
        _learning(cells),
        details("Facts of every fine-tuning", known, long=True) if known else None,
        lead="Utterances that the judge kept, and how many of their sentences a test set says as well.",
    )


def _learning(cells: Sequence[Mapping[str, Any]]) -> Markup | None:
    held_out = {cell["name"]: [(point["epoch"], {"value": point["cer"]}) for point in cell["curve"]] for cell in cells}
    return rate_curves("CER on held-out rows of the training set, within each training", held_out, "epochs", "CER")


def _metric(figures: Mapping[str, Any], system: str, metric: str) -> Interval | None:
    interval: Interval | None = figures["systems"].get(system, {}).get("metrics", {}).get(metric)
    return interval


def _signed(difference: Interval) -> str:
    value, low, high = (number(difference, part) for part in ("value", "low", "high"))
    if value is None:
        return "n/a"
    return _minus(f"{value:+.3f}" if low is None or high is None else f"{value:+.3f} [{low:+.3f}, {high:+.3f}]")


def _minus(shown: str) -> str:
    return shown.replace("-", "\N{MINUS SIGN}")
