"""The plots of a spotter's evaluation: precision against recall, a rate by group, the gate's probabilities."""

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
from harken.report.grid_plots import rate_curves
from harken.report.markup import Markup
from harken.report.measures import number, rate, with_interval
from harken.report.plots import COLOURS, LEFT, RIGHT, WIDTH, shorten

_NAMES = 142.0
_SPREAD = 15.0

Point = tuple[float, float]


def precision_recall_plot(
    title: str, curves: Mapping[str, Sequence[Point]], chosen: Mapping[str, Point]
) -> Markup | None:
    """A curve through (recall, precision) for each name, and on it the place of the threshold that was chosen."""
    curves = {name: points for name, points in curves.items() if points}
    if not curves:
        return None
    floor, top = 306.0, 26.0
    across, up = Scale(0.0, 1.0, LEFT, RIGHT), Scale(0.0, 1.0, floor, top)
    series = series_of(curves)
    marks = []
    for name, points in curves.items():
        places = [(across(recall), up(precision)) for recall, precision in points]
        marks.append(path(places, f"curve {series[name].kind}"))
        if name in chosen:
            recall, precision = chosen[name]
            tip = f"{name} at its threshold: precision {rate(precision)}, recall {rate(recall)}"
            marks.append(dot(across(recall), up(precision), f"mark {series[name].kind}", tip))
    told = "; ".join(
        f"{name}: precision {rate(precision)} at recall {rate(recall)}" for name, (recall, precision) in chosen.items()
    )
    return figure(
        title,
        told,
        (WIDTH, floor + 44),
        horizontal_axis(across, floor, top, compact, "recall"),
        vertical_axis(up, LEFT, RIGHT, compact, "precision"),
        marks,
        legend=[series[name] for name in curves],
        caption="Dots: the threshold chosen on validation. Further up and to the right is better.",
    )


def group_dots(
    title: str, axis: str, groups: Mapping[str, int], rates: Mapping[str, Mapping[str, Interval]]
) -> Markup | None:
    """A rate with its 95% interval of every name in every group, which has so many positive pairs."""
    if not groups or not rates:
        return None
    series = series_of(rates)
    row = _SPREAD * len(rates) + 16
    top, bottom = 8.0, 8.0 + row * len(groups)
    ends = [
        number(interval, part) or 0.0
        for by_group in rates.values()
        for interval in by_group.values()
        for part in ("value", "high")
    ]
    scale = Scale(0.0, ceiling(max(ends)), _NAMES, RIGHT)
    marks = []
    for index, (group, said) in enumerate(groups.items()):
        middle = top + row * (index + 0.5)
        marks.append(label(_NAMES - 12, middle - 1, shorten(group), "end", "name"))
        marks.append(label(_NAMES - 12, middle + 13, f"n = {said}", "end"))
        if index:
            marks.append(line(0, top + row * index, RIGHT, top + row * index, "rule"))
        for place, (name, by_group) in enumerate(rates.items()):
            interval = by_group.get(group)
            value, low, high = (number(interval, part) for part in ("value", "low", "high"))
            if value is None:
                continue
            y = middle + _SPREAD * (place - (len(rates) - 1) / 2)
            if low is not None and high is not None:
                marks.append(line(scale(low), y, scale(high), y, f"whisker {series[name].kind}"))
            tip = f"{name}, {group}: {with_interval(interval)}"
            marks.append(dot(scale(value), y, f"mark {series[name].kind}", tip))
    return figure(
        title,
        "The table beside this plot gives the same figures.",
        (WIDTH, bottom + 44),
        horizontal_axis(scale, bottom, top, compact, axis),
        marks,
        legend=list(series.values()),
        caption="n: pairs in which the term was said. Further right is better.",
    )


def gate_curves(title: str, layers: Sequence[int], epochs: Sequence[Sequence[float]]) -> Markup | None:
    """Each layer's probability after every epoch, counted from 0.

    Of the layers that end highest, as many as there are colours.
    """
    if not epochs:
        return None
    shown = sorted(sorted(range(len(layers)), key=lambda place: -epochs[-1][place])[:COLOURS])
    curves: dict[str, list[tuple[float, Interval]]] = {
        f"layer {layers[place]}": [(at, {"value": values[place]}) for at, values in enumerate(epochs)]
        for place in shown
    }
    return rate_curves(title, curves, "epoch", "probability")


def series_of(names: Mapping[str, object]) -> dict[str, Series]:
    """The colours that `rate_curves` gives to the same names."""
    return {name: Series(f"series-{place % COLOURS}", name) for place, name in enumerate(names, start=1)}
