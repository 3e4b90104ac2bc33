"""The biasing benchmark: nested glossaries, what counts as inserted, targets, the guards' fit, and all in small."""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.biasing import fit
from benchmarks.biasing.__main__ import main
from benchmarks.biasing.glossaries import nested_glossaries
from benchmarks.biasing.searched import QUIET, targets
from benchmarks.biasing.systems import ALL, DEFAULT, inserted, systems
from benchmarks.biasing.utterances import without_speech
from compression.glossary.glossary import open_glossary
from harken.biasing.candidates import Candidate, Heard
from harken.biasing.guards import assess
from harken.biasing.merge import merge
from harken.biasing.proposals import Proposals
from harken.biasing.settings import BiasingSettings
from harken.config import load_config
from harken.detection import Detection
from harken.errors import HarkenError
from harken.unit_times import UnitTime
from harken.vad import VoiceActivity
from harken.whisper import Hypothesis
from jobs.glossary import build
from serve.graph_settings import GraphSettings
from serve.recipe import build_recipe
from tests.small_glossary import ROOT, save_models


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def window(text: str, *candidates: tuple[Detection, Candidate, float]) -> Proposals:
    """A Chinese text of a character every half second, and what might be written in it: who, where, gain."""
    units = tuple(UnitTime(index, index + 1, index / 2, (index + 1) / 2) for index in range(len(text)))
    detections = [detection for detection, _, _ in candidates]
    assessed = [
        assess(replace(candidate, detection=place), detection, {detection.term: gain}, BiasingSettings())
        for place, (detection, candidate, gain) in enumerate(candidates)
    ]
    heard = Heard(text, units, (0.9,) * len(units))
    return Proposals(detections, Hypothesis(text, (), -0.1, False), heard, assessed=assessed)


def proposal(term: str, first: int, probability: float, distance: float, gain: float, beside: float = 0.0) -> Any:
    detection = Detection(term, first / 2, (first + len(term)) / 2, probability, (term,))
    return detection, Candidate(0, first, first + len(term), 1.0, distance, ("substitution",), beside), gain


def store_of(service: GraphSettings, folder: Path, terms: list[str]) -> Path:
    """A glossary of a few terms."""
    folder.mkdir()
    path = folder / "terms.csv"
    path.write_text("\n".join(["term", *terms]), encoding="utf-8")
    run = build_recipe(service, folder / "store", path)
    build(run)
    return run.store_folder


def test_the_whole_list_is_in_every_glossary_and_the_smaller_in_the_larger(tmp_path: Path) -> None:
    overrides = [f"glossary.spotter={save_models(tmp_path / 'models')}"]
    service = load_config(Path("configs/serve.yaml"), overrides, GraphSettings)
    listed, others = ["铂金包", "水桶包", "birkin"], ["陀飞轮", "香奈儿", "梵克雅宝", "四叶草", "kelly"]
    stores = {
        "listed_store": store_of(service, tmp_path / "listed", listed),
        "distractors_store": store_of(service, tmp_path / "others", others),
    }
    nested = nested_glossaries(service, argparse.Namespace(work=tmp_path / "work", **stores))
    held = {}
    for size in (5, 12):
        glossary = open_glossary(nested.store(size))
        assert len(glossary) == size
        held[size] = {glossary.entry(row).term for row in range(size)}
    assert set(listed) <= held[5] < held[12]
    assert nested.made_of(12) == {"entries": 12, "listed": 3, "spoken": 5, "spliced": 4}
    # A splice is written as what it is made of; of so few terms some splices are alike.
    spliced = held[12] - {*listed, *others}
    assert spliced
    assert {letter for term in spliced for letter in term} <= {letter for term in others for letter in term}
    with pytest.raises(HarkenError, match="has 3 entries"):
        nested.store(2)


def test_only_terms_that_nobody_said_are_inserted() -> None:
    found = window(
        "喜欢博近包和水桶",
        proposal("铂金包", 2, 0.99, 0.0, -1.0),
        proposal("香水", 5, 0.99, 0.0, -1.0),
    )
    made = merge(found)
    assert made.text == "喜欢铂金包香水桶"
    assert inserted("喜欢铂金包和水桶包", made) == ["香水"]
    assert inserted("喜欢铂金包，香水很好", made) == []


def test_no_voice_is_heard_where_nobody_speaks() -> None:
    voices = VoiceActivity()
    assert not [one.id for one in without_speech(10.0) if voices.windows(one.wave, len(one.wave))]


def measured(recall: float, mer_high: float, rate: float, quiet: int) -> dict[str, Any]:
    def compared(low: float, high: float) -> dict[str, Any]:
        interval = {"value": high, "low": low, "high": high}
        return {DEFAULT: {"mer_difference": interval, "keyword_recall_difference": {"value": recall}}}

    kinds = {
        kind: {"systems": compared(mer_high, mer_high), "inserted_per_minute": {DEFAULT: rate}}
        for kind in ("no term", "English", "backwards")
    }
    kinds[QUIET] = {"inserted": {"all": quiet}}
    return {"1000": {"with terms": compared(-0.2, mer_high), "all": compared(-0.2, mer_high), "kinds": kinds}}


def test_targets_are_held_against_the_figures() -> None:
    assert all(facts["holds"] for facts in targets(measured(0.4, -0.01, 0.5, 0)).values())
    assert not any(facts["holds"] for facts in targets(measured(0.2, 0.01, 2.0, 1)).values())


def example(reference: str, text: str, *candidates: Any) -> fit.Example:
    return fit.Example(reference, window(text, *candidates))


def made_up(count: int) -> list[fit.Example]:
    """Right terms are probable and sound alike; wrong ones mostly are not, and so are words beside."""
    draw, found = np.random.default_rng(0), []
    for _ in range(count):
        probability, distance, gain = draw.uniform(0.7, 0.99), draw.uniform(0.0, 0.3), draw.uniform(-4, -1)
        right = proposal("铂金包", 2, probability, distance, gain)
        detection, candidate, _ = right
        wider = detection, replace(candidate, first=1, beside=0.9, distance=distance + 0.2), gain - 1
        both = example("喜欢铂金包", "喜欢博近包", right, wider)
        same = replace(both.window.assessed[1].candidate, detection=0)
        both.window.assessed[1] = replace(both.window.assessed[1], candidate=same)
        wrong = proposal("香奈儿", 0, draw.uniform(0.5, 0.8), draw.uniform(0.2, 0.6), draw.uniform(-9, -3))
        found += [both, example("想要张扬的", "想要张扬的", wrong)]
    return found


def test_weights_are_fitted_that_tell_right_spans_from_wrong_ones() -> None:
    found = made_up(30)
    boundary = fit.fit_boundary(found)
    evidence = fit.fit_evidence(found, boundary)
    assert boundary.beside < 0
    assert evidence.gain > 0 > evidence.distance
    assert evidence.probability > 0
    fitted = {"boundary": boundary, "evidence": evidence}
    best, by_threshold = fit.threshold(found, fitted)
    assert by_threshold[best]["not said"] <= 2
    assert by_threshold[best]["errors"] <= 10
    assert by_threshold[best]["errors"] < 30 * 2 == fit.errors(found, BiasingSettings(least_evidence=100))["errors"]


def test_a_fit_needs_right_and_wrong_spans() -> None:
    with pytest.raises(HarkenError, match="spans that are right"):
        fit.fit_boundary([example("想要张扬的", "想要张扬的")])


def test_the_embedded_model_is_decoded_once_by_default() -> None:
    service = load_config(Path("configs/serve.yaml"), [], GraphSettings)
    assert service.transcriber.biasing.mechanisms == ("substitution",)
    assert set(systems(service.transcriber.biasing)[ALL]) == {"prompt", "boost", "substitution"}


def test_an_unknown_part_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--parts", "given,sung"]) == 2
    assert "sung" in capsys.readouterr().err


@pytest.mark.slow
def test_the_whole_in_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--quick", "--json", "--work", str(tmp_path / "work"), "--parts", "searched"]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])["searched"]
    assert set(found["glossaries"]) == {"80", "110"}
    assert found["glossaries"]["110"]["made_of"]["spliced"] > 0
    systems = found["glossaries"]["80"]["with terms"]
    assert systems["all"]["keyword_recall"]["value"] > systems["unbiased"]["keyword_recall"]["value"]
    assert found["glossaries"]["80"]["kinds"]["no speech"]["inserted"]["all"] == 0
