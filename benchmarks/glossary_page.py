"""What searching a glossary costs as it grows, drawn."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harken.report.blocks import section
from harken.report.chart import Scale, Series, dot, figure, horizontal_axis, path, vertical_axis
from harken.report.markup import Markup
from harken.report.page import assemble

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 640.0, 380.0, 78.0, 330.0


def render_costs(sizes: Mapping[str, Mapping[str, Any]], costs: Mapping[str, Sequence[tuple[int, float]]]) -> str:
    """A page with seconds per 10 s of audio by number of terms, both logarithmic: a line for each way to search.

    Args:
        sizes: figures of each size; their sizes are the horizontal axis.
        costs: by name, (terms, seconds).
    """
    drawn = cost_plot([int(size) for size in sizes], costs)
    body = section("summary", "Cost and size", drawn, lead="Seconds of search for 10 s of audio, after encoding.")
    return assemble("Glossary search", "", (("Results", (("summary", "Cost and size"),)),), body)


def cost_plot(sizes: Sequence[int], costs: Mapping[str, Sequence[tuple[int, float]]]) -> Markup:
    """The lines of `render_costs`."""
    values = [math.log10(seconds) for points in costs.values() for _, seconds in points]
    low, high = math.floor(min(values)), math.ceil(max(values) + 1e-9)
    left, right = math.log10(min(sizes)), math.log10(max(sizes))
    across = Scale(left - 0.1, max(right, left + 1) + 0.1, _LEFT, _WIDTH - 18)
    up = Scale(low, max(high, low + 1), _BOTTOM, 30.0)
    marks: list[Markup] = []
    legend = []
    for index, (name, points) in enumerate(costs.items()):
        kind = f"series-{index % 6}"
        legend.append(Series(kind, name))
        placed = [(across(math.log10(terms)), up(math.log10(seconds))) for terms, seconds in points]
        marks.append(path(placed, f"curve {kind}"))
        marks += [
            dot(x, y, f"dot {kind}", f"{name}: {terms:,} terms, {seconds:.3g} s")
            for (x, y), (terms, seconds) in zip(placed, points, strict=True)
        ]
    told = "; ".join(f"{name} {points[-1][1]:.3g} s at {points[-1][0]:,} terms" for name, points in costs.items())
    return figure(
        "Seconds per 10 s of audio",
        told,
        (_WIDTH, _HEIGHT),
        horizontal_axis(across, _BOTTOM, 30.0, _power, "terms"),
        vertical_axis(up, _LEFT, _WIDTH - 18, _power, "seconds", wanted=6),
        marks,
        legend=legend,
    )


def _power(tick: float) -> str:
    value = 10**tick
    return f"{value:,.0f}" if value >= 1 else f"{value:.3g}"
