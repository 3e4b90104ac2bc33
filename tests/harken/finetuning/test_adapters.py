import dataclasses

import pytest
import torch

from harken.errors import HarkenError
from harken.finetuning import adapters
from harken.finetuning.export import ADAPTER, MERGED, export
from harken.finetuning.learner import Learner
from harken.finetuning.selection import select
from harken.finetuning.workers import Workers
from harken.keywords import Keyword
from harken.whisper import load_whisper

VARIANTS = ("lora", "dora", "rslora", "adalora")


def learner(task) -> Learner:
    return Learner(task, Workers(), "cpu")


def lora(variant: str, **changes) -> dict:
    return {"variant": variant, "rank": 4, "alpha": 8.0, "dropout": 0.0, **changes}


def encoded(whisper, features):
    return whisper.encode(features).last_hidden_state


def merged_weights(trained: Learner, state) -> dict[str, torch.Tensor]:
    """The weights of a fresh model with a state merged into it by PEFT."""
    base = load_whisper(trained.task.model, "cpu").model
    network = trained.adapted(base)
    adapters.write_state(network, state)
    return {name: tensor.detach().clone() for name, tensor in network.merge_and_unload().named_parameters()}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_learns_and_its_exports_agree(make_task, tmp_path, variant):
    trained = learner(make_task(lora=lora(variant)))
    list(trained.run())
    trained.network.eval()
    features = trained.whisper.features([torch.randn(8000, generator=torch.Generator().manual_seed(1)).numpy() * 0.1])
    expected = encoded(trained.whisper, features)
    select(trained)
    export(trained, tmp_path)
    merged = load_whisper(str(tmp_path / MERGED), "cpu")
    adapted = load_whisper(trained.task.model, "cpu", adapter=str(tmp_path / ADAPTER))
    base = load_whisper(trained.task.model, "cpu")
    assert torch.allclose(encoded(merged, features), expected, atol=1e-4)
    assert torch.allclose(encoded(adapted, features), expected, atol=1e-4)
    assert not torch.allclose(encoded(base, features), expected, atol=1e-2)


@pytest.mark.parametrize("variant", ["dora", "adalora"])
def test_a_resumed_variant_equals_an_uninterrupted_one(make_task, tmp_path, variant):
    straight, first, second = (learner(make_task(lora=lora(variant, dropout=0.1))) for _ in range(3))
    list(straight.run())
    for progress in first.run():
        if progress.step == 4:
            break
    first.save(tmp_path)
    second.restore(tmp_path)
    list(second.run())
    expected = adapters.read_state(straight.network)["adapter"]
    found = adapters.read_state(second.network)["adapter"]
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_variants_differ_in_what_they_learn(make_task):
    sizes = {variant: learner(make_task(lora=lora(variant))).facts()["trainable_parameters"] for variant in VARIANTS}
    assert sizes["rslora"] == sizes["lora"] < sizes["dora"] < sizes["adalora"]
    plain, stable = (learner(make_task(lora=lora(variant))) for variant in ("lora", "rslora"))
    for trained in (plain, stable):
        trained.step()
    # alpha / sqrt(4) is twice alpha / 4.
    loss = [trained.step() for trained in (plain, stable)]
    assert loss[0] != loss[1]


def test_adalora_ends_with_its_rank_on_average(make_task):
    trained = learner(make_task(lora=lora("adalora", adalora={"initial_rank": 6})))
    list(trained.run())
    values = [tensor for name, tensor in adapters.trainable(trained.network) if "lora_E" in name]
    assert all(len(value) == 6 for value in values)
    assert sum(int((value != 0).sum()) for value in values) == 4 * len(values)
    assert len({int((value != 0).sum()) for value in values}) > 1


def test_an_average_merges_to_the_mean_of_what_its_parts_merge_to(make_task):
    tokens = {"tokens": "keywords"}
    for variant, further in (("lora", {}), ("rslora", {}), ("adalora", {}), ("lora", tokens)):
        task = dataclasses.replace(make_task(lora=lora(variant, **further)), keywords=[Keyword("红", "COLOUR")])
        trained = learner(task)
        states = []
        for _ in range(3):
            trained.step()
            states.append(adapters.read_state(trained.network))
        parts = [merged_weights(trained, state) for state in states]
        whole = adapters.averaged(trained.network, states).merge_and_unload()
        found = dict(whole.named_parameters())
        assert found.keys() == parts[0].keys()
        for name, tensor in found.items():
            mean = sum(part[name] for part in parts) / 3
            assert torch.allclose(tensor, mean, atol=1e-6), (variant, name)
        # Averaging A and B apart would not give it.
        apart = {name: sum(state["adapter"][name] for state in states) / 3 for name in states[0]["adapter"]}
        wrong = merged_weights(trained, {**states[-1], "adapter": apart})
        assert any(not torch.allclose(wrong[name], tensor, atol=1e-6) for name, tensor in found.items()), variant


def test_adalora_needs_steps_to_move_ranks_in(make_task):
    with pytest.raises(HarkenError, match="too short to move ranks"):
        learner(make_task(lora=lora("adalora"), epochs=1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lora": {"variant": "dora", "adalora": {"initial_rank": 40}}}, "adalora has no effect"),
        ({"lora": {"variant": "adalora", "tokens": "keywords"}}, "adalora learns no tokens"),
        ({"lora": {"variant": "rslora", "rank": 1}}, "no effect at rank 1"),
        ({"lora": {"variant": "adalora", "rank": 8, "adalora": {"initial_rank": 8}}}, "no rank moves"),
        ({"lora": {"variant": "adalora"}, "selection": {"patience": 2}}, "delete selection.patience"),
        ({"lora": {"variant": "dora"}, "selection": {"weights": "averaged"}}, "no adapter"),
        ({"selection": {"weights": "last", "average": 4}}, "average has no effect"),
        ({"warmup_steps": 5, "warmup_fraction": 0.2}, "warmup_fraction has no effect"),
        ({"real": {"per_synthetic": 0.2}}, "per_synthetic has no effect"),
        ({"workers": [4, 2]}, "least number of workers"),
    ],
)
def test_options_without_effect_are_refused(make_task, changes, message):
    with pytest.raises(HarkenError, match=message):
        make_task(**changes)
