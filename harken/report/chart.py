"""Axes, scales and frames for the report's plots, drawn as SVG so that they follow the page's theme and print.

Coordinates are SVG user units (about one CSS pixel); colours come from the style sheet by class name.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from harken.report.markup import Content, Markup, element

Format = Callable[[float], str]


@dataclass(frozen=True)
class Scale:
    """A linear map from data to user units."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 2)

    def ticks(self, wanted: int = 5) -> list[float]:
        """Round values within the domain, about ``wanted`` of them."""
        step = round_step((self.high - self.low) / wanted)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]


def round_step(step: float) -> float:
    """The least of 1, 2, 2.5, 5 or 10 times a power of ten that is not below ``step``."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= step * (1 - 1e-9))


def ceiling(value: float) -> float:
    """An upper end for an axis from zero: the next round value above ``value``."""
    if value <= 0:
        return 1.0
    step = round_step(value / 5)
    return math.ceil(value / step - 1e-9) * step


def compact(value: float) -> str:
    """A tick label: no trailing zeros, thousands as k."""
    return f"{value / 1000:g}k" if abs(value) >= 10_000 else f"{value:.10g}"


def whole_percent(value: float) -> str:
    """A tick label for a share."""
    return f"{value * 100:.0f}%"


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """A straight line of the style-sheet class ``kind``."""
    return element("line", x1=round(x1, 2), y1=round(y1, 2), x2=round(x2, 2), y2=round(y2, 2), class_=kind)


def label(x: float, y: float, content: str, anchor: str = "start", kind: str = "tick") -> Markup:
    """A piece of text; ``anchor`` is start, middle or end."""
    return element("text", content, x=round(x, 2), y=round(y, 2), text_anchor=anchor, class_=kind)


def bar(x: float, y: float, width: float, height: float, kind: str, tip: str) -> Markup:
    """A rectangle with a tooltip."""
    shape = element(
        "rect", x=round(x, 2), y=round(y, 2), width=round(max(width, 0), 2), height=round(height, 2), rx=1.5
    )
    return element("g", element("title", tip), shape, class_=kind)


def path(points: Sequence[tuple[float, float]], kind: str) -> Markup:
    """A line through points in user units."""
    drawn = " ".join(f"{'L' if index else 'M'}{x:g} {y:g}" for index, (x, y) in enumerate(points))
    return element("path", d=drawn, class_=kind)


def dot(x: float, y: float, kind: str, tip: str, radius: float = 4.5) -> Markup:
    """A point with a tooltip."""
    return element("g", element("title", tip), element("circle", cx=x, cy=y, r=radius), class_=kind)


def horizontal_axis(scale: Scale, bottom: float, top: float, shape: Format, name: str, wanted: int = 5) -> Markup:
    """Tick labels and the name under ``bottom``, grid lines up to ``top``."""
    ticks = scale.ticks(wanted)
    return element(
        "g",
        [line(scale(tick), top, scale(tick), bottom, "grid") for tick in ticks],
        [label(scale(tick), bottom + 17, shape(tick), "middle") for tick in ticks],
        label((scale.start + scale.end) / 2, bottom + 37, name, "middle", "axis-name"),
        line(scale.start, bottom, scale.end, bottom, "axis"),
    )


def vertical_axis(scale: Scale, left: float, right: float, shape: Format, name: str, wanted: int = 4) -> Markup:
    """Tick labels left of ``left``, grid lines to ``right`` and the name above the top."""
    ticks = scale.ticks(wanted)
    return element(
        "g",
        [line(left, scale(tick), right, scale(tick), "grid") for tick in ticks],
        [label(left - 8, scale(tick) + 4, shape(tick), "end") for tick in ticks],
        label(left, scale.end - 11, name, "start", "axis-name"),
    )


@dataclass(frozen=True)
class Series:
    """A legend entry: the style-sheet class that colours it and its name."""

    kind: str
    name: str


def figure(
    title: str,
    alternative: str,
    size: tuple[float, float],
    *drawing: Content,
    legend: Sequence[Series] = (),
    caption: Content = None,
) -> Markup:
    """A captioned drawing; ``alternative`` says in words what it shows, for those who do not see it."""
    picture = element(
        "svg", *drawing, viewBox=f"0 0 {size[0]:g} {size[1]:g}", role="img", aria_label=f"{title}. {alternative}"
    )
    keys = [
        element("li", element("span", class_=f"swatch {series.kind}", aria_hidden="true"), series.name)
        for series in legend
    ]
    return element(
        "figure",
        element("div", title, class_="figure-title"),
        element("ul", keys, class_="legend") if keys else None,
        picture,
        element("figcaption", caption) if caption else None,
    )
