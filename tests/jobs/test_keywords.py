"""`jobs.keywords` on the embedded parts, small: prepared, trained, measured, and not done again."""

import json
import shutil
from pathlib import Path

import pytest

from compression.compressed import compress_all
from compression.encoder import read_encoder_shape
from compression.sampler import PairSampler
from compression.search_model import SearchModel
from compression.storage import SETTINGS_FILE, load_spotter
from harken.config import load_config
from harken.spotting_settings import SpottingSettings
from jobs.keyword_data import read_set
from jobs.keyword_evaluation import TrainedSpotter
from jobs.keyword_inventory import read_terms
from jobs.keyword_sets import KeywordSet
from jobs.keywords import keyword_sets, main, measure

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "keywords.yaml"


def tiny(output: Path, *more: str) -> SpottingSettings:
    overrides = [
        f"run.output={output}",
        "sets.training.corpora.words.sequences={words: jieba, vocabulary: 24, fold: [0, 0.8], count: 24}",
        "sets.training.corpora.names.sequences={words: invented, vocabulary: 12, fold: [0, 0.8], count: 12}",
        "sets.training.engines.mandarin.recordings=1",
        "sets.training.engines.english.recordings=1",
        "sets.validation.corpora.words.sequences={words: jieba, vocabulary: 8, fold: [0.8, 0.9], count: 8}",
        "sets.validation.corpora.names.sequences={words: invented, vocabulary: 6, fold: [0.8, 0.9], count: 6}",
        "sets.tests.words.corpora.words.sequences={words: jieba, vocabulary: 8, fold: [0.9, 1], count: 8}",
        "sets.tests.brands.corpora.notes.limit=6",
        "sets.tests.unheard-engine.corpora.names.limit=4",
        "sets.tests.unheard-engine.inventory.terms=10",
        "resources={rows_per_shard: 16, speech_workers: 0, encoder_workers: 0, train_workers: 1}",
        "verifier.widths=[4, 8, 8]",
        # So fast that the gate drops layers.
        "train={epochs: 2, gate_learning_rate: 0.5, entropy_warmup: 0, entropy_weight: 1}",
        "variants=[L, LHF]",
        "bootstrap_samples=40",
        "search={model: {path_size: 8, spans: {hidden: 16, size: 16}}, spans: {epochs: 1}, path: {steps: 2, batch: 4}}",
        "search.centroids=8",
        "search.codebook_splices=40",
        "search.cohort=4",
        "search.enrolments=200",
        *more,
    ]
    return load_config(CONFIG, overrides, SpottingSettings)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> SpottingSettings:
    run = tiny(tmp_path_factory.mktemp("keywords"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        main(run)
    return run


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def sets(run: SpottingSettings) -> dict[str, KeywordSet]:
    training, validation, tests = keyword_sets(run, read_encoder_shape(run.model))
    return {"training": training, "validation": validation, **tests}


def test_a_run_ends_with_spotters_figures_and_a_report(done: SpottingSettings) -> None:
    found = json.loads((done.run.output / "evaluation.json").read_text(encoding="utf-8"))
    assert list(found["variants"]) == ["L", "LHF"]
    assert list(found["sets"]) == ["words", "brands", "unheard-engine"]
    assert found["sets"]["words"]["pairs"] >= 8 * 6
    for name, variant in found["variants"].items():
        spotter = load_spotter(done.run.output / "spotters" / name)
        assert spotter.threshold is not None
        assert variant["layers"] == list(spotter.selected_layers())
        assert set(variant["sets"]["words"]["rates"]) >= {"f1", "f1_at_1", "f1_at_5", "mean_average_precision"}
    assert found["variants"]["LHF"]["layers"] == found["variants"]["L"]["layers"]
    assert found["variants"]["LHF"]["bytes_per_keyword"] < found["variants"]["L"]["bytes_per_keyword"] / 20
    assert len(found["variants"]["L"]["layers"]) < 4
    assert {seed: course["layers"] for seed, course in found["variants"]["L"]["training"].items()} == {
        "0": [1, 2, 3, 4],
        "1": [1, 2, 3, 4],
    }
    assert any("The gate's selection" in line for line in found["notes"])
    page = (done.run.output / "report.html").read_text(encoding="utf-8")
    assert "LHF" in page
    assert "brands" in page


def test_a_run_ends_with_a_search_model_for_its_spotter(done: SpottingSettings) -> None:
    folder = done.run.output / "spotters" / "LHF"
    spotter = load_spotter(folder)
    model = SearchModel.load(folder / "search", spotter)
    assert model.centroids.shape == (8, 16)
    assert len(model.cohort) == 4
    data = read_set(sets(done)["words"])
    name = next(term.synthesized[0] for term in data.inventory.terms.values() if term.synthesized)
    kept = compress_all(spotter, data.frames(spotter.settings.layers).keyword, [name])
    assert model.background_statistics(list(kept.values())).shape == (1, 2)
    rows = json.loads((folder / "search" / "recall.json").read_text(encoding="utf-8"))["rows"]
    assert {row["set"] for row in rows} == {"validation", "test-words", "test-brands", "test-unheard-engine"}
    assert {row["stage"] for row in rows} == {"span", "path"}
    assert {row["recall"]["500"] for row in rows} == {1.0}
    assert max(row["glossary"] for row in rows) == 200


def test_no_set_holds_a_term_or_an_utterance_of_another(done: SpottingSettings) -> None:
    prepared = sets(done)
    terms = {name: {term.term for term in read_terms(part)} for name, part in prepared.items()}
    for name, own in terms.items():
        others = [other for other in ("training", "validation") if other != name]
        assert not any(own & terms[other] for other in others)
    utterances = [name for part in prepared.values() for name in read_set(part).utterance_files]
    assert len(utterances) == len(set(utterances)) >= 24 + 12 + 8 + 6 + 8 + 6


def test_terms_are_spoken_and_cut_and_paired(done: SpottingSettings) -> None:
    data = read_set(sets(done)["training"])
    natural = [cut for term in data.inventory.terms.values() for cut in term.natural]
    synthesized = [name for term in data.inventory.terms.values() for name in term.synthesized]
    assert len(synthesized) == 24 + 12
    assert len(natural) > 24
    assert {cut.utterance for cut in natural} <= set(data.utterance_files)
    frames = data.frames([2, 3])
    seconds = [frames.keyword(cut.name).shape[1] / 25 for cut in natural]
    assert 0.2 < sum(seconds) / len(seconds) < 1.5
    pairs = PairSampler(data.utterances, data.inventory, done.sampler).epoch(0)
    assert {pair.said for pair in pairs} == {True, False}


def test_a_second_run_does_nothing(done: SpottingSettings, capsys: pytest.CaptureFixture[str]) -> None:
    main(done)
    told = capsys.readouterr().out.splitlines()
    stages = [
        line for line in told if line.startswith(("utter", "units", "inv", "terms", "cuts", "frames", "spot", "eval"))
    ]
    assert len(stages) > 10
    assert [line for line in stages if "skipped" not in line] == []
    # The table is shown again.
    assert sum("LHF" in line and "[" in line for line in told) == len(done.sets.tests)


def test_a_setting_changes_what_depends_on_it_alone(done: SpottingSettings) -> None:
    as_it_was = sets(done)
    rate = sets(tiny(done.run.output, "train.learning_rate=1.0e-4"))
    assert all(part.content() == rate[name].content() for name, part in as_it_was.items())
    slower = sets(tiny(done.run.output, "sets.training.corpora.names.speech.voices.rate=[0.7, 0.8]"))
    words, names = slower["training"].utterances
    assert words.stage == as_it_was["training"].utterances[0].stage
    assert names.stage != as_it_was["training"].utterances[1].stage
    assert slower["training"].inventory != as_it_was["training"].inventory


def test_another_threshold_is_measured_anew(done: SpottingSettings, tmp_path: Path) -> None:
    folder = done.run.output / "spotters" / "L"
    shutil.copytree(folder, tmp_path / "L")
    description = json.loads((folder / SETTINGS_FILE).read_text(encoding="utf-8"))
    (tmp_path / "L" / SETTINGS_FILE).write_text(json.dumps(description | {"threshold": 1e6}), encoding="utf-8")
    tests = {"words": sets(done)["words"]}
    usual, deaf = (measure(done, {"L": TrainedSpotter(place)}, tests) for place in (folder, tmp_path / "L"))
    recall = [found["variants"]["L"]["sets"]["words"]["rates"]["recall"]["value"] for found in (usual, deaf)]
    assert recall[0] > 0
    assert recall[1] == 0
