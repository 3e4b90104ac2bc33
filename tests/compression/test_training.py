from pathlib import Path

import numpy as np
import pytest
import torch

from compression.pairs import Pair, collate
from compression.spotter import Spotter
from compression.storage import read_tensors
from compression.training import STATE_FILE, Trainer
from harken.errors import HarkenError
from harken.metrics.spotting import f1_score
from harken.spotter_settings import SpotterTrainingSettings
from tests.tiny_spotter import VARIANTS, TinySource, tiny_settings

FAST = SpotterTrainingSettings(
    epochs=30,
    batch_pairs=8,
    learning_rate=1e-2,
    compression_learning_rate=1e-2,
    gate_learning_rate=2e-2,
    patience=30,
)


def trainer(variant, folder: Path, count: int = 4, settings=FAST, **more) -> Trainer:
    source = TinySource(count)
    spotter = Spotter(tiny_settings(variant), seed=settings.seed)
    return Trainer(spotter, settings, source, lambda epoch: source.pairs(), source.pairs(), folder, **more)


@pytest.mark.parametrize("variant", VARIANTS)
def test_eight_pairs_are_learnt_by_heart(variant, tmp_path):
    teaching = trainer(variant, tmp_path)
    best = teaching.run()
    assert not best.training
    with torch.no_grad():
        batch = collate(teaching.source.pairs(), teaching.source)
        logits = best(batch.keywords, batch.utterances, batch.pairs).numpy()
    assert f1_score(logits, batch.labels.numpy() > 0, best.threshold) == 1.0
    history = teaching.progress.history
    assert history[-1].loss < history[0].loss
    assert all(np.isfinite(epoch.loss) for epoch in history)
    if variant == "L":
        assert all(sum(epoch.gate) == pytest.approx(1) for epoch in history)
        assert [layer for layer, value in enumerate(history[-1].gate, 1) if value > 0] == history[-1].layers
    else:
        assert history[-1].gate is None


class StopHereError(Exception):
    pass


@pytest.mark.parametrize("step", [3, 4, 5])
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(step, tmp_path):
    """After a checkpoint inside an epoch, at its end, and in between: weights, moments and history are the same."""
    settings = SpotterTrainingSettings(epochs=3, batch_pairs=3, accumulation=2, checkpoint_steps=3, seed=5)

    def stop(progress):
        if progress.step == step:
            raise StopHereError

    whole = trainer("LHF", tmp_path / "whole", settings=settings)
    whole.run()
    with pytest.raises(StopHereError):
        trainer("LHF", tmp_path / "parts", settings=settings, on_step=stop).run()
    resumed = trainer("LHF", tmp_path / "parts", settings=settings)
    # What was in memory is gone: only the folder may count.
    with torch.no_grad():
        for parameter in resumed.spotter.parameters():
            parameter.fill_(0.5)
    resumed.run()
    assert resumed.progress == whole.progress
    expected, _ = read_tensors(tmp_path / "whole" / STATE_FILE)
    found, _ = read_tensors(tmp_path / "parts" / STATE_FILE)
    assert expected.keys() == found.keys()
    assert any(name.startswith("optimizer.") for name in expected)
    assert all(torch.equal(tensor, found[name]) for name, tensor in expected.items())
    for file in ("best/spotter.safetensors", "best/spotter.json"):
        assert (tmp_path / "whole" / file).read_bytes() == (tmp_path / "parts" / file).read_bytes()


def keep_statistics(spotter: Spotter) -> None:
    """Batch statistics are then neither computed nor updated, in training as in evaluation."""
    spotter.verifier.eval()
    spotter.train = lambda mode=True: spotter


def test_accumulated_batches_are_one_batch_to_a_spotter_without_batch_statistics(tmp_path):
    """The loss of a step is the mean over its pairs, also when its batches differ in size."""
    settings = SpotterTrainingSettings(epochs=1, batch_pairs=3, accumulation=3, seed=1)
    accumulated = trainer("baseline", tmp_path / "a", settings=settings)
    whole = trainer("baseline", tmp_path / "b", settings=settings.model_copy(update={"batch_pairs": 8}))
    for teaching in (accumulated, whole):
        keep_statistics(teaching.spotter)
        teaching.run()
    assert accumulated.progress.step == whole.progress.step == 1
    for one, other in zip(accumulated.spotter.parameters(), whole.spotter.parameters(), strict=True):
        assert torch.allclose(one, other, atol=1e-5)


def teach_as_one_of_two(rank: int, folder: str) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    settings = SpotterTrainingSettings(epochs=2, batch_pairs=4, seed=1)
    teaching = trainer("LH", Path(folder) / "two", settings=settings)
    keep_statistics(teaching.spotter)
    teaching.run()
    torch.distributed.destroy_process_group()


def test_two_workers_learn_what_one_learns(tmp_path):
    torch.multiprocessing.spawn(teach_as_one_of_two, (str(tmp_path),), nprocs=2)
    settings = SpotterTrainingSettings(epochs=2, batch_pairs=4, seed=1)
    alone = trainer("LH", tmp_path / "one", settings=settings)
    keep_statistics(alone.spotter)
    alone.run()
    (expected, of_one), (found, of_two) = (read_tensors(tmp_path / name / STATE_FILE) for name in ("one", "two"))
    assert all(torch.allclose(tensor, found[name], atol=1e-5) for name, tensor in expected.items())
    for one, two in zip(of_one["progress"]["history"], of_two["progress"]["history"], strict=True):
        assert one["loss"] == pytest.approx(two["loss"], abs=1e-5)
        assert one["f1"] == pytest.approx(two["f1"])


def test_the_best_epoch_is_kept_and_patience_ends_the_run(tmp_path):
    settings = SpotterTrainingSettings(epochs=30, batch_pairs=8, patience=2, learning_rate=1e-6)
    teaching = trainer("baseline", tmp_path, settings=settings)
    best = teaching.run()
    history = teaching.progress.history
    assert len(history) == teaching.progress.best.number + 3 < 30
    assert teaching.progress.best.f1 == max(epoch.f1 for epoch in history)
    assert best.threshold == teaching.progress.best.threshold
    again = trainer("baseline", tmp_path, settings=settings)
    again.run()
    assert again.progress == teaching.progress


def test_the_gate_drops_layers_that_say_nothing(tmp_path):
    """Layers 1 and 3 are noise in every utterance; only layer 2 holds the keywords."""
    source = TinySource(24, noise=0.2)
    for index, utterance in enumerate(source.utterances):
        generator = torch.Generator().manual_seed(1000 + index)
        utterance[[0, 2]] = torch.randn(utterance[[0, 2]].shape, generator=generator)
    changes = {"epochs": 16, "batch_pairs": 16, "gate_learning_rate": 0.05, "entropy_weight": 0.2}
    settings = FAST.model_copy(update=changes)
    teaching = Trainer(
        Spotter(tiny_settings("L")), settings, source, lambda epoch: source.pairs(), source.pairs(), tmp_path
    )
    teaching.run()
    assert teaching.progress.history[0].layers == [1, 2, 3]
    assert teaching.progress.history[-1].layers == [2]


def test_a_run_with_other_settings_is_refused(tmp_path):
    settings = SpotterTrainingSettings(epochs=1, batch_pairs=8)
    trainer("LH", tmp_path, settings=settings).run()
    with pytest.raises(HarkenError, match="begun with other settings"):
        trainer("LH", tmp_path, settings=settings.model_copy(update={"seed": 1})).run()


def test_validation_needs_a_positive_pair(tmp_path):
    source = TinySource(2)
    with pytest.raises(HarkenError, match="validation pairs: 1"):
        Trainer(Spotter(tiny_settings("LH")), FAST, source, lambda epoch: [], [Pair("k0", "u1", False)], tmp_path)


def test_an_epoch_without_pairs_is_refused(tmp_path):
    source = TinySource(2)
    spotter = Spotter(tiny_settings("LH", centred=False))
    with pytest.raises(HarkenError, match="training pairs"):
        Trainer(spotter, FAST, source, lambda epoch: [], source.pairs(), tmp_path).run()


def test_a_batch_holds_each_recording_once():
    source = TinySource(3)
    batch = collate(source.pairs(), source)
    assert (len(batch.keywords), len(batch.utterances)) == (3, 3)
    assert batch.pairs.tolist() == [[0, 0], [1, 1], [2, 2], [0, 1], [1, 2], [2, 0]]
    assert batch.labels.tolist() == [1, 1, 1, 0, 0, 0]


def test_the_state_says_where_training_stands(tmp_path):
    trainer("L", tmp_path, settings=SpotterTrainingSettings(epochs=2, batch_pairs=8)).run()
    progress = read_tensors(tmp_path / STATE_FILE)[1]["progress"]
    assert (progress["epoch"], progress["batch"], progress["step"]) == (2, 0, 2)
    assert [epoch["number"] for epoch in progress["history"]] == [0, 1]
