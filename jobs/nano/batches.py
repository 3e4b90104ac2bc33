"""Turns utterances into training batches: buckets of like length, prompts, masks."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import WhisperTokenizer

from jobs.nano.corpus import Utterance
from jobs.nano.features import pad_features
from jobs.nano.model import token_id
from jobs.nano.text import Writer

IGNORED = -100
_SEPARATORS = ("，", "，", "、", ", ", " ")
_LONGEST_PROMPT = 90


@dataclass
class Batch:
    """Tensors of one step. `labels` are IGNORED outside the text; `positions` counts encoder positions per clip."""

    features: torch.Tensor
    tokens: torch.Tensor
    labels: torch.Tensor
    positions: torch.Tensor
    phonemes: torch.Tensor
    phoneme_lengths: torch.Tensor


class Collator:
    """Builds batches. `window_frames` is the full window in mel frames, `spec_augment` the share of masked clips."""

    def __init__(
        self,
        tokenizer: WhisperTokenizer,
        writer: Writer,
        phoneme_ids: dict[str, int],
        window_frames: int,
        spec_augment: float = 0.0,
    ) -> None:
        self._spec_augment = spec_augment
        self._tokenizer = tokenizer
        self._writer = writer
        self._phoneme_ids = phoneme_ids
        self.window_frames = window_frames
        self._end = token_id(tokenizer, "<|endoftext|>")
        self._previous = token_id(tokenizer, "<|startofprev|>")
        start, task, plain = (
            token_id(tokenizer, token) for token in ("<|startoftranscript|>", "<|transcribe|>", "<|notimestamps|>")
        )
        self._starts = {name: [start, token_id(tokenizer, f"<|{name}|>"), task, plain] for name in ("zh", "en")}

    def text_ids(self, text: str) -> list[int]:
        return list(self._tokenizer(text, add_special_tokens=False).input_ids)

    def prompt(self, terms: Sequence[str], rng: random.Random) -> list[int]:
        """A biasing list as previous text: half the time with the clip's own terms, always among others."""
        words = list(terms) if rng.random() < 0.6 else []
        others = rng.choice((0, 1, 2, 3, 5, 8)) if words else rng.choice((1, 2, 4, 8))
        for _ in range(others):
            word = self._writer.pseudo_term(rng) if rng.random() < 0.8 else rng.choice(self._writer.all_words)
            words.append(word)
        rng.shuffle(words)
        return [self._previous, *self.text_ids(" " + rng.choice(_SEPARATORS).join(words))[:_LONGEST_PROMPT]]

    def collate(
        self, utterances: Sequence[Utterance], rng: random.Random, prompt_shares: tuple[float, float], full_window: bool
    ) -> Batch:
        """A batch padded to its longest clip, or to the window, where utterances get prompts with the probabilities
        `prompt_shares` (with terms, without)."""
        longest = max(len(utterance.features) for utterance in utterances)
        frames = self.window_frames if full_window else min(self.window_frames, longest + rng.choice((2, 2, 10, 40)))
        features = pad_features([utterance.features for utterance in utterances], frames + frames % 2)
        _mask(features, utterances, rng, self._spec_augment)
        rows = []
        for utterance in utterances:
            prompted = rng.random() < prompt_shares[0 if utterance.terms else 1]
            prefix = self.prompt(utterance.terms, rng) if prompted else []
            prefix = prefix + self._starts[utterance.language]
            rows.append((prefix, [*self.text_ids(utterance.text), self._end]))
        length = max(len(prefix) + len(text) for prefix, text in rows) - 1
        tokens = torch.full((len(rows), length), self._end)
        labels = torch.full((len(rows), length), IGNORED)
        for index, (prefix, text) in enumerate(rows):
            whole = prefix + text
            tokens[index, : len(whole) - 1] = torch.tensor(whole[:-1])
            labels[index, len(prefix) - 1 : len(whole) - 1] = torch.tensor(text)
        phonemes = [
            [self._phoneme_ids[unit] for unit in utterance.phonemes if unit in self._phoneme_ids]
            for utterance in utterances
        ]
        positions = torch.tensor([min(features.size(1) // 2, len(u.features) // 2 + 1) for u in utterances])
        flat = torch.tensor([unit for units in phonemes for unit in units], dtype=torch.long)
        return Batch(features, tokens, labels, positions, flat, torch.tensor([len(units) for units in phonemes]))


def _mask(features: torch.Tensor, utterances: Sequence[Utterance], rng: random.Random, share: float) -> None:
    """SpecAugment (Park et al. 2019) on a share of the clips: one band of mels, one or two stretches of time."""
    for row, utterance in zip(features, utterances, strict=True):
        if rng.random() >= share:
            continue
        frames, mean = len(utterance.features), float(row.mean())
        if rng.random() < 0.5:
            low = rng.randint(0, 70)
            row[:, low : low + rng.randint(1, 10)] = mean
        for _ in range(rng.choice((0, 1, 1, 2))):
            if frames > 40:
                start = rng.randint(0, frames - 10)
                row[start : start + rng.randint(1, 7)] = mean


def buckets(utterances: Sequence[Utterance], frames_per_batch: int, rng: random.Random) -> list[list[int]]:
    """Indices grouped so that clips of like length share a batch of at most `frames_per_batch` frames."""
    order = sorted(range(len(utterances)), key=lambda index: len(utterances[index].features) + rng.uniform(-12, 12))
    batches: list[list[int]] = [[]]
    longest = 0
    for index in order:
        longest = max(longest, len(utterances[index].features) + 4)
        if batches[-1] and longest * (len(batches[-1]) + 1) > frames_per_batch:
            batches.append([])
            longest = len(utterances[index].features) + 4
        batches[-1].append(index)
    rng.shuffle(batches)
    return batches
