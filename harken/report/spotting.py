"""The report of a keyword spotter's evaluation in one HTML file: how well it spots, what it costs, how it learnt."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from harken.report.audio import Shelf
from harken.report.blocks import (
    Cell,
    Column,
    TableCell,
    TableRow,
    details,
    nothing,
    plural,
    section,
    side_by_side,
    stack,
    subsection,
    table,
)
from harken.report.data import Interval
from harken.report.grid_plots import rate_curves
from harken.report.markup import Markup, element, join
from harken.report.measures import Measure, number, rate, with_interval
from harken.report.page import AUDIO_BUDGET, Chapters, assemble
from harken.report.ranking import ranking
from harken.report.run import reproduction
from harken.report.spotting_plots import gate_curves, group_dots, precision_recall_plot

BASELINE = "baseline"
"""The variant that the others are held against."""

Found = Mapping[str, Any]

SPOTTING_MEASURES = (
    Measure("f1", "F1", "Harmonic mean of precision and recall at the threshold chosen on validation pairs.", True),
    Measure("precision", "Precision", "Share of the pairs spotted in which the term was said.", True),
    Measure("recall", "Recall", "Share of the pairs in which the term was said that were spotted.", True),
    Measure("f1_at_1", "F1@1", "F1 when the highest score of each utterance counts as spotted.", True),
    Measure("f1_at_5", "F1@5", "F1 when the five highest scores of each utterance count as spotted.", True),
    Measure("mean_average_precision", "mAP", "Area under the precision-recall curve, a mean over terms.", True),
)

_SIZES = ("bytes_per_keyword", "padded_bytes_per_keyword")

_CHAPTERS: Chapters = (
    ("Results", (("summary", "Summary"), ("results", "Spotting"), ("cost", "Memory and speed"))),
    ("Detail", (("curves", "Precision and recall"), ("groups", "By group"), ("mistakes", "Worst mistakes"))),
    ("Training", (("training", "Validation"), ("gate", "Layer selection"))),
    ("Run", (("reproduction", "Configuration"),)),
)


def render_spotting(found: Found) -> str:
    """The whole report as HTML text; every text in it is inert.

    Args:
        found: what ``evaluation.json`` holds. Intervals are ``{"value", "low", "high"}``; lists may be empty, and
            what is marked [] may be missing. ::

                {"title": str, "notes": [str],
                 "sets": {set: {"utterances": int, "terms": int, "pairs": int, "said": int}},
                 "variants": {variant: {
                     "layers": [int],                     the encoder layers whose frames are kept
                     "bytes_per_keyword": float,          as stored (`KeywordEmbeddings.bytes_per_keyword`)
                     "padded_bytes_per_keyword": int,     as the paper counts (`padded_bytes_per_keyword`)
                     ["pairs_per_second": float],
                     "sets": {set: {
                         "rates": {metric: Interval},     `spotting_rates`
                         "curve": {"precision": [float], "recall": [float]},          `Curve.thinned`
                         "groups": {key: {group: {"pairs", "said", "rates"}}},        `rates_by`
                         "false_alarms": [{"term", "text", "score"[, "audio"]}],      `worst_mistakes`;
                         "misses": [the same]}},                                      audio: base64
                     "training": {seed: {"layers": [int],     those trained on, which a gate weighs
                                         "epochs": [Epoch]}}}},                       `compression.training.Epoch`
                 "config": str, "provenance": {str: Any}}
    """
    sets = ", ".join(f"{name}: {plural(size['utterances'], 'utterance')}" for name, size in found["sets"].items())
    sections = join(
        _summary(found),
        _results(found),
        _cost(found["variants"]),
        _curves(found),
        _groups(found),
        _mistakes(found),
        _training(found["variants"]),
        _gate(found["variants"]),
        reproduction(found["config"], found["provenance"]),
    )
    return assemble(found["title"], sets, _CHAPTERS, sections)


def _summary(found: Found) -> Markup:
    variants = found["variants"]
    told = []
    for test in found["sets"]:
        scores = {name: interval for name in variants if (interval := _rate(variants[name], test, "f1")) is not None}
        if scores:
            shown = ", ".join(f"{name} {with_interval(interval)}" for name, interval in scores.items())
            told.append(f"{test}: F1 {shown}")
    for name, variant in variants.items():
        if name != BASELINE and BASELINE in variants:
            stored, padded = (_times(_ratio(variants, name, key)) for key in _SIZES)
            bytes_stored = f"{variant['bytes_per_keyword']:,.0f} bytes"
            told.append(
                f"{name} stores a keyword in {bytes_stored}: {stored} less than the baseline, {padded} by the paper's "
                "count."
            )
    notes = [element("li", note) for note in found["notes"]]
    warned = element("div", element("h3", "Before you rely on this"), element("ul", notes), class_="notes")
    return section(
        "summary",
        "Summary",
        element("ul", [element("li", line) for line in told]) if told else nothing("Nothing was evaluated."),
        warned if notes else None,
    )


def _results(found: Found) -> Markup:
    tables = []
    for test, size in found["sets"].items():
        title = (
            f"{test}: {plural(size['utterances'], 'utterance')} with {plural(size['terms'], 'term')}, "
            f"{plural(size['pairs'], 'pair')}, {size['said']:,} of them said"
        )
        systems = {name: _on(variant, test).get("rates", {}) for name, variant in found["variants"].items()}
        tables.append(ranking(title, "Variant", systems, SPOTTING_MEASURES))
    return section(
        "results",
        "Spotting",
        tables or nothing("There was no test set."),
        lead="Higher is better; the best in bold. In brackets the 95% bootstrap interval over utterances.",
    )


def _cost(variants: Found) -> Markup:
    columns = [
        Column("Variant"),
        Column("Layers"),
        Column("Bytes per keyword", numeric=True, meaning="Mean over the terms, as stored."),
        Column("less", numeric=True, meaning="Times fewer bytes than the baseline, as stored."),
        Column("By the paper's count", numeric=True, meaning="Zero-padded to the longest term, in float32."),
        Column("less", numeric=True, meaning="Times fewer bytes than the baseline, by the paper's count."),
        Column("Pairs/s", numeric=True, meaning="Compressed keyword and utterance in, score out."),
    ]
    rows: list[TableRow] = []
    for name, variant in variants.items():
        stored, padded = (variant[key] for key in _SIZES)
        ratios = [_ratio(variants, name, key) for key in _SIZES]
        speed = variant.get("pairs_per_second")
        rows.append(
            [
                Cell(name, name, "name"),
                ", ".join(map(str, variant["layers"])),
                Cell(f"{stored:,.0f}", stored),
                Cell(_times(ratios[0]), ratios[0]),
                Cell(f"{padded:,}", padded),
                Cell(_times(ratios[1]), ratios[1]),
                Cell("n/a" if speed is None else f"{speed:,.0f}", speed),
            ]
        )
    return section("cost", "Memory and speed", table("What a keyword and a pair cost", columns, rows))


def _curves(found: Found) -> Markup:
    plots = []
    for test in found["sets"]:
        drawn, chosen = {}, {}
        for name, variant in found["variants"].items():
            curve = _on(variant, test).get("curve", {"precision": [], "recall": []})
            drawn[name] = list(zip(curve["recall"], curve["precision"], strict=True))
            recall, precision = (number(_rate(variant, test, key)) for key in ("recall", "precision"))
            if recall is not None and precision is not None:
                chosen[name] = (recall, precision)
        plots.append(precision_recall_plot(f"{test}: precision and recall", drawn, chosen))
    shown = [plot for plot in plots if plot is not None]
    return section("curves", "Precision and recall", side_by_side(*shown) if shown else nothing("No curve was given."))


def _groups(found: Found) -> Markup:
    parts = []
    for test in found["sets"]:
        by_variant = {name: _on(variant, test).get("groups", {}) for name, variant in found["variants"].items()}
        for key in dict.fromkeys(key for keys in by_variant.values() for key in keys):
            of_key = {name: keys.get(key, {}) for name, keys in by_variant.items()}
            parts.append(_grouped(f"{test}: F1 by {key}", of_key))
    return section(
        "groups",
        "By group",
        parts or nothing("No groups were told apart."),
        lead="A group with few terms said has a wide interval and tells little by itself.",
    )


def _grouped(title: str, by_variant: Mapping[str, Mapping[str, Any]]) -> Markup:
    said = {group: figures["said"] for groups in by_variant.values() for group, figures in groups.items()}
    rates = {
        name: {group: figures["rates"]["f1"] for group, figures in groups.items()}
        for name, groups in by_variant.items()
    }
    columns = [Column("Variant"), *(Column(f"{group} ({count})", numeric=True) for group, count in said.items())]
    rows: list[TableRow] = []
    for name, by_group in rates.items():
        intervals = [by_group.get(group) for group in said]
        row: list[TableCell] = [Cell(name, name, "name")]
        row += [Cell(with_interval(interval), number(interval)) for interval in intervals]
        rows.append(row)
    numbers = element("div", table(f"{title} (terms said)", columns, rows), class_="narrow")
    return side_by_side(group_dots(title, "F1", said, rates), details("The same as a table", numbers))


def _mistakes(found: Found) -> Markup:
    shelf = Shelf(AUDIO_BUDGET)
    parts = []
    for test in found["sets"]:
        for name, variant in found["variants"].items():
            figures = _on(variant, test)
            alarms, misses = figures.get("false_alarms", []), figures.get("misses", [])
            if alarms or misses:
                tables = (_mistaken("False alarms", alarms, shelf), _mistaken("Misses", misses, shelf))
                parts.append(details(f"{test}, {name}", side_by_side(*tables), long=True))
    return section(
        "mistakes",
        "Worst mistakes",
        parts or nothing("No mistakes were given."),
        lead="Terms spotted that were not said, the highest scores first, and terms missed, the lowest scores first.",
    )


def _mistaken(title: str, mistakes: Sequence[Mapping[str, Any]], shelf: Shelf) -> Markup:
    if not mistakes:
        return stack(element("h3", title), nothing("There are none."))
    heard = any(mistake.get("audio") for mistake in mistakes)
    columns = [Column("Term"), Column("Utterance"), Column("Score", numeric=True)]
    columns += [Column("Recording")] if heard else []
    rows: list[TableRow] = []
    for mistake in mistakes:
        row: list[TableCell] = [mistake["term"], mistake["text"], Cell(f"{mistake['score']:.2f}", mistake["score"])]
        if heard:
            recording = base64.b64decode(mistake.get("audio") or "")
            row.append(shelf.player(recording, f"utterance for {mistake['term']}"))
        rows.append(row)
    return table(title, columns, rows)


def _training(variants: Found) -> Markup:
    by_seed: dict[str, dict[str, list[tuple[float, Interval]]]] = {}
    for name, variant in variants.items():
        for seed, course in variant["training"].items():
            by_seed.setdefault(seed, {})[name] = [
                (epoch["number"], {"value": epoch["f1"]}) for epoch in course["epochs"]
            ]
    plots = [rate_curves(f"Validation F1, seed {seed}", curves, "epoch", "F1") for seed, curves in by_seed.items()]
    shown = [plot for plot in plots if plot is not None]
    return section("training", "Validation", side_by_side(*shown) if shown else nothing("No training was recorded."))


def _gate(variants: Found) -> Markup:
    parts = []
    for name, variant in variants.items():
        courses = {
            seed: (course["layers"], [epoch["gate"] for epoch in course["epochs"]])
            for seed, course in variant["training"].items()
            if course["epochs"] and all(epoch.get("gate") for epoch in course["epochs"])
        }
        if courses:
            parts.append(_selection(name, courses))
    return section(
        "gate",
        "Layer selection",
        parts or nothing("No variant with a gate was trained."),
        lead="Each layer's probability, in sum 1; a layer at 0 has no influence on any score.",
    )


def _selection(name: str, courses: Mapping[str, tuple[Sequence[int], Sequence[Sequence[float]]]]) -> Markup:
    columns = [Column("Seed"), Column("Layers at the end, with their probability")]
    rows: list[TableRow] = []
    selected = set()
    for seed, (layers, epochs) in courses.items():
        kept = [(layer, value) for layer, value in zip(layers, epochs[-1], strict=True) if value > 0]
        selected.add(tuple(layer for layer, _ in kept))
        rows.append([seed, ", ".join(f"{layer} ({rate(value)})" for layer, value in kept)])
    if len(courses) == 1:
        told = "There was one seed: it cannot tell whether the selection repeats."
    elif len(selected) == 1:
        told = "Every seed selects the same layers."
    else:
        told = "The selection varies with the seed."
    plots = [gate_curves(f"{name}, seed {seed}", layers, epochs) for seed, (layers, epochs) in courses.items()]
    return subsection(name, element("p", told), table("Selected layers", columns, rows), side_by_side(*plots))


def _rate(variant: Found, test: str, metric: str) -> Interval | None:
    interval: Interval | None = _on(variant, test).get("rates", {}).get(metric)
    return interval


def _on(variant: Found, test: str) -> Found:
    """A variant's figures on one set; empty if it was not evaluated there."""
    figures: Found = variant["sets"].get(test, {})
    return figures


def _ratio(variants: Found, name: str, key: str) -> float | None:
    """The baseline's bytes over this variant's."""
    return float(variants[BASELINE][key] / variants[name][key]) if BASELINE in variants else None


def _times(ratio: float | None) -> str:
    return "n/a" if ratio is None else f"{ratio:.0f}x" if ratio >= 100 else f"{ratio:.3g}x"
