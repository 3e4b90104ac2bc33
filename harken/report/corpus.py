"""The training data the run made: labels, speech, and what the judge kept of it."""

import math
from collections.abc import Mapping, Sequence

from harken.report import plots
from harken.report.audio import Shelf
from harken.report.blocks import (
    Cell,
    Column,
    TableCell,
    TableRow,
    details,
    facts,
    nothing,
    plural,
    section,
    share_bar,
    side_by_side,
    stack,
    subsection,
    table,
)
from harken.report.data import JudgeCheck, JudgeReport, LabelReport, LabelRow, ReportData, SpeechReport
from harken.report.markup import Markup, element, join
from harken.report.measures import percent, rate, with_interval
from harken.report.transcript import Highlighter

MAX_ROWS = 200
"""Labels in the page."""


def labels(report: LabelReport | None, highlighter: Highlighter, shelf: Shelf) -> Markup:
    """The pseudo-labels with their keywords and seeds, and how well they cover the vocabulary."""
    title = "Labels"
    if report is None:
        return section("labels", title, nothing("The label stage was not part of this run."))
    if not report.total:
        return section("labels", title, nothing("The label stage produced no rows."))
    shown = report.rows[:MAX_ROWS]
    summary = f"{'All' if len(shown) == report.total else f'{len(shown):,} of'} {plural(report.total, 'label')}"
    return section(
        "labels",
        title,
        _coverage(report, highlighter),
        details(summary, _labels(shown, highlighter, shelf), opened=len(shown) <= 12, long=True)
        if shown
        else nothing("The run kept no sample of its labels for this page."),
        lead=f"{plural(report.total, 'sentence')} written around the keyword list, in the style of the seed sentences.",
    )


def _coverage(report: LabelReport, highlighter: Highlighter) -> Markup:
    if not report.coverage:
        return nothing("Keyword coverage was not measured.")
    columns = [
        Column("Category"),
        Column("Terms", numeric=True),
        Column("Used", numeric=True),
        Column("Coverage", numeric=True),
        Column(""),
        Column("Mentions", numeric=True),
        Column("Mentions per term", numeric=True),
    ]
    rows: list[TableRow] = []
    for found in report.coverage:
        share = found.used / found.terms if found.terms else None
        each = found.mentions / found.terms if found.terms else None
        rows.append(
            [
                Cell(highlighter.chip(found.category), found.category),
                found.terms,
                found.used,
                Cell(percent(share), share),
                Cell(share_bar(share), share),
                found.mentions,
                Cell("n/a" if each is None else f"{each:.1f}", each),
            ]
        )
    return table("Keyword coverage by category", columns, rows)


def _labels(shown: Sequence[LabelRow], highlighter: Highlighter, shelf: Shelf) -> Markup:
    judged = any(row.verdict or row.cer is not None for row in shown)
    spoken = any(row.audio for row in shown)
    columns = [Column("#", numeric=True), Column("Label"), Column("Seed sentences shown to the writer")]
    columns += [Column("Voice")] if any(row.speaker for row in shown) else []
    columns += [Column("Judge CER", numeric=True), Column("Verdict")] if judged else []
    columns += [Column("Speech")] if spoken else []
    rows: list[TableRow] = []
    for number, label in enumerate(shown, start=1):
        cells: list[TableCell] = [
            number,
            Cell(highlighter.keywords(label.text, label.spans), label.text),
            Cell([element("div", highlighter.phrase(seed)) for seed in label.seeds] or "none", kind="seeds"),
        ]
        if any(row.speaker for row in shown):
            cells.append(label.speaker)
        if judged:
            cells += [Cell(rate(label.cer), label.cer), label.verdict]
        if spoken:
            cells.append(Cell(shelf.player(label.audio, f"Synthetic speech of label {number}"), ""))
        rows.append(cells)
    return table("Labels with their keywords", columns, rows)


def speech(report: SpeechReport | None) -> Markup:
    """How much was spoken, by which voices, with which augmentation."""
    title = "Synthetic speech"
    if report is None:
        return section("speech", title, nothing("The speech stage was not part of this run."))
    if not report.durations:
        return section("speech", title, nothing("The speech stage produced no audio."))
    total = sum(filter(math.isfinite, report.durations))
    length = f"{total / 3600:.1f} hours" if total >= 3600 else f"{total / 60:.1f} minutes"
    rows = len(report.durations)
    return section(
        "speech",
        title,
        side_by_side(
            plots.duration_histogram(report.durations),
            stack(
                _counts("Voices", "Voice", report.voices, rows),
                _counts("Augmentation", "Kind", report.augmentation, rows),
            ),
        ),
        lead=f"{plural(rows, 'utterance')}, {length} in all.",
    )


def _counts(title: str, name: str, counts: Mapping[str, int], total: int) -> Markup:
    if not counts:
        return subsection(title, nothing("Not recorded."))
    rows: list[TableRow] = []
    for kind, number in counts.items():
        share = number / total if total else None
        rows.append([kind, number, Cell(percent(share), share), Cell(share_bar(share, "series-0"), share)])
    columns = [Column(name), Column("Rows", numeric=True), Column("Share", numeric=True), Column("")]
    return table(title, columns, rows)


def judge(data: ReportData, highlighter: Highlighter) -> Markup:
    """What the judge kept, why it rejected the rest, and what every other threshold would keep."""
    title = "Judge"
    report = data.judge
    if report is None:
        return section("judge", title, nothing("The judge stage was not part of this run."))
    judged = report.kept + sum(report.rejected.values())
    if not judged and not report.cers:
        return section("judge", title, nothing("The judge saw no rows."))
    measures = {"CER": report.cers, "carrier CER": report.carrier_cers}
    measure = _measure(report)
    rates = measures.pop(measure)
    curve = plots.remaining_curve(rates, report.threshold, measure, measures)
    return section(
        "judge",
        title,
        side_by_side(
            curve or nothing(f"No judged row has a {measure}."),
            stack(_verdicts(report, judged), _retention(report, highlighter)),
        ),
        _check(report.check) if report.check else None,
        lead="Un-tuned models transcribe the synthetic speech; rows they mishear too badly are not trained on.",
    )


def _measure(report: JudgeReport) -> str:
    return "carrier CER" if report.method == "carrier" else "CER"


def _check(check: JudgeCheck) -> Markup:
    rows: list[TableRow] = []
    for found in check.faults:
        share = found.caught / found.planted if found.planted else None
        shown = Cell(with_interval(found.recall), share)
        rows.append([found.fault, found.planted, found.caught, shown, Cell(share_bar(share), share)])
    columns = [
        Column("Planted fault"),
        Column("Takes", numeric=True),
        Column("Rejected", numeric=True),
        Column("Recall", numeric=True),
        Column(""),
    ]
    return subsection(
        "The judge on planted faults",
        facts(
            [
                ("Precision", with_interval(check.precision)),
                ("Recall", with_interval(check.recall)),
                ("False alarms", f"{plural(check.false_alarms, 'take')} rejected before a fault was planted in them"),
            ]
        ),
        table("Planted faults by kind", columns, rows),
    )


def _verdicts(report: JudgeReport, judged: int) -> Markup:
    counted = [("kept", report.kept), *((f"rejected: {reason}", number) for reason, number in report.rejected.items())]
    rows: list[TableRow] = []
    for index, (verdict, number) in enumerate(counted):
        share = number / judged if judged else None
        bar = share_bar(share, "series-1" if index == 0 else "series-0")
        rows.append([verdict, number, Cell(percent(share), share), Cell(bar, share)])
    columns = [Column("Verdict"), Column("Rows", numeric=True), Column("Share", numeric=True), Column("")]
    return join(
        facts([("Threshold", f"{_measure(report)} at most {report.threshold:g}"), ("Judged", plural(judged, "row"))]),
        table("Verdicts", columns, rows),
    )


def _retention(report: JudgeReport, highlighter: Highlighter) -> Markup:
    if not report.retention:
        return nothing("Keyword retention was not measured.")
    rows: list[TableRow] = []
    for found in report.retention:
        share = found.after / found.before if found.before else None
        shown = Cell(highlighter.chip(found.category), found.category)
        rows.append([shown, found.before, found.after, Cell(percent(share), share), Cell(share_bar(share), share)])
    columns = [
        Column("Category"),
        Column("Mentions before", numeric=True),
        Column("Kept", numeric=True),
        Column("Retention", numeric=True),
        Column(""),
    ]
    return table("Keyword mentions that survive the judge", columns, rows)
