"""What the run achieved: headline figures, every metric, general speech, keyword categories, error spread."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from harken.forgetting import Forgetting
from harken.report import plots
from harken.report.blocks import (
    Cell,
    Column,
    TableCell,
    TableRow,
    change_badge,
    nothing,
    plural,
    section,
    share_bar,
    side_by_side,
    stack,
    table,
)
from harken.report.data import GeneralCheck, Interval, ReportData, Systems, Utterance, change_of
from harken.report.markup import Content, Markup, element, join
from harken.report.measures import (
    MEASURES,
    Change,
    Measure,
    change,
    number,
    paired_interval,
    percent,
    present,
    rate,
    system_label,
    with_interval,
)

HEADLINES = ("cer", "keyword_recall", "ier")
_BY_KEY = {measure.key: measure for measure in MEASURES}


def compared(systems: Systems, paired: Systems, system: str, measure: Measure) -> Change:
    """The change of one metric from the first system to ``system``."""
    first = next(iter(systems))
    return change(
        systems[first].get(measure.key),
        systems[system].get(measure.key),
        paired_interval(paired, system, measure.key),
        measure.higher_is_better,
    )


def summary(data: ReportData) -> Markup:
    """The tiles a reader sees first, and what to know before trusting them; the last system is the headline."""
    warned = [f"{told}." for told, gate in _gates(data.general) if gate.failed]
    notes = [element("li", note) for note in (*warned, *data.notes)]
    told = element("div", element("h3", "Before you rely on this"), element("ul", notes), class_="notes")
    tiles = [
        tile
        for tile in (
            *(_tile(data.systems, data.paired, _BY_KEY[key], _BY_KEY[key].label) for key in HEADLINES),
            _tile(data.general.systems, data.general.paired, _BY_KEY["cer"], "CER on general speech")
            if data.general
            else None,
        )
        if tile
    ]
    shown = element("div", tiles, class_="tiles") if tiles else nothing("No system was evaluated in this run.")
    return section("summary", "Summary", _verdict(data), shown, told if notes else None)


def _verdict(data: ReportData) -> Markup | None:
    if len(data.systems) < 2:
        return None
    first, last = next(iter(data.systems)), list(data.systems)[-1]
    told = [
        _told(_BY_KEY[key], data.systems[first].get(key), data.systems[last].get(key), found)
        for key in HEADLINES[:2]
        if (found := compared(data.systems, data.paired, last, _BY_KEY[key])).absolute is not None
    ]
    if not told:
        return None
    counted = f" on {plural(len(data.utterances), 'utterance')}" if data.utterances else ""
    sentence = f"{system_label(last)} against {system_label(first)}{counted}: {'; '.join(told)}."
    return element("p", sentence, class_="verdict")


def _told(measure: Measure, before: Interval | None, after: Interval | None, found: Change) -> str:
    noun = measure.label if measure.label.isupper() else measure.label.lower()
    if not found.absolute:
        return f"{noun} stays at {rate(number(after))}"
    verb = "rises" if found.absolute > 0 else "falls"
    doubt = ", which may be chance" if found.established is False else ""
    return f"{noun} {verb} from {rate(number(before))} to {rate(number(after))}{doubt}"


def _tile(systems: Systems, paired: Systems, measure: Measure, title: str) -> Markup | None:
    if not systems:
        return None
    first, last = next(iter(systems)), list(systems)[-1]
    after = systems[last].get(measure.key)
    if number(after) is None:
        return None
    beside: Content = system_label(last)
    if last != first:
        before = rate(number(systems[first].get(measure.key)))
        beside = join(
            f"{system_label(first)} ", element("b", before), " ", change_badge(compared(systems, paired, last, measure))
        )
    low, high = number(after, "low"), number(after, "high")
    interval = f"95% interval {rate(low)} to {rate(high)}" if low is not None and high is not None else "no interval"
    return element(
        "div",
        element("div", title, class_="tile-title"),
        element("div", rate(number(after)), class_="tile-value"),
        element("div", beside, class_="tile-beside"),
        element("div", interval, class_="tile-interval"),
        class_="tile",
        title=measure.meaning,
    )


def metrics(data: ReportData) -> Markup:
    """Every metric of every system with intervals, as a table and a plot."""
    if not present(data.systems):
        return section("metrics", "Metrics", nothing("No system was evaluated in this run."))
    plot = plots.metric_dots(data.systems)
    figures = systems_table("Domain test set", data.systems, data.paired)
    return section(
        "metrics",
        "Metrics",
        # More than two systems and their changes need the whole width.
        side_by_side(plot, figures) if len(data.systems) <= 2 else join(plot, figures),
        _legend(data.systems, data.paired),
        lead="Lower is better, except for keyword recall.",
    )


def systems_table(caption: str, systems: Systems, paired: Systems) -> Markup:
    """Metrics down, systems across, each with its change from the first system."""
    first = next(iter(systems))
    columns = [Column("Metric")]
    for system in systems:
        columns.append(Column(system_label(system), numeric=True))
        if system != first:
            columns.append(Column(f"vs {system_label(first)}", numeric=True))
    rows: list[TableRow] = []
    for measure in present(systems):
        row: list[TableCell] = [
            Cell(element("span", measure.label, title=measure.meaning or None), measure.label, "name")
        ]
        for system, values in systems.items():
            interval = values.get(measure.key)
            row.append(Cell(_value(with_interval(interval)), number(interval)))
            if system != first:
                found = compared(systems, paired, system, measure)
                row.append(Cell(change_badge(found), found.relative))
        rows.append(row)
    drawn = table(caption, columns, rows)
    return element("div", drawn, class_="narrow") if len(systems) > 2 else drawn


def _value(shown: str) -> Markup:
    value, bracket, interval = shown.partition(" [")
    return join(element("b", value), element("span", f" [{interval}", class_="interval") if bracket else None)


def _legend(systems: Systems, paired: Systems) -> Markup:
    if paired:
        basis = (
            "the 95% bootstrap interval of the paired difference (same utterances, resampled together) excludes zero"
        )
        unsure = "that interval includes zero: the test set cannot tell the systems apart"
    else:
        basis = "the two 95% intervals do not overlap"
        unsure = "they overlap: this report cannot tell the systems apart"
    explained = [
        join(element("dt", measure.label), element("dd", measure.meaning))
        for measure in present(systems)
        if measure.headline
    ]
    return join(
        element("p", f"✓ {basis}.  ≈ {unsure}.", class_="legend-text"),
        element("details", element("summary", "What the metrics mean"), element("dl", explained, class_="facts")),
    )


def general(data: ReportData) -> Markup:
    """The forgetting check."""
    title = "General speech"
    if data.general is None:
        return section("general", title, nothing("No general test set was given, so forgetting was not measured."))
    systems = data.general.systems
    if not present(systems):
        return section("general", title, nothing("The general test set has no scored utterances."))
    counted = f" ({plural(data.general.utterances, 'utterance')})" if data.general.utterances is not None else ""
    return section(
        "general",
        title,
        [
            element("p", element("span", told, class_=f"badge {'worse' if gate.failed else 'better'}"))
            for told, gate in _gates(data.general)
        ],
        systems_table(f"General test set{counted}", systems, data.general.paired),
        lead="Sentences without the business's vocabulary: what the model could do before must survive the training.",
    )


def _gates(general: GeneralCheck | None) -> list[tuple[str, Forgetting]]:
    """Each system's gate and what it says; who is meant is clear when there is one."""
    gates = general.gates if general else {}
    return [
        (f"{system_label(system)}: {gate}" if len(gates) > 1 else f"The {gate}", gate) for system, gate in gates.items()
    ]


def keywords(data: ReportData) -> Markup:
    """Keyword recall by category."""
    title = "Keywords"
    if data.recalls is None:
        return section("keywords", title, nothing("Keyword recall was not measured by category."))
    if not data.recalls:
        return section("keywords", title, nothing("No keyword is mentioned in the test set."))
    systems = list(dict.fromkeys(system for recall in data.recalls for system in recall.recall))
    columns = [Column("Category"), Column("Mentions", numeric=True)]
    columns += [Column(system_label(system), numeric=True) for system in systems]
    rows: list[TableRow] = []
    for recall in data.recalls:
        found = [recall.recall.get(system) for system in systems]
        rows.append([recall.category, recall.mentions, *(Cell(percent(value), value) for value in found)])
    return section(
        "keywords",
        title,
        side_by_side(plots.recall_bars(data.recalls), table("Keyword recall by category", columns, rows)),
        lead="A keyword counts only if its whole span is right. A category with few mentions says little by itself.",
    )


def spread(utterances: Sequence[Utterance] | None) -> Markup:
    """How errors spread over the utterances."""
    title = "Error spread"
    if not utterances:
        why = "The run kept no utterances." if utterances is None else "The test set has no utterances."
        return section("spread", title, nothing(why))
    cers: dict[str, list[float]] = {}
    for utterance in utterances:
        for system, hypothesis in utterance.hypotheses.items():
            if hypothesis.cer is not None and math.isfinite(hypothesis.cer):
                cers.setdefault(system, []).append(hypothesis.cer)
    histogram = plots.cer_histograms(cers)
    if histogram is None:
        return section("spread", title, nothing("No utterance has a character error rate."))
    return section(
        "spread",
        title,
        side_by_side(histogram, stack(_quantiles(cers), _movement(utterances))),
        lead="A mean hides whether few utterances fail badly or many a little.",
    )


def _quantiles(cers: Mapping[str, Sequence[float]]) -> Markup:
    rows: list[TableRow] = [
        ["without an error", *(percent(sum(cer == 0 for cer in found) / len(found)) for found in cers.values())],
        ["median CER", *(rate(_quantile(found, 0.5)) for found in cers.values())],
        ["90th percentile", *(rate(_quantile(found, 0.9)) for found in cers.values())],
        ["worst", *(rate(max(found)) for found in cers.values())],
    ]
    columns = [Column("Utterances"), *(Column(system_label(system), numeric=True) for system in cers)]
    return table("Spread of the CER", columns, rows, sortable=False)


def _quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def _movement(utterances: Sequence[Utterance]) -> Markup | None:
    counts = Counter(change_of(utterance) for utterance in utterances)
    known = counts["better"] + counts["same"] + counts["worse"]
    if not known:
        return None
    systems = next(list(utterance.hypotheses) for utterance in utterances if change_of(utterance) != "unknown")
    first, last = systems[0], systems[-1]
    names = {"better": "fewer errors", "same": "equally many", "worse": "more errors"}
    rows: list[TableRow] = [
        [name, counts[kind], percent(counts[kind] / known), share_bar(counts[kind] / known, "series-0")]
        for kind, name in names.items()
    ]
    columns = [
        Column(f"{system_label(last)} against {system_label(first)}"),
        Column("Utterances", numeric=True),
        Column("Share", numeric=True),
        Column(""),
    ]
    return table("What changed, utterance by utterance", columns, rows, sortable=False)
