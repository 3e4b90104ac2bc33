"""The report's plots. Each returns a figure, or None when there is nothing to draw."""

import bisect
import math
from collections.abc import Iterable, Mapping, Sequence

from harken.report.chart import (
    Scale,
    Series,
    bar,
    ceiling,
    compact,
    dot,
    figure,
    horizontal_axis,
    label,
    line,
    path,
    vertical_axis,
    whole_percent,
)
from harken.report.data import CategoryRecall, CurvePoint, Systems
from harken.report.markup import Markup, join
from harken.report.measures import SYSTEM_LABELS, number, percent, present, system_label, with_interval

WIDTH = 540.0
LEFT, RIGHT = 58.0, WIDTH - 18.0
_NAMES = 142.0
COLOURS = 6


def series_of(systems: Iterable[str]) -> dict[str, Series]:
    """The colour class and label of every system, in order; a known system has its colour in every plot."""
    systems = list(systems)
    places = list(dict.fromkeys([*SYSTEM_LABELS, *systems]))
    return {system: Series(f"series-{places.index(system) % COLOURS}", system_label(system)) for system in systems}


def metric_dots(systems: Systems) -> Markup | None:
    """Every headline metric of every system with its 95% interval."""
    measures = [
        measure
        for measure in present(systems)
        if measure.headline and any(number(metrics.get(measure.key)) is not None for metrics in systems.values())
    ]
    if not measures:
        return None
    series = series_of(systems)
    spread = 15.0
    row = spread * len(systems) + 16
    top, bottom = 8.0, 8.0 + row * len(measures)
    ends = [
        number(metrics.get(measure.key), part) or 0.0
        for metrics in systems.values()
        for measure in measures
        for part in ("value", "high")
    ]
    scale = Scale(0.0, ceiling(max(ends)), _NAMES, RIGHT)
    marks: list[Markup] = []
    for index, measure in enumerate(measures):
        middle = top + row * (index + 0.5)
        marks.append(label(_NAMES - 12, middle + 5, measure.label, "end", "name"))
        if index:
            marks.append(line(0, top + row * index, RIGHT, top + row * index, "rule"))
        for place, (system, metrics) in enumerate(systems.items()):
            interval = metrics.get(measure.key)
            value = number(interval)
            if value is None:
                continue
            y = middle + spread * (place - (len(systems) - 1) / 2)
            low, high = number(interval, "low"), number(interval, "high")
            if low is not None and high is not None:
                marks.append(line(scale(low), y, scale(high), y, f"whisker {series[system].kind}"))
            tip = f"{series[system].name}, {measure.label}: {with_interval(interval)}"
            marks.append(dot(scale(value), y, f"mark {series[system].kind}", tip))
    return figure(
        "Metrics with 95% intervals",
        "The table beside this plot gives the same figures.",
        (WIDTH, bottom + 44),
        horizontal_axis(scale, bottom, top, compact, "rate"),
        marks,
        legend=list(series.values()),
        caption="Error rates: left is better. Keyword recall: right is better.",
    )


def recall_bars(recalls: Sequence[CategoryRecall]) -> Markup | None:
    """Keyword recall by category and system, with the number of mentions it rests on."""
    systems = list(dict.fromkeys(system for recall in recalls for system in recall.recall))
    if not recalls or not systems:
        return None
    series = series_of(systems)
    thick = 12.0
    row = thick * len(systems) + 20
    top, bottom = 8.0, 8.0 + row * len(recalls)
    scale = Scale(0.0, 1.0, _NAMES, RIGHT - 40)
    marks: list[Markup] = []
    for index, recall in enumerate(recalls):
        middle = top + row * (index + 0.5)
        marks.append(label(_NAMES - 12, middle - 1, shorten(recall.category), "end", "name"))
        marks.append(label(_NAMES - 12, middle + 13, f"n = {recall.mentions}", "end"))
        for place, system in enumerate(systems):
            value = recall.recall.get(system)
            y = middle + thick * (place - len(systems) / 2)
            if value is None:
                marks.append(label(_NAMES + 5, y + thick - 2, "n/a"))
                continue
            tip = f"{series[system].name}, {recall.category}: {percent(value)} of {recall.mentions}"
            marks.append(bar(_NAMES, y + 1, scale(value) - _NAMES, thick - 2, f"fill {series[system].kind}", tip))
            marks.append(label(scale(value) + 5, y + thick - 2, percent(value), kind="tick small"))
    told = "; ".join(
        f"{recall.category}: "
        + ", ".join(f"{series[system].name} {percent(recall.recall.get(system))}" for system in systems)
        for recall in recalls
    )
    return figure(
        "Keyword recall by category",
        told,
        (WIDTH, bottom + 44),
        horizontal_axis(scale, bottom, top, whole_percent, "share of mentions transcribed exactly"),
        line(_NAMES, top, _NAMES, bottom, "axis"),
        marks,
        legend=list(series.values()),
    )


def cer_histograms(cers: Mapping[str, Sequence[float]]) -> Markup | None:
    """How the character error rate spreads over utterances, one panel per system, all on one scale."""
    cers = {system: usable for system, rates in cers.items() if (usable := _finite(rates))}
    if not cers:
        return None
    bins = 21
    counts = {system: _binned(rates, 0.05, bins) for system, rates in cers.items()}
    series = series_of(cers)
    panel, gap, top = 84.0, 34.0, 26.0
    across = Scale(0.0, float(bins), LEFT, RIGHT)
    highest = ceiling(max(max(values) for values in counts.values()))
    marks: list[Markup] = []
    floor = top
    for index, (system, values) in enumerate(counts.items()):
        floor = top + panel + index * (panel + gap)
        up = Scale(0.0, highest, floor, floor - panel)
        name = f"{series[system].name}: {len(cers[system])} utterances"
        marks.append(vertical_axis(up, LEFT, RIGHT, compact, name, wanted=2))
        for place, value in enumerate(values):
            reach = "1.00 or more" if place == bins - 1 else f"{place * 0.05:.2f} to {(place + 1) * 0.05:.2f}"
            tip = f"{series[system].name}, CER {reach}: {value} utterances"
            width = across(place + 1) - across(place) - 1.5
            marks.append(bar(across(place), up(value), width, floor - up(value), f"fill {series[system].kind}", tip))
        marks.append(line(LEFT, floor, RIGHT, floor, "axis"))
    ticks = [
        label(across(place), floor + 17, "≥ 1" if place == bins - 1 else f"{place * 0.05:g}", "middle")
        for place in (0, 4, 8, 12, 16, bins - 1)
    ]
    told = "; ".join(
        f"{series[system].name}: {sum(rate == 0 for rate in rates)} of {len(rates)} without an error"
        for system, rates in cers.items()
    )
    return figure(
        "Character error rate per utterance",
        told,
        (WIDTH, floor + 44),
        marks,
        ticks,
        label((LEFT + RIGHT) / 2, floor + 37, "CER of an utterance", "middle", "axis-name"),
        caption=f"{told}.",
    )


def remaining_share(cers: Sequence[float], threshold: float) -> float:
    """The share of judged rows whose CER is at most ``threshold`` (first paper, Figure 6b)."""
    ordered = sorted(cers)
    return bisect.bisect_right(ordered, threshold) / len(ordered)


def remaining_curve(
    rates: Sequence[float], threshold: float, measure: str = "CER", beside: Mapping[str, Sequence[float]] | None = None
) -> Markup | None:
    """The share of rows that every threshold would keep, with the one that was used (first paper, Figure 6b).

    Args:
        rates: of the ``measure`` that the threshold is on.
        beside: other measures, drawn for comparison.
    """
    rates = _finite(rates)
    if not rates:
        return None
    end = max(1.0, ceiling(threshold * 1.1))
    across, up = Scale(0.0, end, LEFT, RIGHT), Scale(0.0, 1.0, 226.0, 26.0)
    others = {name: finite for name, values in (beside or {}).items() if (finite := _finite(values))}
    kept = remaining_share(rates, threshold)
    at, height = across(threshold), up(kept)
    # Near the floor: the curve rises from left to right and seldom comes there.
    leftwards = at > (across.start + across.end) / 2
    note = label(
        at + (-10 if leftwards else 10),
        214.0,
        f"threshold {threshold:g}: {percent(kept)}",
        "end" if leftwards else "start",
        "callout",
    )
    drawn = [Series("series-1", measure), *(Series("series-0", name) for name in others)]
    return figure(
        "Data remaining by threshold",
        f"{percent(kept)} of {len(rates)} judged rows have a {measure} of at most {threshold:g}.",
        (WIDTH, 270.0),
        horizontal_axis(across, 226.0, 26.0, compact, f"threshold of the {measure}"),
        vertical_axis(up, LEFT, RIGHT, whole_percent, "rows at or below the threshold"),
        [path(_remaining(values, end, across, up), "curve series-0") for values in others.values()],
        path(_remaining(rates, end, across, up), "curve series-1"),
        line(at, 226.0, at, height, "marker"),
        dot(at, height, "mark series-1", f"threshold {threshold:g} keeps {percent(kept)}"),
        note,
        legend=drawn if others else (),
        caption=f"Rows by {measure} alone; the verdicts beside it also count other reasons.",
    )


def _remaining(rates: Sequence[float], end: float, across: Scale, up: Scale) -> list[tuple[float, float]]:
    steps = 200
    return [(across(end * step / steps), up(remaining_share(rates, end * step / steps))) for step in range(steps + 1)]


def learning_curve(curve: Sequence[CurvePoint]) -> Markup | None:
    """Training loss and CER on held-out rows over optimiser steps, one panel each."""
    panels = [
        ("training loss", _measured((point.step, point.train_loss) for point in curve), "series-0"),
        ("CER on held-out rows", _measured((point.step, point.dev_cer) for point in curve), "series-1"),
    ]
    panels = [panel for panel in panels if panel[1]]
    if not panels:
        return None
    last = max(point.step for point in curve)
    across = Scale(0.0, float(max(last, 1)), LEFT, RIGHT)
    marks: list[Markup] = []
    told: list[str] = []
    height, gap, floor = 112.0, 46.0, 0.0
    for index, (name, points, kind) in enumerate(panels):
        values = [value for _, value in points]
        floor = 26.0 + height + index * (height + gap)
        up = Scale(0.0, ceiling(max(values)), floor, floor - height)
        places = [(across(step), up(value)) for step, value in points]
        marks.append(vertical_axis(up, LEFT, RIGHT, compact, name, wanted=3))
        marks.append(path(places, f"curve {kind}"))
        if len(places) <= 40:
            for (x, y), (step, value) in zip(places, points, strict=True):
                marks.append(dot(x, y, f"mark {kind}", f"step {step}, {name}: {value:.4g}", radius=3))
        marks.append(line(LEFT, floor, RIGHT, floor, "axis"))
        told.append(f"{name} from {values[0]:.3f} to {values[-1]:.3f}")
    return figure(
        "Learning curve",
        "; ".join(told),
        (WIDTH, floor + 44),
        marks,
        [label(across(tick), floor + 17, compact(tick), "middle") for tick in across.ticks()],
        label((LEFT + RIGHT) / 2, floor + 37, "optimiser step", "middle", "axis-name"),
        caption=join("; ".join(told), "."),
    )


def duration_histogram(durations: Sequence[float]) -> Markup | None:
    """How long the synthetic utterances are."""
    durations = _finite(durations)
    if not durations:
        return None
    end = ceiling(max(durations))
    bins = 24
    width = end / bins
    values = _binned(durations, width, bins)
    across, up = Scale(0.0, end, LEFT, RIGHT), Scale(0.0, ceiling(max(values)), 206.0, 26.0)
    bars = [
        bar(
            across(place * width),
            up(value),
            across(width) - across(0.0) - 1.5,
            206.0 - up(value),
            "fill series-1",
            f"{place * width:.1f} to {(place + 1) * width:.1f} s: {value} rows",
        )
        for place, value in enumerate(values)
    ]
    ordered = sorted(durations)
    told = f"Median {ordered[len(ordered) // 2]:.1f} s, from {ordered[0]:.1f} to {ordered[-1]:.1f} s"
    return figure(
        "Length of the synthetic speech",
        told,
        (WIDTH, 250.0),
        horizontal_axis(across, 206.0, 206.0, compact, "seconds"),
        vertical_axis(up, LEFT, RIGHT, compact, "rows", wanted=3),
        bars,
        line(LEFT, 206.0, RIGHT, 206.0, "axis"),
        caption=f"{told}.",
    )


def shorten(name: str, characters: int = 16) -> str:
    """A name that fits beside a plot."""
    return name if len(name) <= characters else name[: characters - 1] + "…"


def _binned(values: Sequence[float], width: float, bins: int) -> list[int]:
    counts = [0] * bins
    for value in values:
        # Rates such as 0.15 must not fall below their bin's edge by a rounding error.
        counts[max(0, min(bins - 1, math.floor(value / width + 1e-9)))] += 1
    return counts


def _finite(values: Iterable[float | None]) -> list[float]:
    return [float(value) for value in values if value is not None and math.isfinite(value)]


def _measured(points: Iterable[tuple[int, float | None]]) -> list[tuple[int, float]]:
    return [(step, value) for step, value in points if value is not None and math.isfinite(value)]
