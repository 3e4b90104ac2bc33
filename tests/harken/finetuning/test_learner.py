import dataclasses
import json
import os
from pathlib import Path

import pytest
import torch
import torch.distributed as distributed
import torch.multiprocessing as multiprocessing
from transformers.modeling_outputs import BaseModelOutput

from harken.errors import HarkenError
from harken.finetuning import adapters
from harken.finetuning.export import ADAPTER, CURVE, FACTS, MERGED, export
from harken.finetuning.learner import Learner
from harken.finetuning.task import FinetuneTask
from harken.finetuning.workers import Workers
from harken.keywords import Keyword
from harken.whisper import encode_frames, load_whisper


def learner(task: FinetuneTask) -> Learner:
    return Learner(task, Workers(), "cpu")


def adapter(trained: Learner) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in adapters.trainable(trained.network)}


def test_it_learns_and_the_base_stays_frozen(make_task):
    trained = learner(make_task(epochs=12, learning_rate=0.02))
    frozen = {name: p.clone() for name, p in trained.network.named_parameters() if not p.requires_grad}
    progress = list(trained.run())
    assert [p.step for p in progress] == list(range(1, trained.total_steps + 1))
    measured = [point for point in trained.curve if "dev_cer" in point]
    assert len(measured) == 13
    assert measured[-1]["dev_loss"] < 0.7 * measured[0]["dev_loss"]
    assert measured[-1]["dev_replay_loss"] < measured[0]["dev_replay_loss"]
    assert any(p.checkpoint_due for p in progress)
    assert progress[-1].checkpoint_due
    assert all(torch.equal(p, frozen[n]) for n, p in trained.network.named_parameters() if n in frozen)


def test_a_resumed_run_equals_an_uninterrupted_one(make_task, tmp_path):
    straight = learner(make_task())
    list(straight.run())
    first = learner(make_task())
    for progress in first.run():
        if progress.step == 4:
            break
    first.save(tmp_path)
    torch.manual_seed(12345)  # whatever the process did before must not matter
    second = learner(make_task())
    second.restore(tmp_path)
    assert [progress.step for progress in second.run()] == list(range(5, straight.total_steps + 1))
    assert second.curve == straight.curve
    expected = adapter(straight)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in adapter(second).items())


def test_micro_batches_change_nothing_but_rounding(make_task):
    settings = {"lora": {"rank": 4, "alpha": 8.0, "dropout": 0.0}, "epochs": 1}
    whole, pieces = learner(make_task(**settings)), learner(make_task(**settings, micro_batch_size=2))
    losses = [whole.step() for _ in range(3)], [pieces.step() for _ in range(3)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    expected = adapter(whole)
    assert all(torch.allclose(tensor, expected[name], atol=1e-5) for name, tensor in adapter(pieces).items())


def _train_in_group(rank: int, size: int, task: FinetuneTask, folder: str) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{folder}/rendezvous", rank=rank, world_size=size)
    trained = Learner(task, Workers.current(), "cpu")
    for progress in trained.run():
        if progress.step == 4:
            break
    torch.save({"adapter": adapter(trained), "curve": trained.curve}, f"{folder}/{rank}.pt")
    distributed.destroy_process_group()


def test_two_workers_learn_what_one_learns(make_task, tmp_path):
    # The last step of an epoch holds a single row, so one of the workers has nothing to do in it.
    without_replay = {"batch_size": 19, "replay": {"per_synthetic": 0.0}}
    task = make_task(lora={"rank": 4, "alpha": 8.0, "dropout": 0.0}, **without_replay)
    assert len(learner(task).corpus.train) == 20
    multiprocessing.spawn(_train_in_group, args=(2, task, str(tmp_path)), nprocs=2)
    alone = learner(task)
    for progress in alone.run():
        if progress.step == 4:
            break
    first, second = (torch.load(tmp_path / f"{rank}.pt") for rank in range(2))
    assert all(torch.equal(first["adapter"][name], second["adapter"][name]) for name in first["adapter"])
    expected = adapter(alone)
    assert all(torch.allclose(first["adapter"][name], expected[name], atol=1e-5) for name in expected)
    for point, other in zip(first["curve"], alone.curve, strict=True):
        assert point == pytest.approx(other, abs=1e-4)


def test_export_gives_an_adapter_and_a_merged_model_that_agree(make_task, tmp_path):
    trained = learner(make_task())
    list(trained.run())
    trained.network.eval()
    features = trained.whisper.features([torch.randn(8000, generator=torch.Generator().manual_seed(1)).numpy() * 0.1])
    with torch.no_grad():
        expected = trained.whisper.model.get_encoder()(features).last_hidden_state
    export(trained, tmp_path)
    merged = load_whisper(str(tmp_path / MERGED), "cpu")
    adapted = load_whisper(trained.task.model, "cpu", adapter=str(tmp_path / ADAPTER))
    base = load_whisper(trained.task.model, "cpu")
    assert torch.allclose(merged.encode(features).last_hidden_state, expected, atol=1e-4)
    assert torch.allclose(adapted.encode(features).last_hidden_state, expected, atol=1e-4)
    assert not torch.allclose(base.encode(features).last_hidden_state, expected, atol=1e-2)
    assert merged.prompt_tokens("zh") == base.prompt_tokens("zh")
    assert json.loads((tmp_path / CURVE).read_text()) == trained.curve
    assert json.loads((tmp_path / FACTS).read_text())["train_utterances"] == 20
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_trimmed_encoder_equals_whispers_own_on_a_full_window(make_task):
    whisper = load_whisper(make_task().model, "cpu")
    features = whisper.features([torch.randn(16000).numpy() * 0.1])
    with torch.no_grad():
        assert torch.allclose(
            encode_frames(whisper.model.get_encoder(), features), whisper.encode(features).last_hidden_state, atol=1e-6
        )
        assert encode_frames(whisper.model.get_encoder(), features[:, :, :40]).shape[1] == 20


def test_a_distilled_replay_asks_for_nothing_until_the_model_has_changed(make_task):
    replay = {"per_synthetic": 0.4, "distillation": 1.0}
    trained = learner(make_task(replay=replay, lora={"rank": 4, "alpha": 8.0, "dropout": 0.0}))
    first = len(trained.corpus.train)
    replayed, synthetic = [first, first + 1], [0, 1]
    assert trained._loss(replayed, False).item() == pytest.approx(0.0, abs=1e-3)
    # Other rows beside them pad them to another length, which the encoder hears; their text would double the loss.
    both = trained._loss(synthetic + replayed, False).item()
    assert both == pytest.approx(trained._loss(synthetic, False).item(), rel=0.05)
    for _ in range(3):
        trained.step()
    assert trained._loss(replayed, False).item() > 0.01
    assert all(parameter.requires_grad for parameter in trained.trainable)


def test_distillation_holds_the_model_closer_to_what_it_was(make_task):
    moved = []
    for share in (0.0, 1.0):
        replay = {"per_synthetic": 1.0, "distillation": share}
        trained = learner(make_task(epochs=6, learning_rate=0.02, replay=replay))
        list(trained.run())
        trained.settings = trained.settings.model_copy(
            update={"replay": trained.settings.replay.model_copy(update={"distillation": 1.0})}
        )
        start = len(trained.corpus.train)
        moved.append(trained._loss(range(start, len(trained.utterances)), False).item())
    assert moved[1] < 0.5 * moved[0]


@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_adapters_go_into_the_chosen_part_only(make_task, part):
    lora = {"rank": 4, "parts": [part], "targets": ["q_proj", "fc1"]}
    names = [name for name, _ in adapters.trainable(learner(make_task(lora=lora)).network)]
    assert names
    assert all(f".{part}." in name and ("q_proj" in name or "fc1" in name) for name in names)
    assert any("fc1" in name for name in names)


def test_the_tokens_of_keywords_are_learnt_and_no_others(make_task, tmp_path):
    task = dataclasses.replace(
        make_task(lora={"rank": 4, "tokens": "keywords"}, learning_rate=0.02), keywords=[Keyword("红", "COLOUR")]
    )
    trained = learner(task)
    before = trained.whisper.model.get_output_embeddings().weight.detach().clone()
    list(trained.run())
    trained.network.eval()
    features = trained.whisper.features([torch.randn(8000, generator=torch.Generator().manual_seed(1)).numpy() * 0.1])
    text = torch.tensor([[*trained.prompt, *trained.whisper.text_tokens("红")]])
    with torch.no_grad():
        encoded = encode_frames(trained.whisper.model.get_encoder(), features)
        expected = trained.forward.logits(encoded, text)
    export(trained, tmp_path)
    merged = load_whisper(str(tmp_path / MERGED), "cpu")
    adapted = load_whisper(task.model, "cpu", adapter=str(tmp_path / ADAPTER))
    for model in (merged.model, adapted.model):
        assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
        changed = (model.get_output_embeddings().weight - before).abs().amax(dim=1) > 1e-3
        assert set(changed.nonzero().flatten().tolist()) == set(trained.whisper.text_tokens("红")[:-1]) | set(
            trained.whisper.text_tokens(" 红")[:-1]
        )
        with torch.no_grad():
            encoded = encode_frames(model.get_encoder(), features)
            logits = model(encoder_outputs=BaseModelOutput(last_hidden_state=encoded), decoder_input_ids=text).logits
        assert torch.allclose(logits, expected, atol=1e-4)


def test_wrong_targets_model_and_language_are_named(make_task):
    with pytest.raises(HarkenError, match=r"finetune\.lora\.tokens.*no keywords"):
        learner(make_task(lora={"rank": 4, "tokens": "keywords"}))
    with pytest.raises(HarkenError, match=r"finetune\.lora\.targets"):
        learner(make_task(lora={"rank": 4, "targets": ["no_such_projection"]}))
    with pytest.raises(HarkenError, match="model folder"):
        learner(dataclasses.replace(make_task(), model=str(Path("nowhere"))))
    with pytest.raises(HarkenError, match="language"):
        learner(dataclasses.replace(make_task(), language="xx"))
