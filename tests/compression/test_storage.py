import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from compression.frames import Frames
from compression.storage import SETTINGS_FILE, WEIGHTS_FILE, load_spotter, save_spotter
from harken.errors import HarkenError
from tests.tiny_spotter import VARIANTS, recordings, tiny_spotter

KEYWORDS, UTTERANCES = Frames.stack(recordings([5, 12], seed=1)), Frames.stack(recordings([30, 11], seed=2))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_spotter(tiny_spotter("LHF"), tmp_path)
    return tmp_path


def rewrite(folder: Path, **changes) -> None:
    description = json.loads((folder / SETTINGS_FILE).read_text())
    (folder / SETTINGS_FILE).write_text(json.dumps(description | changes))


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_loaded_spotter_gives_the_very_same_scores(variant, tmp_path):
    spotter = tiny_spotter(variant)
    spotter.threshold = 0.1 + 0.2
    save_spotter(spotter, tmp_path)
    loaded = load_spotter(tmp_path)
    with torch.no_grad():
        assert torch.equal(loaded(KEYWORDS, UTTERANCES), spotter(KEYWORDS, UTTERANCES))
    assert (loaded.threshold, loaded.settings, loaded.training) == (spotter.threshold, spotter.settings, False)
    assert loaded.fingerprint() == spotter.fingerprint()


def test_saving_twice_writes_the_same_bytes(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    save_spotter(load_spotter(folder), other)
    for name in (SETTINGS_FILE, WEIGHTS_FILE):
        assert (other / name).read_bytes() == (folder / name).read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == [SETTINGS_FILE, WEIGHTS_FILE]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"version": 2}, "This release reads version 1"),
        ({"version": None}, "This release reads version 1"),
        ({"format": "other"}, "Its format is not 'harken-spotter'"),
        ({"settings": None}, "It needs settings and a threshold"),
        ({"threshold": "high"}, "It needs settings and a threshold"),
        ({"settings": {"compresion": {}}}, "The nearest known key is 'compression'"),
    ],
)
def test_a_description_of_something_else_is_refused(folder, changes, message):
    rewrite(folder, **changes)
    with pytest.raises(HarkenError, match=message):
        load_spotter(folder)


def test_weights_of_other_settings_are_refused(folder):
    tensors = load_file(folder / WEIGHTS_FILE)

    def refused(changed: dict[str, torch.Tensor], message: str) -> None:
        save_file(changed, folder / WEIGHTS_FILE)
        with pytest.raises(HarkenError, match=message):
            load_spotter(folder)

    name = "halver.convolutions.0.weight"
    refused(
        tensors | {name: tensors[name][:, :4].contiguous()}, r"shape \(8, 4, 3\); the settings make it .*\(8, 8, 3\)"
    )
    refused(tensors | {name: tensors[name].half()}, "It is torch.float16")
    refused({key: tensor for key, tensor in tensors.items() if key != name}, rf"{name}'\. It is missing")
    refused(tensors | {"extra": torch.zeros(1)}, r"'extra'\. It is unknown")


def test_missing_and_damaged_files_are_named(folder):
    (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes()[:1000])
    with pytest.raises(HarkenError, match=r"spotter.safetensors'\. It is damaged"):
        load_spotter(folder)
    (folder / WEIGHTS_FILE).unlink()
    with pytest.raises(HarkenError, match=r"spotter.safetensors'\. It does not exist"):
        load_spotter(folder)
    (folder / SETTINGS_FILE).write_text("{")
    with pytest.raises(HarkenError, match=r"spotter.json'\. It cannot be read"):
        load_spotter(folder)
    (folder / SETTINGS_FILE).unlink()
    with pytest.raises(HarkenError, match=r"It holds no spotter\.json"):
        load_spotter(folder)
