"""The plots of a grid: one metric over all rows, and rates over a swept setting or over epochs."""

import math
from collections.abc import Mapping, Sequence

from harken.report.chart import (
    Scale,
    Series,
    ceiling,
    compact,
    dot,
    figure,
    horizontal_axis,
    label,
    line,
    path,
    vertical_axis,
)
from harken.report.data import Interval
from harken.report.markup import Markup
from harken.report.measures import Measure, number, with_interval
from harken.report.plots import COLOURS, LEFT, RIGHT, WIDTH, shorten

_NAMES = 168.0
_ROW = 26.0
_MARGIN = 12.0
_DECADES_OF_A_LINEAR_AXIS = 1.5


def row_dots(measure: Measure, rows: Mapping[str, Interval | None], best: str | None) -> Markup | None:
    """A metric of every row of the grid with its 95% interval, one under the other; the best in its own colour."""
    ends = [found for interval in rows.values() for part in ("value", "high") if (found := number(interval, part))]
    if not any(number(interval) is not None for interval in rows.values()):
        return None
    top, bottom = 8.0, 8.0 + _ROW * len(rows)
    scale = Scale(0.0, ceiling(max(ends, default=0.0)), _NAMES, RIGHT)
    marks: list[Markup] = []
    for place, (name, interval) in enumerate(rows.items()):
        y = top + _ROW * (place + 0.5)
        marks.append(label(_NAMES - 12, y + 5, shorten(name, 22), "end", "name"))
        value, low, high = (number(interval, part) for part in ("value", "low", "high"))
        if value is None:
            marks.append(label(_NAMES + 5, y + 5, "n/a"))
            continue
        kind = "series-1" if name == best else "series-0"
        if low is not None and high is not None:
            marks.append(line(scale(low), y, scale(high), y, f"whisker {kind}"))
        marks.append(dot(scale(value), y, f"mark {kind}", f"{name}, {measure.label}: {with_interval(interval)}"))
    told = f"The best is {best}." if best else "There is nothing to compare."
    direction = "right" if measure.higher_is_better else "left"
    return figure(
        f"{measure.label} with 95% intervals",
        told,
        (WIDTH, bottom + 44),
        horizontal_axis(scale, bottom, top, compact, measure.label),
        marks,
        caption=f"{told} Further {direction} is better.",
    )


def rate_curves(
    title: str, curves: Mapping[str, Sequence[tuple[float, Interval]]], horizontal: str, vertical: str
) -> Markup | None:
    """A rate over a setting or over epochs, a line for each name, with intervals where they are known.

    ``horizontal`` and ``vertical`` name the axes. Values that are far apart, such as learning rates, are drawn on a
    logarithmic axis, which says so.
    """
    curves = {
        name: drawn
        for name, points in curves.items()
        if (drawn := [(at, interval) for at, interval in points if number(interval) is not None])
    }
    if not curves:
        return None
    values = [at for points in curves.values() for at, _ in points]
    ends = [
        number(interval, part) or 0.0
        for points in curves.values()
        for _, interval in points
        for part in ("value", "high")
    ]
    floor, top = 246.0, 26.0
    decades = math.log10(max(values) / min(values)) if min(values) > 0 else 0.0
    if decades >= _DECADES_OF_A_LINEAR_AXIS:
        scale = Scale(math.log10(min(values)), math.log10(max(values)), LEFT + _MARGIN, RIGHT - _MARGIN)
        places = {value: scale(math.log10(value)) for value in values}
        axis = horizontal_axis(
            scale, floor, top, lambda power: f"{10**power:.2g}", f"{horizontal} (logarithmic)", math.ceil(decades)
        )
    else:
        scale = Scale(min(0.0, *values), max(0.0, *values) or 1.0, LEFT, RIGHT)
        places = {value: scale(value) for value in values}
        axis = horizontal_axis(scale, floor, top, compact, horizontal)
    up = Scale(0.0, ceiling(max(ends)), floor, top)
    marks: list[Markup] = []
    legend = []
    for place, (name, points) in enumerate(curves.items()):
        kind = f"series-{(place + 1) % COLOURS}"
        legend.append(Series(kind, name))
        marks.append(path([(places[at], up(number(interval) or 0.0)) for at, interval in points], f"curve {kind}"))
        for at, interval in points:
            low, high = number(interval, "low"), number(interval, "high")
            if low is not None and high is not None:
                marks.append(line(places[at], up(low), places[at], up(high), f"whisker {kind}"))
            tip = f"{name}, {horizontal} {at:g}: {with_interval(interval)}"
            marks.append(dot(places[at], up(number(interval) or 0.0), f"mark {kind}", tip, radius=3))
    told = "; ".join(
        f"{name} from {with_interval(points[0][1])} to {with_interval(points[-1][1])}"
        for name, points in curves.items()
    )
    return figure(
        title,
        told,
        (WIDTH, floor + 44),
        axis,
        vertical_axis(up, LEFT, RIGHT, compact, vertical),
        marks,
        legend=legend,
    )
