"""What one fine-tuning is given, and the utterances it learns from."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harken.errors import HarkenError
from harken.records import OK, fingerprint, read_parquet
from harken.settings import FinetuneSettings

# Held-out decoding at every epoch has to stay a small part of it, however large the corpus.
MAX_DEV_UTTERANCES = 256

Tokenize = Callable[[str], tuple[int, ...]]


@dataclass(frozen=True)
class AudioRows:
    """Speech rows in Parquet parts (columns id, text, audio, duration, status): those of status 'ok' and in `ids`."""

    parts: Sequence[Path]
    ids: frozenset[str] | None = None


@dataclass(frozen=True)
class FinetuneTask:
    """One fine-tuning: everything that decides its result, and the folder it writes to.

    ``keywords`` are the terms whose tokens `LoraSettings.tokens` may ask for.
    """

    model: str
    language: str
    directory: Path
    settings: FinetuneSettings
    synthetic: AudioRows
    replay: AudioRows | None = None
    seed: int = 0
    keywords: tuple[str, ...] = ()


@dataclass(frozen=True)
class Utterance:
    """One utterance to learn from; `audio` is an encoded file, `tokens` the text's with the end and without prompt."""

    id: str
    text: str
    audio: bytes
    seconds: float
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class Corpus:
    """Utterances by purpose. `left_out` counts by reason what cannot be learnt from."""

    train: Sequence[Utterance]
    replay: Sequence[Utterance]
    dev: Sequence[Utterance]
    dev_replay: Sequence[Utterance]
    left_out: Mapping[str, int] = field(default_factory=dict)


def load_corpus(task: FinetuneTask, tokenize: Tokenize, max_seconds: float, max_tokens: int) -> Corpus:
    """Read the task's rows and hold out the same dev rows every time.

    Rows longer than `max_seconds` (the model's window: their audio would not cover their text) or with more than
    `max_tokens` are left out; `tokenize` gives a text's tokens with the end. The encoded audio stays in memory,
    about 20 kB for each second of speech.

    Raises:
        HarkenError: too few rows to train on, or a damaged part.
    """
    left_out: dict[str, int] = {}
    synthetic = _read(task.synthetic, tokenize, max_seconds, max_tokens, left_out)
    train, dev = _hold_out(synthetic, task.settings.dev_fraction, task.seed)
    if not train or not dev:
        reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items()) or "none left out"
        remedy = f"At least 2 different sentences are needed ({reasons}): raise labels.count or judge.threshold."
        raise HarkenError("utterances to fine-tune on", len(synthetic), remedy)
    general = _read(task.replay, tokenize, max_seconds, max_tokens, left_out) if task.replay else []
    replay, dev_replay = _hold_out(general, task.settings.dev_fraction, task.seed)
    return Corpus(train, replay, dev, dev_replay, left_out)


def _read(
    rows: AudioRows, tokenize: Tokenize, max_seconds: float, max_tokens: int, left_out: dict[str, int]
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
                left_out[reason] = left_out.get(reason, 0) + 1
                continue
            utterances.append(Utterance(row["id"], row["text"], row["audio"], row["duration"], tokens))
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
