"""`python -m jobs.nano` from nothing to a model folder, and again from its checkpoint."""

import json
import random
import re
from pathlib import Path

import pytest
import torch
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from jobs.nano.__main__ import main
from jobs.nano.batches import IGNORED, Collator, buckets
from jobs.nano.corpus import _make, load_shard, make_writer, shard_path
from jobs.nano.model import build_model, guided_attention_loss
from jobs.nano.settings import TrainingSettings
from jobs.nano.tokenizer import build_tokenizer
from jobs.nano.training import learning_rate, prompt_shares
from tests.jobs.nano.conftest import ROOT, tiny_overrides


def run(folder: Path, *more: str) -> int:
    arguments = ["--config", str(ROOT / "configs" / "nano.yaml")]
    for override in (*tiny_overrides(folder), *more):
        arguments += ["--set", override]
    return main(arguments)


@pytest.mark.slow
def test_a_run_gives_a_model_and_a_longer_one_goes_on(tmp_path, capfd):
    assert run(tmp_path) == 0
    first = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert first["seconds"] >= 0.05 * 60
    curve = (tmp_path / "run" / "curve.jsonl").read_text().splitlines()
    assert json.loads(curve[0])["seen"] > 0

    model = WhisperForConditionalGeneration.from_pretrained(tmp_path / "model")
    processor = WhisperProcessor.from_pretrained(tmp_path / "model")
    assert model.config.vocab_size == len(processor.tokenizer)
    assert set(model.generation_config.lang_to_id) == {"<|en|>", "<|zh|>"}
    card = (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
    figures = json.loads((tmp_path / "model" / "figures.json").read_text(encoding="utf-8"))
    assert "seen-voices: CER" in figures
    assert "apache-2.0" in card
    assert not re.search(r"\{[a-z_]+\}", card)

    assert run(tmp_path, "training.minutes=0.1") == 0
    second = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert second["step"] > first["step"]
    assert second["seconds"] >= 0.1 * 60
    assert "corpus:" not in capfd.readouterr().out.split("seen-voices: CER", 1)[1]


def test_a_missing_domain_list_is_one_clear_error(tmp_path, capsys):
    assert run(tmp_path, "text.domain=nowhere.csv") == 2
    assert "nowhere.csv" in capsys.readouterr().err


def test_an_unknown_setting_is_one_clear_error(tmp_path, capsys):
    assert run(tmp_path, "training.minute=3") == 2
    assert "training.minutes" in capsys.readouterr().err


def test_a_batch_trains_on_the_text_and_not_on_the_prompt(config):
    _make(config, 0)
    items = load_shard(shard_path(config, 0))[:6]
    writer = make_writer(config)
    tokenizer = build_tokenizer(writer, writer.characters, 100, 10.0)
    collator = Collator(tokenizer, writer, {}, 500)
    batch = collator.collate(items, random.Random(0), (1.0, 1.0), full_window=True)
    assert batch.features.shape == (6, 500, 80)
    for item, tokens, labels in zip(items, batch.tokens, batch.labels, strict=True):
        assert tokenizer.decode(tokens[:1]) == "<|startofprev|>"
        wanted = labels[labels != IGNORED]
        assert tokenizer.decode(wanted) == item.text + "<|endoftext|>"
        place = int((labels != IGNORED).nonzero()[0])
        assert tokenizer.decode(tokens[place : place + 1]) == "<|notimestamps|>"


def test_buckets_hold_every_clip_once_within_the_budget(config):
    _make(config, 0)
    items = load_shard(shard_path(config, 0))
    batches = buckets(items, 600, random.Random(0))
    assert sorted(index for batch in batches for index in batch) == list(range(len(items)))
    for batch in batches:
        longest = max(len(items[index].features) for index in batch)
        assert len(batch) == 1 or longest * len(batch) <= 600


def test_guided_attention_prefers_the_diagonal():
    mask = torch.ones(1, 10, dtype=torch.bool)
    diagonal = torch.eye(10).expand(1, 2, 10, 10)
    positions = torch.tensor([10])
    straight = guided_attention_loss((diagonal,), mask, positions)
    assert straight < 0.01
    assert guided_attention_loss((diagonal.flip(-1),), mask, positions) > 10 * straight


def test_schedules():
    settings = TrainingSettings()
    rates = [learning_rate(settings, 10_000, progress) for progress in (0.0, 0.5, 1.0)]
    assert rates[0] == pytest.approx(settings.learning_rate)
    assert rates[0] > rates[1] > rates[2] > 0
    assert learning_rate(settings, 0, 0.0) < rates[0] / 100
    assert prompt_shares(settings, 0.0) == (0.0, 0.0)
    assert prompt_shares(settings, 1.0) == (settings.prompt_share, settings.idle_prompt_share)


def test_the_default_model_is_small(config):
    from jobs.nano.settings import ModelSettings

    writer = make_writer(config)
    tokenizer = build_tokenizer(writer, writer.characters, 330, 10.0)
    parameters = build_model(ModelSettings(), tokenizer).num_parameters()
    assert parameters <= 8_000_000
    assert 2 * parameters <= 16_000_000
