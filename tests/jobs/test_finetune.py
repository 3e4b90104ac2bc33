"""Fine-tuning on a real Ray Train: two workers, a tiny Whisper, tones."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from harken.errors import HarkenError
from harken.finetuning.export import ADAPTER, MERGED, export
from harken.finetuning.learner import Learner
from harken.finetuning.selection import select
from harken.finetuning.workers import Workers
from harken.settings import ClusterSettings
from harken.whisper import load_whisper
from jobs.finetune import finetune
from tests.tiny_finetuning import tiny_task
from tests.tiny_whisper import save_tiny_whisper

CLUSTER = ClusterSettings(cpus=4)
LORA = {"rank": 4, "alpha": 8.0, "dropout": 0.0}


def adapter(directory: Path) -> dict[str, torch.Tensor]:
    return load_file(directory / ADAPTER / "adapter_model.safetensors")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_whisper(tmp_path_factory.mktemp("tiny"))


@pytest.mark.slow
@pytest.mark.smoke
def test_two_ray_workers_learn_what_one_process_learns(model, tmp_path):
    task = tiny_task(model, tmp_path, workers=2, lora=LORA, epochs=1)
    facts = finetune(task, CLUSTER)
    assert facts["steps"] == 5
    alone = Learner(task, Workers(), "cpu")
    list(alone.run())
    export(alone, tmp_path / "alone")
    found, expected = adapter(task.directory), adapter(tmp_path / "alone")
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-5) for name in expected)
    assert load_whisper(str(task.directory / MERGED), "cpu").window_seconds == 2
    curve = json.loads((task.directory / "curve.json").read_text())
    assert [point["step"] for point in curve] == [0, 1, 2, 3, 4, 5]
    assert {"dev_loss", "dev_cer", "dev_replay_cer"} <= curve[-1].keys()
    # A finished run that lost its output makes it again from its last checkpoint.
    before = adapter(task.directory)
    (task.directory / ADAPTER / "adapter_model.safetensors").unlink()
    finetune(task, CLUSTER)
    assert all(torch.equal(tensor, before[name]) for name, tensor in adapter(task.directory).items())


@pytest.mark.slow
def test_an_elastic_group_ends_with_what_one_process_ends_with(model, tmp_path):
    selection = {"weights": "lowest", "every_steps": 2, "average": 2}
    task = tiny_task(model, tmp_path, workers=(1, 2), lora=LORA, selection=selection)
    facts = finetune(task, CLUSTER)
    alone = Learner(dataclasses.replace(task, directory=tmp_path / "alone"), Workers(), "cpu")
    list(alone.run())
    taken = select(alone)
    assert facts["taken"]["weights"] == taken["weights"]
    assert facts["taken"]["cers"] == pytest.approx(taken["cers"])
    export(alone, tmp_path / "alone")
    found, expected = adapter(task.directory), adapter(tmp_path / "alone")
    assert found.keys() == expected.keys()
    assert all(torch.allclose(found[name], expected[name], atol=1e-4) for name in expected)


@pytest.mark.slow
def test_bad_input_is_told_once_and_not_tried_again(model, tmp_path):
    task = tiny_task(model, tmp_path, workers=2)
    empty = dataclasses.replace(task.synthetic, ids=frozenset())
    with pytest.raises(HarkenError, match="utterances to fine-tune on"):
        finetune(dataclasses.replace(task, synthetic=empty), CLUSTER)
    # The folder is as good as new for the next try.
    assert finetune(dataclasses.replace(task), CLUSTER)["steps"] == task.settings.epochs * 5
