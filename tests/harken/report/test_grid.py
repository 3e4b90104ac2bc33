"""A grid's tables and page, from figures as `jobs.measuring` gives them."""

from typing import Any

import numpy as np
import pytest
from rich.console import Console

from harken.audio import encode_flac
from harken.report.data import Hypothesis, Span, Utterance
from harken.report.grid import leader, render_grid
from harken.report.grid_console import GRID_METRICS, best, grid_measures, print_grid
from harken.report.grid_plots import rate_curves
from harken.report.plots import LEFT, RIGHT
from tests.harken.report.document import Document
from tests.harken.report.sample import interval

HOSTILE = "<script>x</script>[bold]&"


def difference(value: float) -> dict[str, Any]:
    return {**interval(value), "p": 0.002}


def system(cer: float) -> dict[str, Any]:
    return {
        "metrics": {metric: interval(cer) for metric in (*GRID_METRICS, "ier_ins")},
        "ier_by_segmenter": {"jieba": {"ier": cer, "rates": {"W": cer, "C": None, "S": 1.0}}},
        "keyword_recall_by_category": {
            "SERIES": {"recall": 1 - cer, "right": 3, "mentions": 4},
            "SOCIAL": {"recall": None, "right": 0, "mentions": 0},
        },
    }


def point(value: float, cer: float, **other: str) -> dict[str, Any]:
    named = {"sweep": "epochs", "key": "finetune.epochs", "variant": HOSTILE, "test": "domain", "row": HOSTILE} | other
    return {**named, "value": value, "cer": interval(cer), "keyword_recall": interval(1 - cer)}


def sample() -> dict[str, Any]:
    systems = {"base": system(0.5), HOSTILE: system(0.2)}
    training = {
        "sets": {HOSTILE: 3},
        "spoken": 4,
        "kept": 3,
        "said in tests": 1,
        "seconds": 61.0,
        "facts": {"steps": "7"},
    }
    cell = {"model": "nano", "status": "ok", "error": None, "training": None, "curve": []}
    return {
        "config": "demo.yaml",
        "segmenters": ["jieba"],
        "sets": {"domain": {"utterances": 20, "systems": systems, "differences": {}}},
        "cells": [
            cell | {"name": "base", "variant": "base"},
            cell
            | {"name": HOSTILE, "variant": HOSTILE, "training": training}
            | {"curve": [{"epoch": 0.0, "cer": 0.5}, {"epoch": 1.0, "cer": 0.2}]},
            cell | {"name": "broken", "variant": "broken", "status": "failed", "error": f"reason: {HOSTILE}"},
        ],
        "comparisons": [
            {
                "test": "domain",
                "than": "base",
                "this": HOSTILE,
                "metrics": {metric: difference(-0.3) for metric in GRID_METRICS},
            }
        ],
        "pairs": {"base": {HOSTILE: difference(-0.3)}, HOSTILE: {"base": difference(0.3)}},
        "sweeps": [point(n, c) for n, c in ((1, 0.4), (3, 0.2))],
        "forgot": {HOSTILE: "gate failed"},
        "notes": ["Synthetic speech only."],
        "grid": "variants: {}\n",
        "pipeline": "model: models/nano\n",
        "provenance": {"command": "python -m jobs.grid"},
    }


def printed(found: dict[str, Any]) -> str:
    console = Console(highlight=False, width=70)
    with console.capture() as capture:
        print_grid(found, console)
    return capture.get()


def test_the_page_is_whole_and_every_text_inert() -> None:
    page = Document(render_grid(sample()))
    assert len(page.all("script")) == 1
    assert HOSTILE in page.one("results").text
    assert f"reason: {HOSTILE}" in page.one("training").text
    assert f"{HOSTILE}: gate failed" in page.one("summary").text
    assert not [node for node in page.nodes if node.attributes.get("src", "").startswith("http")]
    links = {node.attributes["href"].removeprefix("#") for node in page.all("a")}
    assert links == {node.attributes["id"] for node in page.all("section")}


def test_the_page_has_the_shape_of_the_papers_tables_and_figure() -> None:
    page = Document(render_grid(sample()))
    for label in (
        "CER",
        "CER_cn",
        "CER_oth",
        "WER",
        "WER_cn",
        "WER_oth",
        "MER",
        "Keyword recall",
        "Insertions",
        "Loops",
    ):
        assert label in page.one("results").text
    assert "words, jieba" in page.one("ier").text
    assert "SERIES (4)" in page.one("keywords").text
    assert "SOCIAL" not in page.one("keywords").text
    assert "epochs: Keyword recall" in page.one("sweeps").text
    assert "CER on held-out rows" in page.one("training").text
    drawn = [node for node in page.all("svg") if "figure" in node.parents]
    assert len(drawn) == 5
    assert "−0.300 [−0.320, −0.280]" in page.one("comparisons").text
    assert "0.002" in page.one("comparisons").text


def test_the_best_rows_worst_utterances_can_be_listened_to() -> None:
    assert "No utterance" in Document(render_grid(sample())).one("worst").text
    assert leader(sample()) == HOSTILE
    assert leader({"sets": {}}) is None
    heard = {"base": Hypothesis("喜欢老话", 0.25, (False,)), HOSTILE: Hypothesis("喜欢老花", 0.0, (True,))}
    worst = Utterance(
        "u7", "喜欢老花", heard, (Span(2, 4, "LINES"),), audio=encode_flac(np.zeros(160, np.float32), 16000)
    )
    page = Document(render_grid(sample(), [worst], "zh"))
    (player,) = page.all("audio")
    assert player.attributes["src"].startswith("data:audio/flac")
    for words in ("u7", "喜欢老话", HOSTILE, "0.250"):
        assert words in page.one("worst").text


def test_the_terminal_shows_every_row_and_what_failed() -> None:
    text = printed(sample())
    assert "-0.300 [-0.320, -0.280]*" in text
    assert f"broken: failed: reason: {HOSTILE}" in text
    assert f"{HOSTILE}: gate failed" in text
    assert "1 of its training sentences are also in a test set" in text
    for label in ("CER_cn", "Loops", "words (jieba)", "SERIES (4)", "epochs: by finetune.epochs"):
        assert label in text


def test_a_grid_of_which_nothing_came_is_said_so() -> None:
    failed = [cell | {"status": "failed", "error": "reason"} for cell in sample()["cells"][:1]]
    found = sample() | {"sets": {}, "comparisons": [], "pairs": {}, "sweeps": [], "cells": failed}
    assert "No row was measured." in Document(render_grid(found)).one("results").text
    assert "base: failed: reason" in printed(found)


@pytest.mark.parametrize(("metric", "leader"), [("cer", "b"), ("keyword_recall", "a")])
def test_the_best_is_the_lowest_rate_or_the_highest_recall(metric: str, leader: str) -> None:
    (measure,) = grid_measures((metric,))
    figures = {"systems": {"a": system(0.4), "b": system(0.2), "c": {"metrics": {metric: {"value": None}}}}}
    assert best(figures, measure) == leader
    assert best({"systems": {"a": system(0.4)}}, measure) is None


def legends(points: list[dict[str, Any]]) -> list[str]:
    page = Document(render_grid(sample() | {"sweeps": points}))
    return [node.text for node in page.all("li") if "figure" in node.parents and "section" in node.parents][:4]


def test_a_curve_is_named_by_what_tells_it_from_the_others() -> None:
    points = [point(value, 0.2) for value in (1, 2)]
    assert legends(points)[0] == "domain"
    assert legends([*points, point(1, 0.3, test="field")])[:2] == ["domain", "field"]
    assert legends([*points, point(1, 0.3, variant="other")])[:2] == [HOSTILE, "other"]
    several = [*points, point(1, 0.3, variant="other", test="field")]
    assert legends(several)[:2] == [f"{HOSTILE}, domain", "other, field"]


def places(values: list[float]) -> tuple[list[float], str]:
    curve = {"a": [(value, interval(0.2)) for value in values]}
    figure = rate_curves("title", curve, "setting", "CER")
    assert figure is not None
    drawn = Document(figure)
    return [float(node.attributes["cx"]) for node in drawn.all("circle")], drawn.all("figure")[0].text


@pytest.mark.parametrize("values", [[0.0], [3.0], [-2.0, -1.0], [0.1, 0.25, 0.5], [0.0, 1e-6, 1.0]])
def test_values_that_are_near_each_other_stand_in_proportion(values: list[float]) -> None:
    found, text = places(values)
    assert "logarithmic" not in text
    assert all(LEFT <= place <= RIGHT for place in found)
    if len(values) == 3:
        (first, second, third), (low, middle, high) = found, values
        assert (second - first) / (third - first) == pytest.approx((middle - low) / (high - low), abs=0.01)


def test_values_that_are_far_apart_are_on_a_logarithmic_axis_that_says_so() -> None:
    found, text = places([1e-5, 1e-4, 1e-3])
    assert found[1] - found[0] == pytest.approx(found[2] - found[1], abs=0.1)
    assert "setting (logarithmic)" in text
    for tick in ("1e-05", "0.0001", "0.001"):
        assert tick in text
