import json

import pytest

from harken.config import check
from harken.errors import HarkenError
from harken.spotter_settings import (
    ProjectionSettings,
    SpotterSettings,
    nano_spotter,
    paper_spotter,
    paper_training,
)

VARIANTS = ("baseline", "L", "LH", "LHF")


@pytest.mark.parametrize("preset", [paper_spotter, nano_spotter])
@pytest.mark.parametrize("variant", VARIANTS)
def test_presets_survive_json(preset, variant):
    settings = preset(variant)
    assert check(json.loads(settings.model_dump_json()), SpotterSettings, "test") == settings


def test_the_papers_shapes():
    assert [(paper_spotter(v).keyword_frames, paper_spotter(v).map_columns) for v in VARIANTS] == [
        (150, 1500),
        (150, 1500),
        (150, 1500),
        (75, 750),
    ]
    assert len(paper_spotter("L").layers) == 32
    assert paper_spotter("LHF").layers == (14, 16, 32)
    assert paper_spotter("LHF").frame_size == 64
    assert paper_training().batch_pairs * paper_training().accumulation == 1280


def test_a_trained_gates_layers_make_the_next_variant():
    settings = nano_spotter("L").with_layers((3, 4), "LHF", ProjectionSettings(hidden=64, size=16))
    assert (settings.layers, settings.frame_size, settings.keyword_frames) == ((3, 4), 16, 40)
    assert settings.verifier == nano_spotter("L").verifier


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"compression": {"variant": "L", "projection": {"size": 8}}}, "projection has no effect with variant L"),
        ({"compression": {"variant": "LH"}}, "variant LH needs a projection"),
        ({"compression": {"variant": "L", "layers": [3, 2]}}, "must name at least one and ascend"),
        ({"compression": {"variant": "L", "layers": []}}, "must name at least one and ascend"),
        ({"compression": {"variant": "L", "layers": [40]}}, "names layer 40; the encoder has 32"),
        ({"compression": {"variant": "L"}, "verifier": {"blocks": [1]}}, "blocks names 1 stages and widths 3"),
        ({"compression": {"variant": "L"}, "verifier": {"crop_seconds": 2.0}}, "crop_seconds must lie between"),
        ({"compression": {"variant": "L"}, "verifier": {"keyword_seconds": 31.0}}, "above the encoder's window"),
        ({"compression": {"variant": "L", "layer": [1]}}, "The nearest known key is 'compression.layers'"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, message):
    with pytest.raises(HarkenError, match=message):
        check(change, SpotterSettings, "test")
