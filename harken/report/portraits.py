"""Customer portraits: how right their labels are, and what they suggest."""

from harken.report.blocks import Cell, Column, TableRow, details, nothing, plural, section, side_by_side, stack, table
from harken.report.data import Customer, PortraitReport, Span
from harken.report.markup import Content, Markup, element, join
from harken.report.measures import rate, system_label
from harken.report.results import systems_table
from harken.report.transcript import Highlighter


def portraits(report: PortraitReport | None, highlighter: Highlighter) -> Markup:
    """Label F1 of every system, by category, and a sample of customers with their suggestions."""
    title = "Portraits"
    if report is None:
        return section("portraits", title, nothing("Customer portraits were not part of this run."))
    systems = list(report.systems)
    columns = [Column("Category"), Column("Labels said", numeric=True)]
    columns += [Column(system_label(system), numeric=True) for system in systems]
    rows: list[TableRow] = [
        [
            Cell(highlighter.chip(found.category), found.category),
            found.labels,
            *(Cell(rate(found.f1.get(system)), found.f1.get(system)) for system in systems),
        ]
        for found in report.categories
    ]
    return section(
        "portraits",
        title,
        side_by_side(
            stack(systems_table("Portrait labels", report.systems, report.paired), _by_sound(report)),
            table("Label F1 by category", columns, rows),
        ),
        _customers(report, highlighter),
        lead="What the transcripts say about each customer, and the products that speak to it. A label counts once an "
        "utterance, and only with its yes or no: who hears “not in black” as “in black” has two errors.",
    )


def _by_sound(report: PortraitReport) -> Markup | None:
    if report.spelled_f1 is None:
        return None
    told = "; ".join(f"{system_label(system)} {rate(value)}" for system, value in report.spelled_f1.items())
    return element("p", f"F1 without the names that were found by their sound: {told}.", class_="legend-text")


def _customers(report: PortraitReport, highlighter: Highlighter) -> Markup:
    if not report.customers:
        return nothing("No customer was heard.")
    columns = [Column(f"Note, as {system_label(report.system).lower()} heard it"), Column("Suggestions")]
    rows: list[TableRow] = [
        [_note(customer, highlighter), _suggestions(customer, highlighter)] for customer in report.customers
    ]
    shown = f"{len(report.customers)} of {plural(report.total, 'customer')}"
    return details(shown, table("Customers", columns, rows, sortable=False), opened=True, long=True)


def _note(customer: Customer, highlighter: Highlighter) -> Content:
    spans = [Span(span.start, span.end, span.category) for span in customer.spans]
    refused = element("div", "refused: ", highlighter.phrase(", ".join(customer.refused))) if customer.refused else None
    return join(highlighter.keywords(customer.text, spans), refused)


def _suggestions(customer: Customer, highlighter: Highlighter) -> Content:
    if not customer.suggestions:
        return nothing("No product has what was asked for.")
    return [
        element(
            "div",
            element("b", f"{found.score:.2f} "),
            highlighter.phrase(f"{found.product} {found.name}"),
            element("span", " because of ", class_="unseen"),
            " ← ",
            highlighter.phrase(", ".join(found.causes)),
        )
        for found in customer.suggestions
    ]
