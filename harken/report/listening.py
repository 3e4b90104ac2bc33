"""The test utterances: what was said, what each system heard, and the recordings."""

from collections.abc import Sequence

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
    subsection,
    table,
)
from harken.report.data import Hypothesis, ReportData, Utterance, change_of
from harken.report.markup import Content, Markup, element, join
from harken.report.measures import rate, system_label
from harken.report.plots import series_of
from harken.report.transcript import Highlighter

MAX_ROWS = 400
"""Utterances in the full table; more would make a page that browsers open slowly."""


def utterances(data: ReportData, highlighter: Highlighter, shelf: Shelf) -> Markup:
    """Cards for the utterances that can be listened to, a table of all of them, and a filter for both."""
    title = "Utterances"
    if not data.utterances:
        why = "The run kept no utterances." if data.utterances is None else "The test set has no utterances."
        return section("utterances", title, nothing(why))
    systems = _systems(data.utterances)
    audible = [utterance for utterance in data.utterances if utterance.audio]
    shown = data.utterances[:MAX_ROWS]
    worst = sorted((utterance for utterance in audible if utterance.worst), key=_last_rate, reverse=True)
    chosen = {"The worst": worst, "Drawn at random": [utterance for utterance in audible if not utterance.worst]}
    counted = plural(len(data.utterances), "utterance")
    if len(shown) < len(data.utterances):
        counted = f"the first {len(shown):,} of {counted}"
    return section(
        "utterances",
        title,
        _filter(),
        [subsection(name, cards(held, highlighter, shelf)) for name, held in chosen.items() if held]
        if audible
        else nothing("No utterance carries a recording."),
        details(f"Table of {counted}", _table(shown, systems, highlighter), opened=not audible, long=True),
        lead=join(
            "Marks: ",
            element("mark", "wrong", class_="wrong"),
            " character, ",
            element("ins", "extra"),
            " character, ",
            element("del", "missing"),
            " character",
            [", ", element("mark", "from the glossary", class_="biased")] if _biased(data.utterances) else None,
            ". Punctuation, spacing and case are not compared.",
        ),
    )


def cards(utterances: Sequence[Utterance], highlighter: Highlighter, shelf: Shelf) -> Markup:
    """A card for each utterance: its recording, what was said, and what every system heard."""
    systems = _systems(utterances)
    held = [_card(utterance, systems, highlighter, shelf) for utterance in utterances]
    return element("div", held, class_="cards")


def _systems(utterances: Sequence[Utterance]) -> list[str]:
    return list(dict.fromkeys(system for utterance in utterances for system in utterance.hypotheses))


def _biased(utterances: Sequence[Utterance]) -> bool:
    return any(found.terms is not None for utterance in utterances for found in utterance.hypotheses.values())


def _last_rate(utterance: Utterance) -> float:
    return next((hypothesis.cer or 0.0 for hypothesis in reversed(list(utterance.hypotheses.values()))), 0.0)


def _attributes(utterance: Utterance) -> dict[str, str]:
    last = list(utterance.hypotheses.values())[-1:]
    missed = any(not hit for hypothesis in last for hit in hypothesis.hits)
    return {"data_change": change_of(utterance), "data_missed": "yes" if missed else "no"}


def _filter() -> Markup:
    choices = (
        ("all", "all utterances"),
        ("better", "fewer errors than before"),
        ("worse", "more errors than before"),
        ("same", "the same number of errors"),
        ("missed", "a keyword still missed"),
    )
    return element(
        "form",
        element("label", "Find ", element("input", type="search", name="words")),
        element(
            "label",
            "Show ",
            element("select", [element("option", told, value=name) for name, told in choices], name="choice"),
        ),
        element("output", name="count"),
        class_="filter",
        hidden=True,
    )


def _card(utterance: Utterance, systems: Sequence[str], highlighter: Highlighter, shelf: Shelf) -> Markup:
    series = series_of(systems)
    heard = []
    for system in systems:
        hypothesis = utterance.hypotheses.get(system)
        name = element(
            "dt", element("span", class_=f"swatch {series[system].kind}", aria_hidden="true"), system_label(system)
        )
        heard.append(join(name, element("dd", _heard(utterance, hypothesis, highlighter))))
    about = " · ".join(part for part in (utterance.id, utterance.speaker, _seconds(utterance.seconds)) if part)
    return element(
        "article",
        element("div", element("span", about, class_="about"), class_="card-head"),
        shelf.player(utterance.audio, f"Recording of utterance {utterance.id}"),
        element(
            "dl",
            element("dt", "Reference"),
            element("dd", highlighter.keywords(utterance.reference, utterance.spans)),
            heard,
        ),
        class_="card filtered",
        **_attributes(utterance),
    )


def _heard(utterance: Utterance, hypothesis: Hypothesis | None, highlighter: Highlighter) -> Content:
    if hypothesis is None:
        return nothing("not decoded")
    return [
        _marked(utterance, hypothesis, highlighter),
        element(
            "div",
            element("span", "CER ", element("b", rate(hypothesis.cer)), class_="cer"),
            highlighter.hits(utterance, hypothesis),
            class_="scores",
        ),
        highlighter.terms(hypothesis.terms or ()),
    ]


def _marked(utterance: Utterance, hypothesis: Hypothesis, highlighter: Highlighter) -> Markup:
    return highlighter.errors(utterance.reference, hypothesis.text, hypothesis.terms or ())


def _table(shown: Sequence[Utterance], systems: Sequence[str], highlighter: Highlighter) -> Markup:
    columns = [Column("Utterance"), Column("Reference")]
    for system in systems:
        columns += [Column(f"{system_label(system)} heard"), Column("CER", numeric=True, meaning=system_label(system))]
    rows: list[TableRow] = []
    for utterance in shown:
        row: list[TableCell] = [
            Cell(utterance.id),
            Cell(highlighter.keywords(utterance.reference, utterance.spans), utterance.reference),
        ]
        for system in systems:
            hypothesis = utterance.hypotheses.get(system)
            if hypothesis is None:
                row += [Cell("not decoded", ""), Cell("n/a")]
            else:
                row.append(Cell(_marked(utterance, hypothesis, highlighter), hypothesis.text))
                row.append(Cell(rate(hypothesis.cer), hypothesis.cer))
        rows.append(row)
    attributes = [{**_attributes(utterance), "class_": "filtered"} for utterance in shown]
    return table("Test utterances and what each system heard", columns, rows, row_attributes=attributes)


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"
