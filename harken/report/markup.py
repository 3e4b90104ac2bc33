"""HTML that is escaped by construction: a plain string becomes text, only `Markup` passes as it is."""

import html
import re
from collections.abc import Iterable
from typing import TypeAlias

# Characters that HTML forbids or that a file in UTF-8 cannot hold: controls, lone surrogates, non-characters.
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")

_VOID = frozenset({"br", "hr", "input", "link", "meta"})

# SVG shapes have no content; closed in place they stay readable in both parsers.
_EMPTY_SHAPES = frozenset({"circle", "line", "path", "rect"})


class Markup(str):
    """Text that is HTML already; make it with `element`, `text` or `join` only."""

    __slots__ = ()


Content: TypeAlias = str | int | float | Iterable["Content"] | None


def text(value: object) -> Markup:
    """Any value as inert text; what HTML cannot hold becomes U+FFFD."""
    return Markup(html.escape(_UNWRITABLE.sub("�", str(value)), quote=True))


def join(*contents: Content) -> Markup:
    """Contents one after the other: markup as it is, other strings and numbers as text, None as nothing."""
    return Markup("".join(_flatten(contents)))


def element(tag: str, *contents: Content, **attributes: object) -> Markup:
    """One element. Attributes: ``class_`` is class, ``data_value`` is data-value; None and False are left out.

    Example:
        >>> element("td", "<b>", class_="number", data_value=0.5)
        '<td class="number" data-value="0.5">&lt;b&gt;</td>'
    """
    opened = tag + "".join(_attributes(attributes))
    if tag in _VOID:
        return Markup(f"<{opened}>")
    if tag in _EMPTY_SHAPES and not contents:
        return Markup(f"<{opened}/>")
    return Markup(f"<{opened}>{join(*contents)}</{tag}>")


def _attributes(attributes: dict[str, object]) -> Iterable[str]:
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        name = name.rstrip("_").replace("_", "-")
        yield f" {name}" if value is True else f' {name}="{text(value)}"'


def _flatten(contents: Iterable[Content]) -> Iterable[str]:
    for content in contents:
        if content is None:
            continue
        if isinstance(content, Markup):
            yield content
        elif isinstance(content, str | int | float):
            yield text(content)
        else:
            yield from _flatten(content)
