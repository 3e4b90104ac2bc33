"""What biasing by a glossary changed, against the same models without it."""

from harken.report.blocks import Cell, Column, TableRow, nothing, plural, section, side_by_side, table
from harken.report.data import BiasedSet, BiasingReport
from harken.report.markup import Markup
from harken.report.measures import percent, system_label
from harken.report.results import systems_table


def biasing(report: BiasingReport | None) -> Markup:
    """Each biased system beside the same one without, and the fate of the terms that were detected."""
    title = "Biasing"
    if report is None:
        return section("biasing", title, nothing("No glossary was searched in this run."))
    tables = [
        systems_table(f"{system_label(one.than)} and with the glossary, {one.name} set", one.systems, one.paired)
        for one in report.sets
    ]
    pairs = [side_by_side(*tables[start : start + 2]) for start in range(0, len(tables), 2)]
    return section(
        "biasing",
        title,
        pairs,
        _outcomes(report),
        _refused(report),
        lead=f"A glossary of {plural(report.entries, 'entry', 'entries')} is searched in every utterance. A detected "
        "term takes the place of words only where time, sound and the decoder's own scores agree.",
    )


def _outcomes(report: BiasingReport) -> Markup:
    columns = [Column("System"), Column("Set"), Column("Detected", numeric=True)]
    outcomes = list(dict.fromkeys(outcome for one in report.sets for outcome in one.outcomes))
    columns += [Column(outcome.capitalize(), numeric=True) for outcome in outcomes]
    rows: list[TableRow] = []
    for one in report.sets:
        total = sum(one.outcomes.values())
        fates = [_share(one.outcomes.get(outcome, 0), total) for outcome in outcomes]
        rows.append([system_label(one.system), one.name, total, *fates])
    return table("What became of the detected terms", columns, rows)


def _share(count: int, total: int) -> Cell:
    return Cell(f"{count:,} ({percent(count / total)})" if total else "0", count)


def _refused(report: BiasingReport) -> Markup | None:
    reasons = list(dict.fromkeys(reason for one in report.sets for reason in one.refused))
    if not reasons:
        return None
    columns = [Column("Rejected because")]
    columns += [Column(_name(one), numeric=True) for one in report.sets]
    rows: list[TableRow] = [[reason, *(one.refused.get(reason, 0) for one in report.sets)] for reason in reasons]
    return table("Why terms were rejected", columns, rows)


def _name(one: BiasedSet) -> str:
    return f"{system_label(one.system)}, {one.name}"
