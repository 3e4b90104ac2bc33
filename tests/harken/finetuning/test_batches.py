import random
from collections import Counter

import pytest
import torch

from harken.finetune_settings import MaskSettings
from harken.finetuning.batches import IGNORED, collate, mask_features, padding_share, plan_epoch, steps_per_epoch
from harken.finetuning.task import Utterance
from harken.whisper import load_whisper
from tests.tiny_speech import tone_rows


def utterances(count: int, prefix: str) -> list[Utterance]:
    source = random.Random(prefix)
    return [Utterance(f"{prefix}{index}", "x", b"", source.uniform(1, 9), (1, 2)) for index in range(count)]


def plan(epoch: int = 0, seed: int = 1, full_windows: float = 1.0, replay: int = 30, **options):
    return plan_epoch(
        utterances(100, "t"),
        utterances(replay, "r"),
        per_synthetic=0.5,
        batch_size=8,
        full_windows=full_windows,
        seed=seed,
        epoch=epoch,
        **options,
    )


def test_an_epoch_holds_every_utterance_once_and_replay_by_ratio():
    counts = Counter(index for step in plan() for index in step.indices)
    assert all(counts[index] == 1 for index in range(100))
    assert sum(count for index, count in counts.items() if index >= 100) == 50
    assert len(plan()) == steps_per_epoch(100, 30, 0.5, 8) == 19
    assert steps_per_epoch(100, 0, 0.5, 8) == len(plan(replay=0)) == 13


def test_replay_is_used_up_before_any_of_it_comes_again():
    drawn = [index for epoch in range(3) for step in plan(epoch) for index in step.indices if index >= 100]
    counts = Counter(drawn)
    assert len(drawn) == 150
    assert set(counts.values()) == {5}


def test_real_recordings_come_by_their_ratio_and_all_before_any_twice():
    real = utterances(40, "real")
    counts = Counter(index for step in plan(real=real) for index in step.indices)
    assert all(counts[index] == 1 for index in range(130, 170))
    drawn = Counter(
        index
        for epoch in range(4)
        for step in plan(epoch, real=real, real_per_synthetic=0.2)
        for index in step.indices
        if index >= 130
    )
    assert drawn.total() == 80
    assert set(drawn.values()) == {2}
    assert len(plan(real=real, real_per_synthetic=0.2)) == steps_per_epoch(100, 30, 0.5, 8, 40, 0.2) == 22
    # Without real ones nothing changes.
    assert plan(real=[], real_per_synthetic=0.2) == plan()


def test_buckets_save_padding():
    rows = [*utterances(100, "t"), *utterances(30, "r")]
    shares = {
        bucketing: padding_share(plan(full_windows=0.0, bucketing=bucketing), rows, 10.0) for bucketing in (True, False)
    }
    assert shares[True] < 0.15 < 0.3 < shares[False]
    assert padding_share(plan(full_windows=1.0), rows, 10.0) > 0.4
    assert Counter(i for s in plan(bucketing=False) for i in s.indices) == Counter(i for s in plan() for i in s.indices)


def test_the_order_is_a_pure_function_of_seed_and_epoch():
    assert plan() == plan()
    assert plan(epoch=1) != plan()
    assert plan(seed=2) != plan()


def test_batches_hold_similar_lengths():
    durations = [u.seconds for u in (*utterances(100, "t"), *utterances(30, "r"))]
    spreads = [max(d) - min(d) for step in plan() if (d := [durations[index] for index in step.indices])]
    assert sum(spreads) / len(spreads) < 1.5


def test_full_windows_come_by_their_share():
    assert all(step.full_windows for step in plan(full_windows=1.0))
    assert not any(step.full_windows for step in plan(full_windows=0.0))
    assert 0 < sum(step.full_windows for step in plan(full_windows=0.5)) < len(plan())


def test_labels_start_after_the_prompt_and_the_decoder_sees_what_came_before(tiny_model):
    whisper = load_whisper(str(tiny_model), "cpu")
    prompt = whisper.prompt_tokens("zh")
    batch = [
        Utterance(row["id"], row["text"], row["audio"], row["duration"], whisper.text_tokens(row["text"]))
        for row in tone_rows(["好", "bag"], "x")
    ]
    tensors = collate(whisper, batch, prompt, full_window=False)
    for row, utterance in enumerate(batch):
        assert tensors.decoder_input[row, : len(prompt)].tolist() == prompt
        learnt = tensors.labels[row] != IGNORED
        assert tensors.labels[row][learnt].tolist() == list(utterance.tokens)
        # Each learnt label is what follows its decoder input.
        positions = learnt.nonzero().flatten().tolist()
        assert tensors.decoder_input[row, [p + 1 for p in positions[:-1]]].tolist() == list(utterance.tokens[:-1])
        assert positions[0] == len(prompt) - 1
    assert batch[0].tokens[-1] == whisper.end_token
    assert tensors.features.shape[-1] < whisper.window_frames


@pytest.mark.parametrize("seed", range(5))
def test_masks_are_light_deterministic_and_spare_the_silence(seed):
    features = torch.randn(80, 200, generator=torch.Generator().manual_seed(0))
    masked, again = features.clone(), features.clone()
    mask_features(masked, 120, random.Random(seed))
    mask_features(again, 120, random.Random(seed))
    assert torch.equal(masked, again)
    assert torch.equal(masked[:, 120:], features[:, 120:])
    changed = (masked != features)[:, :120].float().mean()
    assert changed < 0.35


def test_masks_follow_their_settings():
    features = torch.randn(80, 200, generator=torch.Generator().manual_seed(0))
    untouched = features.clone()
    mask_features(untouched, 120, random.Random(0), MaskSettings(probability=0.0))
    assert torch.equal(untouched, features)
    sometimes = 0
    for seed in range(60):
        drawn = features.clone()
        mask_features(drawn, 120, random.Random(seed), MaskSettings(probability=0.5))
        sometimes += not torch.equal(drawn, features)
    assert 15 < sometimes < 45
    bands = features.clone()
    mask_features(bands, 120, random.Random(1), MaskSettings(time_masks=0, band_masks=1, band_share=0.5))
    rows = (bands != features).any(dim=1)
    assert 0 < rows.sum() <= 40
    assert (bands != features)[rows][:, :120].all()
