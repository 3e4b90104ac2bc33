"""How fast Whisper is fine-tuned and decoded: ``python -m benchmarks.finetune``.

Fine-tuning: Harken's loop against a plain `transformers` Seq2SeqTrainer on the embedded model, in turns: full windows
(both do the same work), trimmed windows, and trimmed windows in buckets of similar lengths. Decoding: the judge's
batches against one `generate` call for each utterance. Every ratio is taken within a round, the figure is its median.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.table import Table

from benchmarks.results import add_output_arguments, deliver, say, target
from benchmarks.trainer import PlainTrainer
from harken.audio import SAMPLE_RATE, decode_audio, resample
from harken.config import check, load_config
from harken.finetuning.learner import Learner
from harken.finetuning.task import AudioRows, FinetuneTask
from harken.finetuning.workers import Workers
from harken.records import read_manifest, read_parquet, write_parquet
from harken.settings import FinetuneSettings, PipelineSettings
from harken.whisper import Whisper, load_whisper

MODEL, CONFIG, LANGUAGE = "models/nano", "configs/demo.yaml", "zh"
SENTENCES = ("examples/general/train.jsonl", "examples/luxury/seeds.jsonl")
LOOPS = {
    "full windows": {"full_windows": 1.0},
    "trimmed windows": {"full_windows": 0.0, "bucketing": False},
    "trimmed windows, buckets": {"full_windows": 0.0},
}
PLAIN = "Seq2SeqTrainer"
NEW_TOKENS = 64
# A smoke test of the benchmark, too small to measure anything.
QUICK = {"utterances": 24, "decoded": 4, "batch_size": 4, "steps": 2, "rounds": 1}


def spoken(folder: Path, count: int) -> AudioRows:
    """`count` sentences of all lengths in the demo's voices."""
    from actors.speaker import SPEECH_SCHEMA, Speaker

    settings = load_config(CONFIG, [], PipelineSettings)
    rows = [row for path in SENTENCES for row in read_manifest(path)]
    chosen = rows[:: max(1, len(rows) // count)][:count]
    speaker = Speaker(settings.speech, settings.speech.voices, {})
    write_parquet(
        folder / "speech.parquet", speaker([{"id": r["id"], "text": r["text"]} for r in chosen]), SPEECH_SCHEMA
    )
    return AudioRows([folder / "speech.parquet"])


def rate(ends: Sequence[float], batch_size: int) -> float:
    """Utterances a second, from the end of the first step on."""
    return batch_size * (len(ends) - 1) / (ends[-1] - ends[0])


def finetuning(folder: Path, rows: AudioRows, options: argparse.Namespace) -> list[dict[str, float]]:
    """Utterances a second of every loop, round by round."""
    base = {"batch_size": options.batch_size, "micro_batch_size": options.batch_size, "epochs": 1000}
    learners = {
        name: Learner(
            FinetuneTask(MODEL, LANGUAGE, folder, check(base | changes, FinetuneSettings, "benchmark"), rows),
            Workers(),
            "cpu",
        )
        for name, changes in LOOPS.items()
    }
    first = next(iter(learners.values()))
    plain = PlainTrainer(MODEL, first.prompt, first.settings, folder / "trainer")
    programs: dict[str, Callable[[], list[float]]] = {
        PLAIN: lambda: plain.train(first.corpus.train, options.steps),
        **{name: lambda learner=learner: _steps(learner, options.steps) for name, learner in learners.items()},
    }
    return _rounds("fine-tuning", programs, options, lambda ends: rate(ends, options.batch_size))


def decoding(rows: AudioRows, options: argparse.Namespace) -> tuple[list[dict[str, float]], float]:
    """Utterances a second in batches and one by one, round by round, and the share of equal texts."""
    whisper = load_whisper(MODEL, "cpu")
    waves = []
    for row in read_parquet(rows.parts[0])[: options.decoded]:
        wave, own = decode_audio(row["audio"], name=row["id"])
        waves.append(resample(wave, own, SAMPLE_RATE)[: whisper.window_samples])
    heard: dict[str, list[str]] = {}

    def batched() -> float:
        started = time.perf_counter()
        heard["batches"] = [h.text for h in whisper.transcribe(waves, SAMPLE_RATE, LANGUAGE, 16, NEW_TOKENS)]
        return time.perf_counter() - started

    def alone() -> float:
        started = time.perf_counter()
        heard["one by one"] = [_generate(whisper, wave) for wave in waves]
        return time.perf_counter() - started

    programs = {"one by one": alone, "batches": batched}
    found = _rounds("decoding", programs, options, lambda seconds: len(waves) / seconds)
    equal = sum(a == b for a, b in zip(heard["batches"], heard["one by one"], strict=True))
    return found, equal / len(waves)


def figures(
    trained: Sequence[dict[str, float]], decoded: Sequence[dict[str, float]], equal: float, options: argparse.Namespace
) -> dict[str, Any]:
    """Medians and the targets computed from them."""
    bucketed, trimmed, full = "trimmed windows, buckets", "trimmed windows", "full windows"
    targets = {
        "fine-tuning over the Trainer, same work": target(_ratio(trained, full, PLAIN), ">=", 1.0),
        "fine-tuning over the Trainer, trimmed in buckets": target(_ratio(trained, bucketed, PLAIN), ">=", 1.0),
        "buckets over none": target(_ratio(trained, bucketed, trimmed), ">=", 1.0),
        "decoding in batches over one by one": target(_ratio(decoded, "batches", "one by one"), ">=", 3.0),
    }
    return {
        "utterances_per_second": _medians(trained) | {f"decoding, {name}": r for name, r in _medians(decoded).items()},
        "equal_texts": equal,
        "rounds": {"finetuning": list(trained), "decoding": list(decoded)},
        "threads": torch.get_num_threads(),
        "batch_size": options.batch_size,
        "steps": options.steps,
        "targets": targets,
    }


def _steps(learner: Learner, steps: int) -> list[float]:
    ends = []
    for _ in range(steps):
        learner.step()
        ends.append(time.perf_counter())
    return ends


def _generate(whisper: Whisper, wave: np.ndarray) -> str:
    features = whisper.processor(wave, sampling_rate=SAMPLE_RATE, return_tensors="pt")["input_features"]
    with torch.inference_mode():
        tokens = whisper.model.generate(features, language=LANGUAGE, task="transcribe", max_new_tokens=NEW_TOKENS)
    text: str = whisper.processor.batch_decode(tokens, skip_special_tokens=True)[0]
    return text.strip()


def _rounds(
    name: str, programs: dict[str, Callable[[], Any]], options: argparse.Namespace, measure: Callable[[Any], float]
) -> list[dict[str, float]]:
    rounds = []
    for number in range(options.rounds):
        # The order turns around so that none of them always runs on a warmer machine.
        order = list(programs) if number % 2 == 0 else list(reversed(programs))
        found = {program: measure(programs[program]()) for program in order}
        rounds.append({program: found[program] for program in programs})
        say(f"{name}, round {number + 1} of {options.rounds}: {rounds[-1]}")
    return rounds


def _medians(rounds: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(found[name] for found in rounds) for name in rounds[0]}


def _ratio(rounds: Sequence[dict[str, float]], name: str, over: str) -> float:
    return statistics.median(found[name] / found[over] for found in rounds)


def _tables(found: dict[str, Any]) -> list[Table]:
    table = Table("program", "utterances/s", title=f"{found['threads']} threads, batches of {found['batch_size']}")
    for name, value in found["utterances_per_second"].items():
        table.add_row(name, f"{value:.2f}")
    return [table]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print and record; returns 1 when a target does not hold (never with --quick)."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--utterances", type=int, default=256, help="spoken sentences to learn from")
    parser.add_argument("--decoded", type=int, default=64, help="of them to transcribe")
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--steps", type=int, default=9, help="optimiser steps of every program in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, help="of PyTorch, for all programs alike")
    parser.add_argument("--quick", action="store_true", help="a smoke test, too small to measure anything")
    add_output_arguments(parser)
    options = parser.parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    if options.threads:
        torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        rows = spoken(Path(folder), options.utterances)
        trained = finetuning(Path(folder), rows, options)
        decoded, equal = decoding(rows, options)
    found = figures(trained, decoded, equal, options)
    whole = deliver("finetune", found, _tables(found), options)
    held = all(facts["holds"] for facts in whole["targets"].values())
    return 0 if held or options.quick else 1


if __name__ == "__main__":
    sys.exit(main())
