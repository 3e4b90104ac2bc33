"""The page of `jobs.portraits --transcripts`: who the customers of given transcripts are, and what to offer them."""

from collections import Counter
from collections.abc import Iterable, Sequence

from harken.report.blocks import Cell, Column, TableRow, facts, nothing, plural, section, table
from harken.report.data import Customer, CustomerReport, PortraitReport
from harken.report.markup import Content, Markup, element, join
from harken.report.measures import number, percent, rate, with_interval
from harken.report.page import Chapters, assemble
from harken.report.portraits import customers_table, label_rates
from harken.report.run import reproduction
from harken.report.transcript import Highlighter
from harken.stages import cause

MAX_CUSTOMERS = 400
"""Customers in the page; more would make one that browsers open slowly. The Parquet file has all."""
MAX_PRODUCTS = 25
_LABELS_NAMED = 5

_CHAPTERS: Chapters = (
    ("Results", (("summary", "Summary"), ("rates", "How right they are"))),
    ("Portraits", (("categories", "Labels"), ("products", "Products"), ("customers", "Customers"))),
    ("Run", (("reproduction", "Configuration"),)),
)


def render_customers(report: CustomerReport) -> str:
    """The whole page as HTML text, to be written as UTF-8; every text of ``report`` is inert."""
    highlighter = Highlighter.coloured(report.language, _categories(report))
    sections = join(
        _summary(report),
        _rates(report.rates, highlighter),
        _labels(report.customers, highlighter),
        _products(report.customers, highlighter),
        _customers(report.customers, highlighter),
        reproduction(report.config_yaml, report.provenance),
    )
    return assemble(report.title, report.subtitle, _CHAPTERS, sections)


def _categories(report: CustomerReport) -> Iterable[str]:
    yield from (found.category for found in (report.rates.categories if report.rates else ()))
    yield from (mention.category for customer in report.customers for mention in customer.mentions)


def _summary(report: CustomerReport) -> Markup:
    read = [customer for customer in report.customers if customer.error is None]
    failed = Counter(cause(customer.error) for customer in report.customers if customer.error is not None)
    labelled = sum(bool(customer.mentions) for customer in read)
    served = sum(bool(customer.suggestions) for customer in read)
    tiles = [
        _tile("Customers", f"{len(read):,}", f"{plural(len(report.customers), 'transcript')} given"),
        _tile("With a label", _share(labelled, len(read)), f"{labelled:,} of {len(read):,}"),
        _tile("With a suggestion", _share(served, len(read)), f"{served:,} of {len(read):,}"),
    ]
    if report.rates:
        for metrics in report.rates.systems.values():
            interval = metrics.get("f1")
            tiles.append(_tile("Label F1", rate(number(interval)), f"95% interval: {with_interval(interval)}"))
    unread = [
        element("p", "Transcripts that could not be read:"),
        facts((why, f"{count:,}") for why, count in failed.most_common()),
    ]
    return section("summary", "Summary", element("div", tiles, class_="tiles"), unread if failed else None)


def _tile(title: str, value: str, beside: str) -> Markup:
    return element(
        "div",
        element("div", title, class_="tile-title"),
        element("div", value, class_="tile-value"),
        element("div", beside, class_="tile-beside"),
        class_="tile",
    )


def _rates(rates: PortraitReport | None, highlighter: Highlighter) -> Markup:
    title = "How right they are"
    if rates is None:
        return section("rates", title, nothing("No references were given (--references), so nobody can tell."))
    return section(
        "rates",
        title,
        label_rates(rates, highlighter),
        lead=f"On {plural(rates.total, 'transcript')} with a reference. A label counts once a transcript, and only "
        "with its yes or no: who hears “not in black” as “in black” has two errors.",
    )


def _labels(customers: Sequence[Customer], highlighter: Highlighter) -> Markup:
    wanted, refused, sounding = (Counter[tuple[str, str]]() for _ in range(3))
    named = Counter[str]()
    for customer in customers:
        mentions = customer.mentions
        wanted.update({(found.category, found.label) for found in mentions if not found.refused})
        refused.update({(found.category, found.label) for found in mentions if found.refused})
        sounding.update({(found.category, found.label) for found in mentions if found.by_sound})
        named.update({found.category for found in mentions})
    if not named:
        return section("categories", "Labels", nothing("No label was found in any transcript."))
    columns = [Column("Category"), Column("Customers", numeric=True, meaning="with any label of the category")]
    columns += [Column("Wanted", numeric=True), Column("Refused", numeric=True)]
    columns += [Column("By sound", numeric=True, meaning="found in words that are spelled otherwise")]
    columns += [Column("Different labels", numeric=True), Column("The most frequent")]
    rows: list[TableRow] = []
    for category, count in named.most_common():
        of_category = [_of(category, counted) for counted in (wanted, refused, sounding)]
        labels = of_category[0] + of_category[1]
        rows.append(
            [
                Cell(highlighter.chip(category), category),
                count,
                *(counted.total() for counted in of_category),
                len(labels),
                Cell(_counted(labels, highlighter), ""),
            ]
        )
    lead = "A label counts once a customer, whether the customer wants it or refuses it."
    return section("categories", "Labels", table("Labels by category", columns, rows), lead=lead)


def _products(customers: Sequence[Customer], highlighter: Highlighter) -> Markup:
    title = "Products"
    suggested, first = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    causes: dict[tuple[str, str], Counter[str]] = {}
    for customer in customers:
        for place, found in enumerate(customer.suggestions):
            product = (found.product, found.name)
            suggested[product] += 1
            first[product] += place == 0
            causes.setdefault(product, Counter()).update(found.causes)
    if not suggested:
        return section("products", title, nothing("No product was suggested to any customer."))
    columns = [Column("Product"), Column("Suggested to", numeric=True), Column("as the first", numeric=True)]
    columns += [Column("Because of")]
    rows: list[TableRow] = [
        [
            Cell(highlighter.phrase(" ".join(product)), " ".join(product)),
            count,
            first[product],
            Cell(_counted(causes[product], highlighter), ""),
        ]
        for product, count in suggested.most_common(MAX_PRODUCTS)
    ]
    shown = f"The {len(rows)} most suggested of {len(suggested):,}" if len(suggested) > len(rows) else "Suggestions"
    return section("products", title, table(shown, columns, rows))


def _customers(customers: Sequence[Customer], highlighter: Highlighter) -> Markup:
    shown = customers[:MAX_CUSTOMERS]
    lead = (
        "Marked: the words that are evidence of a label. An arrow leads from a label back to words spelled otherwise."
    )
    if len(shown) < len(customers):
        lead = f"The first {len(shown):,} of {plural(len(customers), 'customer')}. {lead}"
    return section(
        "customers", "Customers", _search(), customers_table(shown, highlighter, "Note", filtered=True), lead=lead
    )


def _search() -> Markup:
    words = element("label", "Find ", element("input", type="search", name="words"))
    return element("form", words, element("output", name="count"), class_="filter", hidden=True)


def _of(category: str, labels: Counter[tuple[str, str]]) -> Counter[str]:
    return Counter({label: count for (its, label), count in labels.items() if its == category})


def _counted(labels: Counter[str], highlighter: Highlighter) -> Content:
    told = ", ".join(f"{label} ({count:,})" for label, count in labels.most_common(_LABELS_NAMED))
    return highlighter.phrase(f"{told}, …" if len(labels) > _LABELS_NAMED else told)


def _share(part: int, whole: int) -> str:
    return percent(part / whole if whole else None)
