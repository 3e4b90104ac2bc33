import math
import re

import pytest

from harken.report import plots
from harken.report.chart import Scale, ceiling, round_step
from harken.report.data import CategoryRecall, CurvePoint
from tests.harken.report.document import Document
from tests.harken.report.sample import SYSTEMS

EXTREMES = [0.0, 1e-9, 0.15, 1.0, 7.3, 250.0]


def test_the_remaining_share_counts_rows_at_the_threshold():
    cers = [0.0, 0.15, 0.15, 0.4]
    assert plots.remaining_share(cers, 0.15) == 0.75
    assert plots.remaining_share(cers, 0.149) == 0.25
    assert plots.remaining_share(cers, 0.4) == 1.0


def test_the_curve_names_the_threshold_and_what_it_keeps():
    figure = Document(plots.remaining_curve([0.0, 0.15, 0.3, 1.4], 0.15))
    (label,) = [node for node in figure.all("text") if node.attributes["class"] == "callout"]
    assert label.text == "threshold 0.15: 50.0%"


def test_the_curve_never_falls():
    figure = Document(plots.remaining_curve([0.05, 0.3, 0.3, 0.9, 2.0], 0.15))
    (drawn,) = figure.all("path")
    heights = [float(height) for height in re.findall(r"[ML][\d.]+ ([\d.]+)", drawn.attributes["d"])]
    assert len(heights) > 100
    assert heights == sorted(heights, reverse=True)


def test_a_second_measure_is_drawn_beside_and_the_threshold_is_on_the_first():
    figure = Document(plots.remaining_curve([0.0, 0.1], 0.15, "carrier CER", {"CER": [0.4, 0.9], "none": []}))
    assert len(figure.all("path")) == 2
    (label,) = [node for node in figure.all("text") if node.attributes["class"] == "callout"]
    assert label.text == "threshold 0.15: 100.0%"
    assert [node.text for node in figure.all("li")] == ["carrier CER", "CER"]


def test_every_headline_metric_has_a_dot_per_system_where_its_value_is():
    figure = Document(plots.metric_dots(SYSTEMS))
    assert len(figure.all("circle")) == 2 * len(SYSTEMS["base"])
    tips = [node.text for node in figure.all("title")]
    assert "Adapted, CER: 0.153 [0.133, 0.173]" in tips


def test_histogram_bars_count_every_utterance_once():
    cers = {"base": [0.0, 0.05, 0.15, 0.15, 0.999, 1.0, 4.2]}
    tips = [node.text for node in Document(plots.cer_histograms(cers)).all("title")]
    counts = {tip.split(" CER ")[1].split(":")[0]: int(tip.split(": ")[1].split()[0]) for tip in tips}
    assert sum(counts.values()) == 7
    assert counts["0.00 to 0.05"] == 1
    assert counts["0.05 to 0.10"] == 1
    assert counts["0.15 to 0.20"] == 2
    assert counts["1.00 or more"] == 2


def test_a_system_keeps_its_colour_in_every_plot():
    alone = plots.series_of(["adapted"])["adapted"]
    assert alone == plots.series_of(["base", "adapted", "biased"])["adapted"]
    kinds = [
        series.kind for series in plots.series_of(["base", "adapted", "biased", "adapted_biased", "other"]).values()
    ]
    assert len(set(kinds)) == 5


@pytest.mark.parametrize("value", EXTREMES)
def test_plots_stay_finite_and_inside_their_frame(value):
    drawn = [
        plots.metric_dots({"base": {"cer": {"value": value, "low": value, "high": value}}}),
        plots.cer_histograms({"base": [value]}),
        plots.remaining_curve([value], value),
        plots.learning_curve([CurvePoint(0, value, value)]),
        plots.duration_histogram([value]),
        plots.recall_bars([CategoryRecall("A", 1, {"base": min(value, 1.0)})]),
    ]
    for figure in drawn:
        document = Document(figure)
        width, height = (float(side) for side in document.all("svg")[0].attributes["viewbox"].split()[2:])
        for node in document.nodes:
            for name in ("x", "x1", "x2", "cx"):
                assert 0 <= float(node.attributes.get(name, 0)) <= width
            for name in ("y", "y1", "y2", "cy"):
                assert 0 <= float(node.attributes.get(name, 0)) <= height


def test_there_is_no_plot_of_nothing():
    assert plots.metric_dots({}) is None
    assert plots.cer_histograms({"base": []}) is None
    assert plots.remaining_curve([], 0.15) is None
    assert plots.learning_curve([CurvePoint(3)]) is None
    assert plots.duration_histogram([]) is None
    assert plots.recall_bars([]) is None


@pytest.mark.parametrize("high", [1e-6, 0.03, 0.7, 1.0, 3.3, 99.0, 12_345.0])
def test_ticks_are_few_round_and_within_the_axis(high):
    scale = Scale(0.0, ceiling(high), 0.0, 100.0)
    ticks = scale.ticks()
    assert 3 <= len(ticks) <= 8
    assert ticks[0] == 0.0
    assert math.isclose(scale(ticks[-1]), 100.0, abs_tol=0.1)
    assert scale.high >= high
    assert round_step(high) >= high * (1 - 1e-9)
