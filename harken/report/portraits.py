"""Customer portraits: how right their labels are, and what they suggest."""

from collections.abc import Sequence

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
    return section(
        "portraits",
        title,
        label_rates(report, highlighter),
        _sample(report, highlighter),
        lead="What the transcripts say about each customer, and the products that speak to it. A label counts once an "
        "utterance, and only with its yes or no: who hears “not in black” as “in black” has two errors.",
    )


def label_rates(report: PortraitReport, highlighter: Highlighter) -> Markup:
    """How right the labels of every system are, beside their F1 by category."""
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
    return side_by_side(
        stack(systems_table("Portrait labels", report.systems, report.paired), _by_sound(report)),
        table("Label F1 by category", columns, rows),
    )


def customers_table(
    customers: Sequence[Customer], highlighter: Highlighter, heading: str, filtered: bool = False
) -> Markup:
    """Notes with their evidence marked, the portrait of each, and suggestions with the labels that caused them.

    ``filtered`` puts the rows under the page's filter.
    """
    columns = [Column(heading), Column("Portrait"), Column("Suggestions")]
    rows: list[TableRow] = [
        [_note(customer, highlighter), _portrait(customer, highlighter), _suggestions(customer, highlighter)]
        for customer in customers
    ]
    attributes = [{"class_": "filtered"} for _ in customers] if filtered else None
    return table("Customers", columns, rows, sortable=False, row_attributes=attributes)


def _by_sound(report: PortraitReport) -> Markup | None:
    if report.spelled_f1 is None:
        return None
    told = "; ".join(f"{system_label(system)} {rate(value)}" for system, value in report.spelled_f1.items())
    return element("p", f"F1 without the names that were found by their sound: {told}.", class_="legend-text")


def _sample(report: PortraitReport, highlighter: Highlighter) -> Markup:
    if not report.customers:
        return nothing("No customer was heard.")
    shown = f"{len(report.customers)} of {plural(report.total, 'customer')}"
    heading = f"Note, as {system_label(report.system).lower()} heard it"
    return details(shown, customers_table(report.customers, highlighter, heading), opened=True, long=True)


def _note(customer: Customer, highlighter: Highlighter) -> Content:
    spans = [Span(mention.start, mention.end, mention.category) for mention in customer.mentions]
    about = element("div", customer.id, class_="seeds")
    return join(highlighter.keywords(customer.text, spans), about)


def _portrait(customer: Customer, highlighter: Highlighter) -> Content:
    if customer.error is not None:
        return nothing(f"Not read: {customer.error}")
    found: dict[tuple[str, str, bool], list[str]] = {}
    for mention in customer.mentions:
        words = customer.text[mention.start : mention.end]
        told = f"{words}, by its sound" if mention.by_sound else words
        found.setdefault((mention.category, mention.label, mention.refused), []).append(told)
    if not found:
        return nothing("No label was found.")
    return [
        element(
            "div",
            highlighter.chip(category),
            " refused: " if refused else " ",
            highlighter.phrase(label if set(words) == {label} else f"{label} ← {'; '.join(dict.fromkeys(words))}"),
        )
        for (category, label, refused), words in found.items()
    ]


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
