from typing import Any

import pytest
import yaml

from harken.config import check, dump_yaml, load_config
from harken.errors import HarkenError
from harken.sampler_settings import paper_sampler
from harken.spotter_settings import EncoderShape, paper_spotter, paper_training
from harken.spotting_settings import SpottingSettings

NANO = EncoderShape(layers=4, width=256, window_frames=250, frames_per_second=25.0)


def load(*overrides: str) -> SpottingSettings:
    return load_config("configs/keywords.yaml", overrides, SpottingSettings)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("sets.training.corpora.words.path=x.jsonl", "either a path or sequences"),
        ("sets.training.corpora.words.speech=null", "sequences need speech"),
        ("sets.training.corpora.words.limit=5", "limit has no effect on sequences"),
        ("sets.tests.brands.corpora.notes.split=dev", "split has no effect on a manifest"),
        ("sets.tests.brands.corpora.notes.layout=mls", "layout mls needs a split"),
        ("sets.training.corpora.words.sequences.fold=[0.5, 0.5]", "holds nothing"),
        ("sets.training.corpora.words.sequences.words_per_utterance=[3, 2]", "above the most"),
        ("variants=[LHF]", "need layers"),
        ("sets.training.corpora={a/b: {path: x.jsonl}}", "stands in folders"),
        ("sets.tests={}", "sets.tests"),
        (
            "sets.tests.brands.engines={cuts: {speech: {language: cmn, voices: {speakers: [cmn]}}}}",
            "natural recordings",
        ),
        ("sets.training.corpora.words.sequences.cout=1", "nearest known key is .*sequences.count'"),
        ("train.seed=3", "train.seed has no effect"),
    ],
)
def test_what_has_no_effect_or_no_source_is_refused(override: str, said: str) -> None:
    with pytest.raises(HarkenError, match=said):
        load(override)


def test_layers_without_a_variant_that_takes_them_are_refused() -> None:
    with pytest.raises(HarkenError, match="layers has no effect"):
        load("layers=[2]", "variants=[baseline, L]")


def test_only_the_layers_in_use_are_stored() -> None:
    assert load().stored_layers(NANO) == (1, 2, 3, 4)
    assert load("layers=[2, 4]").stored_layers(NANO) == (1, 2, 3, 4)
    assert load("layers=[2, 4]", "variants=[LH, LHF]").stored_layers(NANO) == (2, 4)


def test_a_variant_has_the_parts_that_belong_to_it() -> None:
    run = load()
    found: dict[str, Any] = {name: run.spotter(name, NANO, None).compression for name in ("baseline", "L")}
    found |= {name: run.spotter(name, NANO, (3, 4)).compression for name in ("LH", "LHF")}
    assert {name: part.projection is not None for name, part in found.items()} == {
        "baseline": False,
        "L": False,
        "LH": True,
        "LHF": True,
    }
    assert found["LHF"].layers == (3, 4)
    assert found["LHF"].frame_factor == 2


def test_the_papers_configuration_is_the_papers_spotter() -> None:
    run = load_config("configs/keywords-paper.yaml", (), SpottingSettings)
    large = EncoderShape()
    for variant in ("L", "LHF"):
        layers = (14, 16, 32) if variant == "LHF" else None
        assert run.spotter(variant, large, layers) == paper_spotter(variant)
    assert run.train == paper_training()
    assert run.sampler == paper_sampler()


@pytest.mark.parametrize("name", ["keywords", "keywords-paper"])
def test_the_resolved_configuration_can_be_run_again(name: str) -> None:
    run = load_config(f"configs/{name}.yaml", [], SpottingSettings)
    assert check(yaml.safe_load(dump_yaml(run)), SpottingSettings, "resolved") == run


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("layers=[9]", "names layer 9; the encoder has 4"),
        ("layers=[3, 1]", "must name at least one and ascend"),
        ("layers=[]", "must name at least one and ascend"),
        ("verifier.keyword_seconds=20", "above the encoder's window of 10 s"),
    ],
)
def test_what_does_not_fit_the_model_is_refused_at_once(override: str, said: str) -> None:
    load().check(NANO)
    with pytest.raises(HarkenError, match=said):
        load(override).check(NANO)
