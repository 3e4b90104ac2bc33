"""What one fine-tuning is given, and the utterances it learns from."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harken.errors import HarkenError
from harken.keywords import Keyword
from harken.records import OK, fingerprint, read_parquet
from harken.settings import FinetuneSettings
from harken.text import normalise

# Held-out decoding at every epoch has to stay a small part of it, however large the corpus.
MAX_DEV_UTTERANCES = 256

Tokenize = Callable[[str], tuple[int, ...]]
Weigh = Callable[[str], tuple[float, ...]]


@dataclass(frozen=True)
class AudioRows:
    """Speech rows in Parquet parts (columns id, text, audio, duration, status): those of status 'ok' and in `ids`."""

    parts: Sequence[Path]
    ids: frozenset[str] | None = None


@dataclass(frozen=True)
class FinetuneTask:
    """One fine-tuning: everything that decides its result, and the folder it writes to.

    `real` are recordings to learn from and `real_dev` those to hold out; `keywords` are what `keyword_weight` weighs
    and whose tokens `LoraSettings.tokens` may ask for; real rows that say one of `test_texts` are left out.
    """

    model: str
    language: str
    directory: Path
    settings: FinetuneSettings
    synthetic: AudioRows
    replay: AudioRows | None = None
    real: AudioRows | None = None
    real_dev: AudioRows | None = None
    keywords: Sequence[Keyword] = ()
    test_texts: frozenset[str] = frozenset()
    seed: int = 0


@dataclass(frozen=True)
class Utterance:
    """One utterance to learn from; `audio` is an encoded file, `tokens` the text's with the end and without prompt.

    `weights` has one entry a token; without it every token weighs 1.
    """

    id: str
    text: str
    audio: bytes
    seconds: float
    tokens: tuple[int, ...]
    weights: tuple[float, ...] | None = None

    @property
    def weight(self) -> float:
        """What all its tokens weigh together."""
        return len(self.tokens) if self.weights is None else sum(self.weights)


@dataclass(frozen=True)
class Corpus:
    """Utterances by purpose. `left_out` counts by reason what cannot be learnt from."""

    train: Sequence[Utterance]
    replay: Sequence[Utterance]
    dev: Sequence[Utterance]
    dev_replay: Sequence[Utterance]
    left_out: Mapping[str, int] = field(default_factory=dict)
    real: Sequence[Utterance] = ()
    dev_real: Sequence[Utterance] = ()


def load_corpus(
    task: FinetuneTask, tokenize: Tokenize, max_seconds: float, max_tokens: int, weigh: Weigh | None = None
) -> Corpus:
    """Read the task's rows and hold out the same dev rows every time; no held-out real sentence is learnt from.

    Rows longer than `max_seconds` (the model's window: their audio would not cover their text) or with more than
    `max_tokens` are left out; `tokenize` gives a text's tokens with the end. The encoded audio stays in memory,
    about 20 kB for each second of speech.

    Raises:
        HarkenError: too few rows to train on, or a damaged part.
    """
    left_out: Counter[str] = Counter()

    def read(rows: AudioRows | None) -> list[Utterance]:
        return _read(rows, tokenize, weigh, max_seconds, max_tokens, left_out) if rows else []

    real, dev_real = _real(task, read(task.real), read(task.real_dev), left_out)
    held_out = {utterance.text for utterance in dev_real}
    synthetic = [utterance for utterance in read(task.synthetic) if utterance.text not in held_out]
    train, dev = _hold_out(synthetic, task.settings.dev_fraction, task.seed)
    if not train or not dev:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "none left out"
        remedy = f"At least 2 different sentences are needed ({reasons}): raise labels.count or judge.threshold."
        raise HarkenError("utterances to fine-tune on", len(synthetic), remedy)
    replay, dev_replay = _hold_out(read(task.replay), task.settings.dev_fraction, task.seed)
    return Corpus(train, replay, dev, dev_replay, left_out, real, dev_real)


def _real(
    task: FinetuneTask, real: list[Utterance], dev: list[Utterance], left_out: Counter[str]
) -> tuple[list[Utterance], list[Utterance]]:
    tests = {normalise(text) for text in task.test_texts}
    untested = [utterance for utterance in real if normalise(utterance.text) not in tests]
    if len(untested) < len(real):
        left_out["real and in a test set"] += len(real) - len(untested)
    if not dev:
        return _hold_out(untested, task.settings.dev_fraction, task.seed)
    chosen = sorted(dev, key=lambda utterance: fingerprint("dev", task.seed, utterance.id))[:MAX_DEV_UTTERANCES]
    texts = {utterance.text for utterance in chosen}
    return [utterance for utterance in untested if utterance.text not in texts], chosen


def _read(
    rows: AudioRows,
    tokenize: Tokenize,
    weigh: Weigh | None,
    max_seconds: float,
    max_tokens: int,
    left_out: Counter[str],
) -> list[Utterance]:
    utterances = []
    for part in rows.parts:
        for row in read_parquet(part, ["id", "text", "audio", "duration", "status"]):
            if row["status"] != OK or (rows.ids is not None and row["id"] not in rows.ids):
                continue
            tokens = tokenize(row["text"])
            reason = None
            if row["duration"] > max_seconds:
                reason = f"longer than the model's window of {max_seconds:g} s"
            elif len(tokens) > max_tokens:
                reason = f"with more than {max_tokens} tokens"
            if reason:
                left_out[reason] += 1
                continue
            weights = weigh(row["text"]) if weigh else None
            utterances.append(Utterance(row["id"], row["text"], row["audio"], row["duration"], tokens, weights))
    return utterances


def _hold_out(utterances: Sequence[Utterance], fraction: float, seed: int) -> tuple[list[Utterance], list[Utterance]]:
    """Split by text, so that no sentence is on both sides, whatever voices it was spoken in."""
    order = {text: fingerprint("dev", seed, text) for text in {utterance.text for utterance in utterances}}
    texts = sorted(order, key=order.__getitem__)
    if len(texts) < 2:
        return list(utterances), []
    wanted = min(max(round(fraction * len(texts)), 1), MAX_DEV_UTTERANCES)
    held_out = set(texts[:wanted])
    train = [utterance for utterance in utterances if utterance.text not in held_out]
    return train, [utterance for utterance in utterances if utterance.text in held_out]
