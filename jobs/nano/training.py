"""Trains the nano model: processes of one thread that average gradients, on a clock, resumable.

A first stretch trains the encoder alone with CTC on espeak's phonemes; then cross-entropy and CTC together, with
cross attention guided towards the diagonal for the first minutes.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as distributed
from torch.nn import functional
from transformers import WhisperTokenizer

from jobs.nano.batches import IGNORED, Batch, Collator, buckets
from jobs.nano.corpus import Utterance, load_shard, make_writer, training_shards
from jobs.nano.evaluation import quick_evaluation
from jobs.nano.export import export
from jobs.nano.model import Trainee, build_model, guided_attention_loss
from jobs.nano.settings import NanoConfig, TrainingSettings

_LEARNING_RATE_FLOOR = 0.03


def checkpoint_path(config: NanoConfig) -> Path:
    """Weights, optimizer and counters of the run."""
    return Path(config.output_directory) / "checkpoint.pt"


def curve_path(config: NanoConfig) -> Path:
    """One JSON line per evaluation while training."""
    return Path(config.output_directory) / "curve.jsonl"


def device_of(settings: TrainingSettings) -> torch.device:
    """The device to train on; "auto" is CUDA when there is one."""
    if settings.device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(settings.device)


def train(config: NanoConfig, tokenizer: WhisperTokenizer) -> None:
    """Train until `training.minutes` of training time have passed, over all restarts."""
    stored = torch.load(checkpoint_path(config), weights_only=True) if checkpoint_path(config).exists() else None
    if stored and stored["seconds"] >= config.training.minutes * 60:
        return
    count = 1 if device_of(config.training).type == "cuda" else config.training.processes
    phonemes = _phoneme_inventory(config)
    if count == 1:
        _train_process(0, 1, config, tokenizer, phonemes)
        return
    meeting_point = Path(config.output_directory).resolve() / "processes"
    meeting_point.unlink(missing_ok=True)
    torch.multiprocessing.spawn(_join_and_train, (count, config, tokenizer, phonemes, str(meeting_point)), count)


def _phoneme_inventory(config: NanoConfig) -> dict[str, int]:
    path = Path(config.output_directory) / "phonemes.json"
    if not path.exists():
        counts = Counter(unit for item in load_shard(training_shards(config)[0]) for unit in item.phonemes)
        frequent = [unit for unit, count in counts.most_common() if count >= 3]
        path.write_text(json.dumps({unit: index + 1 for index, unit in enumerate(frequent)}))
    return dict(json.loads(path.read_text()))


def _join_and_train(
    rank: int, count: int, config: NanoConfig, tokenizer: WhisperTokenizer, phonemes: dict[str, int], meeting: str
) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=count)
    try:
        _train_process(rank, count, config, tokenizer, phonemes)
    finally:
        distributed.destroy_process_group()


class _Feed:
    """This process's share of the shards, and its batches in an order that a resumed run finds again."""

    def __init__(self, config: NanoConfig, rank: int, count: int) -> None:
        self._config, self._rank, self._count = config, rank, count
        self._loaded: dict[Path, list[Utterance]] = {}

    def epoch(self, number: int, frames_per_batch: int, short: bool) -> Iterator[list[Utterance]]:
        paths = training_shards(self._config)
        for path in paths[self._rank :: self._count]:
            if path not in self._loaded:
                self._loaded[path] = load_shard(path)
        items = [item for path in sorted(self._loaded) for item in self._loaded[path]]
        if short:
            items = [item for item in items if item.text and item.seconds < 2.6]
        rng = random.Random(f"{self._config.seed}:{number}:{self._rank}")
        for indices in buckets(items, frames_per_batch, rng):
            yield [items[index] for index in indices]


def learning_rate(settings: TrainingSettings, step: int, progress: float) -> float:
    """Linear warm-up over steps, then a cosine over the share of training time that has passed."""
    cosine = _LEARNING_RATE_FLOOR + (1 - _LEARNING_RATE_FLOOR) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    return settings.learning_rate * min(1.0, (step + 1) / settings.warmup_steps) * cosine


def prompt_shares(settings: TrainingSettings, progress: float) -> tuple[float, float]:
    """The prompted shares of utterances with and without a pseudo-term.

    Copying from a prompt needs an encoder that hears; before that, prompts are only noise and cost.
    """
    ramp = min(1.0, max(0.0, (progress - settings.prompts_from) / 0.1))
    return settings.prompt_share * ramp, settings.idle_prompt_share * ramp


def losses(trainee: Trainee, batch: Batch, settings: TrainingSettings, minutes: float) -> dict[str, torch.Tensor]:
    """The terms of the loss that apply after `minutes` of training, unweighted."""
    states = trainee.encode(batch.features)
    log_probabilities = trainee.phoneme_head(states).float().log_softmax(-1).transpose(0, 1)
    ctc = functional.ctc_loss(
        log_probabilities, batch.phonemes, batch.positions, batch.phoneme_lengths, blank=0, zero_infinity=True
    )
    found = {"ctc": ctc}
    if minutes < settings.ctc_only_minutes:
        return found
    guided = minutes < settings.ctc_only_minutes + settings.guided_attention_minutes
    hidden, attentions = trainee.decode(batch.tokens, states, guided)
    mask = batch.labels != IGNORED
    logits = trainee.whisper.proj_out(hidden[mask]).float()
    found["ce"] = functional.cross_entropy(logits, batch.labels[mask], label_smoothing=0.05)
    if guided:
        found["guide"] = guided_attention_loss(attentions, mask, batch.positions)
    return found


def _to(batch: Batch, device: torch.device) -> Batch:
    return Batch(**{name: tensor.to(device) for name, tensor in vars(batch).items()})


def _train_process(
    rank: int, count: int, config: NanoConfig, tokenizer: WhisperTokenizer, phonemes: dict[str, int]
) -> None:
    settings = config.training
    device = device_of(settings)
    torch.manual_seed(config.seed)
    trainee = Trainee(build_model(config.model, tokenizer), len(phonemes)).to(device)
    parameters = [parameter for parameter in trainee.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(
        parameters, lr=settings.learning_rate, betas=(0.9, 0.98), weight_decay=settings.weight_decay, fused=True
    )
    state: dict[str, Any] = {"seconds": 0.0, "step": 0, "epoch": 0, "batch": 0, "seen": 0}
    if checkpoint_path(config).exists():
        stored = torch.load(checkpoint_path(config), map_location=device, weights_only=True)
        trainee.load_state_dict(stored.pop("model"))
        optimizer.load_state_dict(stored.pop("optimizer"))
        state = stored
    window = round(config.model.window_seconds * 16_000 / config.model.hop_length)
    collator = Collator(tokenizer, make_writer(config), phonemes, window, settings.spec_augment)
    feed = _Feed(config, rank, count)
    sums: dict[str, float] = {"steps": 0}
    last_checkpoint, checkpoints = state["seconds"], 0
    clock = reported = time.monotonic()
    while state["seconds"] < settings.minutes * 60:
        short = state["seconds"] < settings.ctc_only_minutes * 60
        for position, items in enumerate(feed.epoch(state["epoch"], settings.frames_per_batch, short)):
            if position < state["batch"]:
                continue
            minutes = state["seconds"] / 60
            progress = minutes / settings.minutes
            rng = random.Random(f"{config.seed}:{rank}:{state['step']}")
            full = rng.random() < (settings.late_full_window_share if progress > 0.8 else settings.full_window_share)
            if full:
                items = rng.sample(items, min(len(items), max(1, settings.frames_per_batch // window)))
            batch = _to(collator.collate(items, rng, prompt_shares(settings, progress), full), device)
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(settings, state["step"], progress)
            optimizer.zero_grad(set_to_none=True)
            with torch.autocast(device.type, torch.bfloat16, enabled=settings.bfloat16):
                found = losses(trainee, batch, settings, minutes)
            weights = {"ctc": settings.ctc_weight if "ce" in found else 1.0, "guide": settings.guided_attention_weight}
            total = torch.stack([value * weights.get(name, 1.0) for name, value in found.items()]).sum()
            total.backward()
            now = time.monotonic()
            # All processes must agree on the clock, since every schedule and the end of training follow it.
            state["seconds"] += _average(parameters, now - clock, rank, count)
            clock = now
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
            state["step"] += 1
            state["batch"] = position + 1
            state["seen"] += len(items) * count
            for name, value in found.items():
                sums[name] = sums.get(name, 0.0) + float(value.detach())
            sums["steps"] += 1
            if state["step"] % 50 == 0 and rank == 0:
                _report(state, sums, time.monotonic() - reported)
                sums, reported = {"steps": 0}, time.monotonic()
            if state["seconds"] >= settings.minutes * 60:
                break
            if state["seconds"] - last_checkpoint > settings.checkpoint_minutes * 60:
                last_checkpoint, checkpoints = state["seconds"], checkpoints + 1
                if rank == 0:
                    _save(config, trainee, optimizer, state)
                    if "ce" in found and checkpoints % settings.evaluate_every == 0:
                        _evaluate(config, trainee, tokenizer, state)
                        reported = clock = time.monotonic()
            if short and state["seconds"] >= settings.ctc_only_minutes * 60:
                break
        state["epoch"] += 1
        state["batch"] = 0
    if rank == 0:
        _save(config, trainee, optimizer, state)


def _average(parameters: list[torch.nn.Parameter], seconds: float, rank: int, count: int) -> float:
    """Average gradients over processes in place; returns the first process's `seconds` in all of them."""
    if count == 1:
        return seconds
    gradients = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    clock = torch.tensor([seconds * count if rank == 0 else 0.0])
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients] + [clock])
    distributed.all_reduce(flat)
    flat /= count
    start = 0
    for parameter in parameters:
        parameter.grad = flat[start : start + parameter.numel()].view_as(parameter)
        start += parameter.numel()
    return float(flat[-1])


def _report(state: dict[str, Any], sums: dict[str, float], seconds: float) -> None:
    steps = max(1, sums.pop("steps"))
    terms = "  ".join(f"{name} {value / steps:.3f}" for name, value in sums.items())
    print(
        f"{state['seconds'] / 60:6.1f} min  step {state['step']}  epoch {state['epoch']}  seen {state['seen']}  {terms}"
        f"  {steps / seconds:.2f} steps/s",
        flush=True,
    )


def _save(config: NanoConfig, trainee: Trainee, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    target = checkpoint_path(config)
    temporary = target.with_suffix(".tmp")
    torch.save({"model": trainee.state_dict(), "optimizer": optimizer.state_dict(), **state}, temporary)
    temporary.replace(target)


def _evaluate(config: NanoConfig, trainee: Trainee, tokenizer: WhisperTokenizer, state: dict[str, Any]) -> None:
    """A rough look while training: a line of the curve, and a snapshot others can load."""
    trainee.eval()
    snapshot = Path(config.output_directory) / "export"
    export(config, trainee.whisper, tokenizer, snapshot)
    figures = quick_evaluation(config, snapshot)
    trainee.train()
    row = {"minutes": round(state["seconds"] / 60, 1), "step": state["step"], "seen": state["seen"], **figures}
    with curve_path(config).open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print("evaluation", row, flush=True)
