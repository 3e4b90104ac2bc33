"""A spotter's evaluation page, from figures as `evaluation.json` holds them."""

import base64
import json
import re
from typing import Any

import numpy as np
import pytest

from harken.audio import encode_flac
from harken.metrics.spotting import Judgements, precision_recall, rates_by, spotting_rates, worst_mistakes
from harken.report.spotting import render_spotting
from tests.harken.report.document import Document, Node
from tests.harken.report.speech import speechlike

HOSTILE = "<script>x</script>&"
SKILL = {"baseline": 3.0, "L": 2.0, "LHF": 2.5}
SIZES = {"baseline": (70_000.0, 655_360), "L": (35_000.0, 327_680), "LHF": (640.0, 5_120)}


def judged(skill: float, seed: int) -> Judgements:
    generator = np.random.default_rng(seed)
    utterances, keywords = np.divmod(np.arange(60 * 8), 8)
    labels = generator.random(len(keywords)) < 0.2
    return Judgements(generator.standard_normal(len(keywords)) + skill * labels, labels, keywords, utterances)


def of_set(skill: float, seed: int) -> dict[str, Any]:
    """What an evaluation writes of one variant on one set, by the functions that it uses."""
    judgements = judged(skill, seed)
    curve = precision_recall(judgements.scores, judgements.labels).thinned(50)
    alarms, misses = worst_mistakes(judgements, 1.0, 3)
    recording = base64.b64encode(encode_flac(speechlike(seconds=0.2), 16_000)).decode()

    def mistake(place: int) -> dict[str, Any]:
        return {"term": f"term {place}", "text": HOSTILE, "score": float(judgements.scores[place]), "audio": recording}

    return {
        "rates": spotting_rates(judgements, 1.0, samples=50),
        "curve": {"precision": curve.precision.tolist(), "recall": curve.recall.tolist()},
        "groups": {
            "term length": rates_by(judgements, 2 + judgements.keywords // 4, 1.0, samples=50),
            "language": rates_by(judgements, np.where(judgements.keywords < 6, "zh", HOSTILE), 1.0, samples=50),
        },
        "false_alarms": [mistake(place) for place in alarms.tolist()],
        "misses": [mistake(place) | {"audio": None} for place in misses.tolist()],
    }


def epochs(gates: list[list[float] | None]) -> list[dict[str, Any]]:
    return [
        {"number": number, "loss": 0.5, "f1": 0.5 + 0.1 * number, "threshold": 0.1, "layers": [], "gate": gate}
        for number, gate in enumerate(gates)
    ]


def sample() -> dict[str, Any]:
    """Three variants on two sets, the gate trained from two seeds that agree."""
    gate = [[0.25] * 4, [0.0, 0.2, 0.3, 0.5], [0.0, 0.0, 0.4, 0.6]]
    none = {"0": {"layers": [3, 4], "epochs": epochs([None, None])}}
    two = {seed: {"layers": [1, 2, 3, 4], "epochs": epochs(gate)} for seed in ("0", "1")}
    found = {
        "title": "Keyword spotter on models/nano",
        "notes": ["Synthetic speech only."],
        "sets": {
            "unseen words": {"utterances": 60, "terms": 8, "pairs": 480, "said": 96},
            HOSTILE: {"utterances": 60, "terms": 8, "pairs": 480, "said": 90},
        },
        "variants": {
            name: {
                "layers": [1, 2, 3, 4] if name == "baseline" else [3, 4],
                "bytes_per_keyword": SIZES[name][0],
                "padded_bytes_per_keyword": SIZES[name][1],
                "pairs_per_second": 1234.5,
                "sets": {"unseen words": of_set(skill, 1), HOSTILE: of_set(skill, 2)},
                "training": two if name == "L" else none,
            }
            for name, skill in SKILL.items()
        },
        "config": "spotter: {}\n",
        "provenance": {"command": "python -m jobs.keywords"},
    }
    stored: dict[str, Any] = json.loads(json.dumps(found))
    return stored


@pytest.fixture(scope="module")
def page() -> Document:
    return Document(render_spotting(sample()))


def figures(page: Document, section: str) -> list[Node]:
    return [node for node in _inside(page.one(section)) if node.tag == "figure"]


def _inside(node: Node) -> list[Node]:
    return [inner for child in node.children for inner in (child, *_inside(child))]


def test_the_page_is_whole_and_every_text_inert(page):
    assert len(page.all("script")) == 1
    links = {node.attributes["href"].removeprefix("#") for node in page.all("a")}
    assert links == {node.attributes["id"] for node in page.all("section")}
    for section in ("results", "curves", "groups", "mistakes"):
        assert HOSTILE in page.one(section).text
    assert not [node for node in page.nodes if node.attributes.get("src", "data:")[:5] != "data:"]


def test_every_metric_of_every_variant_and_set_is_told(page):
    found = sample()
    text = page.one("results").text
    for label in ("F1", "Precision", "Recall", "F1@1", "F1@5", "mAP", "60 utterances with 8 terms, 480 pairs"):
        assert label in text
    for variant in found["variants"].values():
        for figures_of_set in variant["sets"].values():
            for interval in figures_of_set["rates"].values():
                assert f"{interval['value']:.3f} [{interval['low']:.3f}, {interval['high']:.3f}]" in text
    assert "Synthetic speech only." in page.one("summary").text


def test_compression_is_told_as_stored_and_by_the_papers_count(page):
    assert "LHF stores a keyword in 640 bytes: 109x less than the baseline, 128x by the paper's count." in (
        page.one("summary").text
    )
    rows = [node.text for node in _inside(page.one("cost")) if node.tag == "tr"]
    assert rows[1] == "baseline1, 2, 3, 470,0001x655,3601x1,234"
    assert rows[3] == "LHF3, 4640109x5,120128x1,234"


def test_each_set_has_a_curve_of_every_variant_and_the_place_of_its_threshold(page):
    drawn = figures(page, "curves")
    assert len(drawn) == 2
    for figure in drawn:
        curves = [node for node in _inside(figure) if node.tag == "path"]
        assert len(curves) == len([node for node in _inside(figure) if node.tag == "circle"]) == len(SKILL)
        for curve in curves:
            across = [float(x) for x in re.findall(r"[ML]([\d.]+) ", curve.attributes["d"])]
            assert across == sorted(across)
    rates = sample()["variants"]["L"]["sets"]["unseen words"]["rates"]
    tip = f"L at its threshold: precision {rates['precision']['value']:.3f}, recall {rates['recall']['value']:.3f}"
    assert tip in drawn[0].text


def test_groups_are_drawn_and_told_with_what_they_rest_on(page):
    assert len(figures(page, "groups")) == 4
    group = sample()["variants"]["LHF"]["sets"]["unseen words"]["groups"]["term length"]["3"]
    text = page.one("groups").text
    assert f"3 ({group['said']})" in text
    assert f"n = {group['said']}" in text
    assert f"{group['rates']['f1']['value']:.3f}" in text
    assert "unseen words: F1 by language" in text


def test_mistakes_come_with_their_scores_and_recordings(page):
    worst = sample()["variants"]["L"]["sets"]["unseen words"]["false_alarms"][0]
    text = page.one("mistakes").text
    assert worst["term"] in text
    assert f"{worst['score']:.2f}" in text
    players = page.all("audio")
    assert len(players) == 3 * 2 * 3
    assert {player.attributes["src"][:15] for player in players} == {"data:audio/flac"}


def test_training_and_the_gate_are_drawn_by_seed(page):
    assert [figure.text.count("Validation F1, seed") for figure in figures(page, "training")] == [1, 1]
    gates = figures(page, "gate")
    assert len(gates) == 2
    assert len([node for node in _inside(gates[0]) if node.tag == "path"]) == 4
    text = page.one("gate").text
    assert "3 (0.400), 4 (0.600)" in text
    assert "Every seed selects the same layers." in text


def test_a_selection_that_varies_is_said_to_vary():
    found = sample()
    found["variants"]["L"]["training"]["1"]["epochs"][-1]["gate"] = [0.0, 0.1, 0.4, 0.5]
    assert "The selection varies with the seed." in Document(render_spotting(found)).one("gate").text
    del found["variants"]["L"]["training"]["1"]
    assert "There was one seed" in Document(render_spotting(found)).one("gate").text


def test_what_is_not_there_is_said_not_to_be():
    found = sample()
    for variant in found["variants"].values():
        variant |= {"training": {}, "sets": {}}
        del variant["pairs_per_second"]
    del found["variants"]["baseline"]
    page = Document(render_spotting(found))
    for section in ("curves", "groups", "mistakes", "training", "gate"):
        assert "No " in page.one(section).text
    assert "n/a" in page.one("cost").text
    assert "Nothing was evaluated." in Document(render_spotting(found | {"sets": {}})).one("summary").text


def test_a_gate_of_many_layers_shows_those_that_end_highest():
    found = sample()
    layers = list(range(1, 33))
    last = [0.0] * 29 + [0.2, 0.3, 0.5]
    course = {"layers": layers, "epochs": epochs([[1 / 32] * 32, last])}
    found["variants"]["L"]["training"] = {"0": course}
    (drawn,) = figures(Document(render_spotting(found)), "gate")
    assert len([node for node in _inside(drawn) if node.tag == "path"]) == 6
    for layer in (30, 31, 32):
        assert f"layer {layer}" in drawn.text
