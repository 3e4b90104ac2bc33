import dataclasses
import json

import pytest
import torch

from harken.errors import HarkenError
from harken.finetuning import adapters
from harken.finetuning.export import FACTS, MERGED, export
from harken.finetuning.learner import Learner
from harken.finetuning.selection import select
from harken.finetuning.snapshots import Evaluation, best, evaluations, out_of_patience
from harken.finetuning.task import AudioRows
from harken.finetuning.workers import Workers
from harken.whisper import load_whisper
from tests.tiny_finetuning import TEXTS
from tests.tiny_speech import tone_rows, write_parts


def learner(task) -> Learner:
    return Learner(task, Workers(), "cpu")


def curve(*cers: float) -> list[Evaluation]:
    return [Evaluation(10 * place, cer, cer) for place, cer in enumerate(cers)]


def test_patience_counts_evaluations_without_a_new_lowest():
    assert not out_of_patience(curve(0.5, 0.4, 0.4), None)
    assert not out_of_patience(curve(0.5, 0.4, 0.45), 2)
    assert out_of_patience(curve(0.5, 0.4, 0.45, 0.4), 2)
    assert not out_of_patience(curve(0.5, 0.4, 0.45, 0.39), 2)
    assert not out_of_patience(curve(0.5, 0.6), 2)


def test_the_best_is_a_tuned_one_and_the_earliest_of_equals():
    assert best(curve(0.1, 0.4, 0.3, 0.3)).step == 20
    level = [Evaluation(10, 0.3, 2.0), Evaluation(20, 0.3, 1.0)]
    assert best(level).step == 20


def test_real_rows_decide_when_there_are_any():
    points = [{"step": 0, "dev_cer": 0.5, "dev_loss": 1.0, "dev_real_cer": 0.7, "dev_real_loss": 2.0}, {"step": 1}]
    assert evaluations(points) == [Evaluation(0, 0.7, 2.0)]
    assert evaluations([{"step": 0, "dev_cer": 0.5, "dev_loss": 1.0}]) == [Evaluation(0, 0.5, 1.0)]


def test_a_run_stops_when_the_error_does_not_fall_and_stays_stopped(make_task, tmp_path):
    # With a rate of nearly nothing the hypotheses stay what they are.
    task = make_task(epochs=9, learning_rate=1e-9, selection={"patience": 2, "weights": "best"})
    trained = learner(task)
    progress = list(trained.run())
    assert trained.done == 2 * trained.steps_per_epoch < trained.total_steps
    assert [step.last for step in progress] == [False] * (len(progress) - 1) + [True]
    assert progress[-1].checkpoint_due
    trained.save(tmp_path)
    again = learner(task)
    again.restore(tmp_path)
    assert list(again.run()) == []
    select(again)
    facts = again.facts()
    assert facts["steps"] < facts["planned_steps"]
    assert facts["taken"]["weights"] == "best"


def test_the_lowest_of_last_best_and_averaged_is_taken(make_task, tmp_path):
    trained = learner(make_task(epochs=4, learning_rate=0.02, selection={"weights": "lowest", "every_steps": 2}))
    list(trained.run())
    taken = select(trained)
    assert taken["cers"].keys() == {"last", "best", "averaged"}
    assert taken["cers"][taken["weights"]] == min(taken["cers"].values())
    assert taken["cers"]["best"] == min(e.cer for e in evaluations(trained.curve) if e.step)
    # What is left in the learner really has the error rate that it was taken for.
    _, cer = trained.forward.held_out(trained.corpus.dev, trained.workers)
    assert cer == pytest.approx(taken["cers"][taken["weights"]])
    export(trained, tmp_path)
    assert json.loads((tmp_path / FACTS).read_text())["taken"] == taken


@pytest.mark.parametrize("weights", ["best", "averaged"])
def test_the_chosen_weights_are_exported(make_task, tmp_path, weights):
    selection = {"weights": weights} | ({"average": 2} if weights == "averaged" else {})
    task = make_task(epochs=3, learning_rate=0.02, selection=selection)
    trained = learner(task)
    states = {}
    for progress in trained.run():
        if progress.step % trained.steps_per_epoch == 0:
            states[progress.step] = adapters.read_state(trained.network)
    # The first evaluation is made the best one.
    for point in trained.curve:
        if "dev_cer" in point:
            point["dev_cer"] = 0.1 if point["step"] == trained.steps_per_epoch else 0.9
    trained.snapshots.write(trained.steps_per_epoch, states[trained.steps_per_epoch])
    taken = select(trained)
    steps = [trained.steps_per_epoch] if weights == "best" else [2 * trained.steps_per_epoch, trained.total_steps]
    assert taken["weights"] == weights
    assert taken["steps"] == steps
    export(trained, tmp_path)
    found = dict(load_whisper(str(tmp_path / MERGED), "cpu").model.named_parameters())
    parts = []
    for step in steps:
        network = adapters.adapt(load_whisper(task.model, "cpu").model, task.settings.lora, "", 0, 1)
        adapters.write_state(network, states[step])
        parts.append(dict(network.merge_and_unload().named_parameters()))
    for name, tensor in found.items():
        assert torch.allclose(tensor, sum(part[name] for part in parts) / len(parts), atol=1e-5), name


def test_only_the_snapshots_that_may_be_taken_are_kept(make_task):
    trained = learner(make_task(epochs=5, selection={"weights": "lowest", "average": 2}))
    list(trained.run())
    kept = {int(path.stem.split("-")[1]) for path in (trained.task.directory / "snapshots").glob("*.pt")}
    last = {trained.total_steps, trained.total_steps - trained.steps_per_epoch}
    assert last <= kept <= last | {best(evaluations(trained.curve)).step}
    for path in (trained.task.directory / "snapshots").glob("*.pt"):
        path.unlink()
    with pytest.raises(HarkenError, match="snapshot"):
        select(trained)


def test_nothing_is_kept_when_the_last_weights_are_wanted(make_task):
    trained = learner(make_task())
    list(trained.run())
    before = adapters.read_state(trained.network)["adapter"]
    assert select(trained)["weights"] == "last"
    after = adapters.read_state(trained.network)["adapter"]
    assert all(torch.equal(after[name], before[name]) for name in before)
    assert not (trained.task.directory / "snapshots").exists()


def test_real_recordings_are_mixed_in_and_decide(make_task, tmp_path):
    task = make_task(real={"manifest": "real.jsonl", "per_synthetic": 0.25})
    real = write_parts(tmp_path / "real", tone_rows([text + "吗" for text in TEXTS[:8]], "real"))
    dev = write_parts(tmp_path / "dev", tone_rows([TEXTS[0] + "吗", "新句"], "dev"))
    task = dataclasses.replace(
        task, real=AudioRows(real), real_dev=AudioRows(dev), test_texts=frozenset({TEXTS[1] + "吗。"})
    )
    trained = learner(task)
    assert {u.text for u in trained.corpus.dev_real} == {TEXTS[0] + "吗", "新句"}
    # One is held out, another is in a test set.
    assert len(trained.corpus.real) == 6
    assert trained.corpus.left_out["real and in a test set"] == 1
    assert trained.wanted == "lowest"
    list(trained.run())
    assert "dev_real_cer" in trained.curve[-1]
    # 20 synthetic, 8 general (0.4) and 5 real (0.25) an epoch.
    assert trained.steps_per_epoch == 6
    assert select(trained)["cers"]["last"] == trained.curve[-1]["dev_real_cer"]
