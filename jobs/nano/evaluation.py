"""Held-out figures of an exported model: error rates, silence, loops, and copying from prompts."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from rapidfuzz.distance import Levenshtein
from transformers import WhisperForConditionalGeneration, WhisperProcessor

from jobs.nano.corpus import Utterance, held_out_terms, load_shard, make_writer, shard_path
from jobs.nano.features import pad_features
from jobs.nano.settings import NanoConfig

_BATCH = 25
_DISTRACTORS = 4
_LANGUAGES = {"zh": "chinese", "en": "english"}


@dataclass(frozen=True)
class Figure:
    """A measured share with the number of utterances behind it."""

    value: float
    count: int


def load(folder: Path) -> tuple[WhisperForConditionalGeneration, WhisperProcessor]:
    """An exported model, in float32 for a CPU, and its processor."""
    model = WhisperForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    return model, WhisperProcessor.from_pretrained(folder)


def normalised(text: str) -> str:
    """Text as it is compared: lower case, no spaces, no punctuation."""
    return re.sub(r"[\s，。！？、,.!?:：；;]", "", text).lower()


def transcribe(
    model: WhisperForConditionalGeneration,
    processor: WhisperProcessor,
    utterances: Sequence[Utterance],
    prompts: Sequence[str] | None = None,
) -> list[str]:
    """`model.generate` on full windows, with a prompt per utterance if given; texts in the order of `utterances`."""
    window = 2 * model.config.max_source_positions
    texts = [""] * len(utterances)
    groups: list[list[int]] = []
    if prompts is not None:
        groups = [[index] for index in range(len(utterances))]
    else:
        for language in _LANGUAGES:
            indices = [index for index, item in enumerate(utterances) if item.language == language]
            groups += [indices[start : start + _BATCH] for start in range(0, len(indices), _BATCH)]
    for indices in groups:
        features = pad_features([utterances[index].features for index in indices], window).transpose(1, 2)
        options = {}
        if prompts is not None:
            options["prompt_ids"] = processor.get_prompt_ids(prompts[indices[0]], return_tensors="pt")
        tokens = model.generate(
            features,
            language=_LANGUAGES[utterances[indices[0]].language],
            task="transcribe",
            max_new_tokens=80,
            attention_mask=torch.ones(len(indices), window, dtype=torch.long),
            **options,
        )
        for index, text in zip(indices, processor.batch_decode(tokens, skip_special_tokens=True), strict=True):
            texts[index] = text.strip()
    return texts


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Edits over reference characters, summed over all pairs."""
    pairs = [(normalised(r), normalised(h)) for r, h in zip(references, hypotheses, strict=True)]
    return sum(Levenshtein.distance(r, h) for r, h in pairs) / max(1, sum(len(r) for r, _ in pairs))


def loops(reference: str, hypothesis: str) -> bool:
    """Whether a hypothesis runs on: three characters repeated four times in a row, or far too long."""
    text = normalised(hypothesis)
    return bool(re.search(r"(.{2,})\1{3,}", text)) or len(text) > 2 * len(normalised(reference)) + 8


def recall(utterances: Sequence[Utterance], hypotheses: Sequence[str]) -> float:
    """The share of the utterances' terms that were written exactly."""
    pairs = [(term, text) for item, text in zip(utterances, hypotheses, strict=True) for term in item.terms]
    hits = [normalised(term) in normalised(text) for term, text in pairs]
    return sum(hits) / max(1, len(hits))


def evaluate(config: NanoConfig, folder: Path, limit: int | None = None) -> dict[str, Figure]:
    """All figures of the model in `folder`, on the first `limit` utterances of each held-out set."""
    model, processor = load(folder)
    figures: dict[str, Figure] = {}
    looping = total = 0
    for name in ("seen-voices", "unseen-voices", "domain", "silence"):
        items = load_shard(shard_path(config, name))[:limit]
        texts = transcribe(model, processor, items)
        references = [item.text for item in items]
        looping += sum(map(loops, references, texts))
        total += len(items)
        if name == "silence":
            figures["silence: empty text"] = Figure(sum(not text for text in texts) / len(items), len(items))
            continue
        figures[f"{name}: CER"] = Figure(character_error_rate(references, texts), len(items))
        if name != "domain":
            for language, label in (("zh", "Mandarin"), ("en", "English")):
                chosen = [index for index, item in enumerate(items) if item.language == language]
                rate = character_error_rate([references[i] for i in chosen], [texts[i] for i in chosen])
                figures[f"{name}, {label}: CER"] = Figure(rate, len(chosen))
        else:
            figures["domain: term recall"] = Figure(recall(items, texts), len(items))
    figures["loops"] = Figure(looping / total, total)
    figures |= _prompt_figures(config, model, processor, limit)
    return figures


def prompt_texts(config: NanoConfig, items: Sequence[Utterance], with_truth: bool) -> list[str]:
    """A biasing list per utterance: distractors that were never trained on, and the utterance's own term or not."""
    rng = random.Random(f"{config.seed}:distractors")
    writer = make_writer(config)
    lists = []
    for item in items:
        words = held_out_terms(writer, rng, _DISTRACTORS)
        if with_truth:
            words = [*words[1:], *item.terms]
        rng.shuffle(words)
        lists.append("，".join(words))
    return lists


def _prompt_figures(
    config: NanoConfig, model: WhisperForConditionalGeneration, processor: WhisperProcessor, limit: int | None
) -> dict[str, Figure]:
    items = load_shard(shard_path(config, "prompts"))[:limit]
    references = [item.text for item in items]
    figures = {}
    for name, prompts in (
        ("no prompt", None),
        ("true term among distractors", prompt_texts(config, items, True)),
        ("distractors only", prompt_texts(config, items, False)),
    ):
        texts = transcribe(model, processor, items, prompts)
        figures[f"never-seen terms, {name}: recall"] = Figure(recall(items, texts), len(items))
        figures[f"never-seen terms, {name}: CER"] = Figure(character_error_rate(references, texts), len(items))
    return figures


def quick_evaluation(config: NanoConfig, folder: Path) -> dict[str, float]:
    """The same figures on few utterances, for the curve."""
    return {name: round(figure.value, 4) for name, figure in evaluate(config, folder, limit=40).items()}
