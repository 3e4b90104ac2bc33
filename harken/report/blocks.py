"""The page's building blocks: sections, tables, badges, and plain words for what is not there."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from harken.report.markup import Content, Markup, element, join
from harken.report.measures import Change, percent, rate


@dataclass(frozen=True)
class Cell:
    """A table cell; ``key`` is what its column sorts by, the shown text if it is None."""

    content: Content
    key: float | str | None = None
    kind: str | None = None


TableCell: TypeAlias = Cell | Content
TableRow: TypeAlias = Sequence[TableCell]


@dataclass(frozen=True)
class Column:
    """A table column; ``numeric`` aligns it to the right, ``meaning`` explains it on hover."""

    name: str
    numeric: bool = False
    meaning: str = ""


def section(identity: str, title: str, *contents: Content, lead: Content = None) -> Markup:
    """A part of the page that the table of contents can point at."""
    return element(
        "section",
        element("h2", title, id=f"{identity}-title"),
        element("p", lead, class_="lead") if lead else None,
        *contents,
        id=identity,
        aria_labelledby=f"{identity}-title",
    )


def subsection(title: str, *contents: Content) -> Markup:
    """A titled part of a section."""
    return element("div", element("h3", title), *contents, class_="part")


def side_by_side(*contents: Content) -> Markup:
    """Contents in columns where the page is wide enough."""
    return element("div", *contents, class_="columns")


def stack(*contents: Content) -> Markup:
    """Contents one under the other, as one column."""
    return element("div", *contents)


def nothing(words: str) -> Markup:
    """Says plainly that there is nothing to show and why."""
    return element("p", words, class_="nothing")


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[TableRow],
    *,
    sortable: bool = True,
    identity: str | None = None,
    row_attributes: Sequence[dict[str, str]] | None = None,
) -> Markup:
    """A table whose first column names the row; ``caption`` is read out and shown above it."""
    head = [
        element(
            "th",
            column.name,
            scope="col",
            class_="numeric" if column.numeric else None,
            title=column.meaning or None,
        )
        for column in columns
    ]
    body = []
    for index, row in enumerate(rows):
        attributes = row_attributes[index] if row_attributes else {}
        body.append(element("tr", [_cell(cell, columns[place], place) for place, cell in enumerate(row)], **attributes))
    whole = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", head)),
        element("tbody", body),
        class_="sortable" if sortable and len(body) > 1 else None,
        id=identity,
    )
    # A focusable frame lets the keyboard scroll a table that is wider than the screen.
    return element("div", whole, class_="scroll", tabindex=0, role="region", aria_label=caption)


def _cell(cell: TableCell, column: Column, place: int) -> Markup:
    shown = cell if isinstance(cell, Cell) else Cell(cell)
    kinds = " ".join(kind for kind in ("numeric" if column.numeric else "", shown.kind or "") if kind)
    tag, scope = ("th", "row") if place == 0 else ("td", None)
    return element(tag, shown.content, scope=scope, class_=kinds or None, data_key=shown.key)


def details(summary: str, *contents: Content, opened: bool = False, long: bool = False) -> Markup:
    """A part that is folded away until asked for; it prints unfolded unless it is ``long``."""
    return element("details", element("summary", summary), *contents, open=opened, class_="long" if long else None)


def facts(pairs: Iterable[tuple[str, Content]]) -> Markup:
    """Names and values, one pair a line."""
    return element("dl", [join(element("dt", name), element("dd", value)) for name, value in pairs], class_="facts")


def share_bar(share: float | None, kind: str = "series-1") -> Markup:
    """A small bar for a share of one, for table cells; its number stands beside it."""
    width = 0.0 if share is None else max(0.0, min(1.0, share)) * 100
    rest = element("rect", x=0, y=0, width=100, height=8, rx=2, class_="track")
    filled = element("rect", x=0, y=0, width=round(width, 1), height=8, rx=2)
    return element(
        "svg",
        rest,
        element("g", filled, class_=f"fill {kind}"),
        viewBox="0 0 100 8",
        class_="share",
        aria_hidden="true",
        preserveAspectRatio="none",
    )


def plural(number: int, noun: str, many: str | None = None) -> str:
    """``1 row``, ``2 rows``, ``1,234 rows``."""
    return f"{number:,} {noun if number == 1 else many or noun + 's'}"


def change_badge(found: Change) -> Markup:
    """A relative change with its direction in words and colour, and whether it is more than chance."""
    if found.absolute is None:
        return element("span", "n/a", class_="badge unknown")
    if found.relative is not None:
        size = percent(found.relative, signed=True)
    else:
        size = f"{found.absolute:+.3f}".replace("-", "\N{MINUS SIGN}")
    if found.better is None:
        return element("span", "no change", class_="badge unknown")
    word = "better" if found.better else "worse"
    if found.established:
        mark, kind, meaning = "✓", word, f"{word}; the 95% interval says this is not chance"
    elif found.established is None:
        mark, kind, meaning = "?", "unknown", f"{word}; there is no interval to judge it by"
    else:
        mark, kind, meaning = "≈", "unknown", f"{word}, but the 95% interval does not rule out chance"
    if found.low is not None and found.high is not None:
        meaning += f" (paired difference {rate(found.absolute)} [{rate(found.low)}, {rate(found.high)}])"
    hidden = element("span", f" ({meaning})", class_="unseen")
    return element(
        "span", size, " ", element("span", mark, aria_hidden="true"), hidden, class_=f"badge {kind}", title=meaning
    )
