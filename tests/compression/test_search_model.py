"""A search model as files, what makes it another one, and whose it is."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from compression.cohort import normed
from compression.diagonals import best_diagonals
from compression.frames import Frames
from compression.search_model import SETTINGS_FILE, WEIGHTS_FILE, SearchModel
from harken.errors import HarkenError
from tests.tiny_search import tiny_search_model
from tests.tiny_spotter import recordings, tiny_spotter


def enrolments(seed: int = 7) -> list[torch.Tensor]:
    with torch.inference_mode():
        return tiny_spotter("LHF").compress(Frames.stack(recordings([6, 9, 12, 10], seed)))[0].unstack()


@pytest.mark.parametrize("path_size", [None, 5])
def test_a_saved_model_comes_back_exactly(tmp_path: Path, path_size: int | None) -> None:
    spotter = tiny_spotter("LHF")
    model = tiny_search_model(spotter, path_size)
    model.save(tmp_path / "search")
    again = SearchModel.load(tmp_path / "search", spotter)
    assert again.fingerprint() == model.fingerprint()
    assert again.calibration == model.calibration
    assert torch.equal(again.centroids, model.centroids)
    assert torch.equal(again.spans.embed(enrolments()), model.spans.embed(enrolments()))
    assert torch.equal(again.background_statistics(enrolments()), model.background_statistics(enrolments()))
    again.save(tmp_path / "again")
    for name in (SETTINGS_FILE, WEIGHTS_FILE):
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / "search" / name).read_bytes()


def test_the_fingerprint_is_of_what_a_glossary_stores(tmp_path: Path) -> None:
    spotter = tiny_spotter("LHF")
    model = tiny_search_model(spotter)
    assert replace(model, calibration=replace(model.calibration, bias=1.0)).fingerprint() == model.fingerprint()
    assert tiny_search_model(spotter, seed=1).fingerprint() != model.fingerprint()
    assert replace(model, centroids=-model.centroids).fingerprint() != model.fingerprint()
    shorter = replace(model.cohort, codes=model.cohort.codes.flip(0))
    assert replace(model, cohort=shorter).fingerprint() != model.fingerprint()


def test_another_spotters_model_is_refused(tmp_path: Path) -> None:
    tiny_search_model(tiny_spotter("LHF")).save(tmp_path)
    with pytest.raises(HarkenError, match="train the search model for it"):
        SearchModel.load(tmp_path, tiny_spotter("LHF", seed=1))


def test_damaged_files_are_told(tmp_path: Path) -> None:
    spotter = tiny_spotter("LHF")
    with pytest.raises(HarkenError, match=r"holds no search\.json"):
        SearchModel.load(tmp_path, spotter)
    tiny_search_model(spotter).save(tmp_path)
    description = json.loads((tmp_path / SETTINGS_FILE).read_text())
    del description["calibration"]["weights"]["length"]
    (tmp_path / SETTINGS_FILE).write_text(json.dumps(description))
    with pytest.raises(HarkenError, match="calibration"):
        SearchModel.load(tmp_path, spotter)
    tiny_search_model(spotter, path_size=4).save(tmp_path / "other")
    tiny_search_model(spotter, path_size=5).save(tmp_path)
    (tmp_path / WEIGHTS_FILE).write_bytes((tmp_path / "other" / WEIGHTS_FILE).read_bytes())
    with pytest.raises(HarkenError, match=r"path\.bias"):
        SearchModel.load(tmp_path, spotter)


def test_background_statistics_are_those_of_each_enrolment_in_each_cohort_utterance() -> None:
    model = tiny_search_model(tiny_spotter("LHF"), cohort=5)
    kept = enrolments()
    statistics = model.background_statistics(kept)
    heard = [model.path_frames(frames) for frames in model.cohort.utterances()]
    for one, (mean, deviation) in zip(kept, statistics.tolist(), strict=True):
        unit = model.path_frames(one.transpose(0, 1))
        maps = [torch.einsum("kls,tls->kt", unit, frames)[None] / unit.shape[1] for frames in heard]
        length = torch.tensor([len(unit)])
        scores = torch.tensor([float(best_diagonals(one_map, length).scores) for one_map in maps])
        assert mean == pytest.approx(float(scores.topk(2).values.mean()), abs=1e-5)
        assert deviation == pytest.approx(float(scores.std(correction=0)), abs=1e-5)
    assert normed(statistics[:, 0] + 0.2, statistics).tolist() == pytest.approx([2.0] * len(kept), abs=1e-4)
    assert model.background_statistics([]).shape == (0, 2)
