"""Which utterances make up each step, and the tensors they become.

The order is a pure function of seed and epoch: no state of it is saved, and any number of workers walks the same
batches.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from harken.audio import SAMPLE_RATE, decode_audio, resample
from harken.finetune_settings import MaskSettings
from harken.finetuning.task import Utterance
from harken.records import generator
from harken.whisper import Whisper

IGNORED = -100
LIGHT_MASKS = MaskSettings()

# Batches of similar lengths are cut from pools of this many, so that length never decides when a row is seen.
_BATCHES_PER_POOL = 16


@dataclass(frozen=True)
class Step:
    """One optimiser step: indices into train + replay + real, and whether the encoder sees full windows."""

    indices: tuple[int, ...]
    full_windows: bool


@dataclass(frozen=True)
class Tensors:
    """Features (batch, mels, frames); decoder inputs, labels and what they weigh (batch, tokens).

    Ignored labels are -100.
    """

    features: torch.Tensor
    decoder_input: torch.Tensor
    labels: torch.Tensor
    weights: torch.Tensor

    def rows(self, chosen: Sequence[int]) -> "Tensors":
        """Some rows of the batch."""
        rows = list(chosen)
        return Tensors(self.features[rows], self.decoder_input[rows], self.labels[rows], self.weights[rows])


def steps_per_epoch(
    train: int,
    replay: int,
    per_synthetic: float,
    batch_size: int,
    real: int = 0,
    real_per_synthetic: float | None = None,
) -> int:
    """Optimiser steps of an epoch, the same for every epoch."""
    mixed = _replayed(train, replay, per_synthetic) + _real(train, real, real_per_synthetic)
    return -(-(train + mixed) // batch_size)


def plan_epoch(
    train: Sequence[Utterance],
    replay: Sequence[Utterance],
    *,
    per_synthetic: float,
    batch_size: int,
    full_windows: float,
    seed: int,
    epoch: int,
    real: Sequence[Utterance] = (),
    real_per_synthetic: float | None = None,
    bucketing: bool = True,
) -> list[Step]:
    """The batches of one epoch: every training utterance once, replay and real by ratio, lengths bucketed.

    Replay and real each walk through their own permutation, epoch after epoch, so that all of it is used before any
    twice.
    """
    draw = generator("finetune", seed, epoch)
    indices = list(range(len(train)))
    first = len(train)
    for purpose, pool, count in (
        ("replay", replay, _replayed(len(train), len(replay), per_synthetic)),
        ("real", real, _real(len(train), len(real), real_per_synthetic)),
    ):
        walk = _endless_permutation(purpose, len(pool), seed, start=epoch * count, count=count)
        indices += [first + index for index in walk]
        first += len(pool)
    draw.shuffle(indices)
    seconds = [utterance.seconds for utterance in (*train, *replay, *real)]
    batches = []
    pool_size = batch_size * _BATCHES_PER_POOL
    for start in range(0, len(indices), pool_size):
        pooled = indices[start : start + pool_size]
        if bucketing:
            pooled.sort(key=lambda index: (seconds[index], index))
        batches += [pooled[place : place + batch_size] for place in range(0, len(pooled), batch_size)]
    draw.shuffle(batches)
    return [Step(tuple(batch), draw.random() < full_windows) for batch in batches]


def padding_share(steps: Sequence[Step], utterances: Sequence[Utterance], window_seconds: float) -> float:
    """The share of the encoder's input that is padding when these steps are walked."""
    spoken = sum(utterances[index].seconds for step in steps for index in step.indices)
    computed = 0.0
    for step in steps:
        longest = max(utterances[index].seconds for index in step.indices)
        computed += len(step.indices) * (window_seconds if step.full_windows else longest)
    return 1 - spoken / computed if computed else 0.0


def collate(
    whisper: Whisper,
    utterances: Sequence[Utterance],
    prompt: Sequence[int],
    *,
    full_window: bool,
    augmentation: Sequence[random.Random] | None = None,
    masks: MaskSettings = LIGHT_MASKS,
) -> Tensors:
    """Tensors of a batch on the model's device; only the text and its end are learnt, not the prompt.

    Raises:
        HarkenError: an utterance's audio cannot be decoded.
    """
    waves = []
    for utterance in utterances:
        wave, rate = decode_audio(utterance.audio, name=utterance.id)
        # Resampling may round the length up by a sample.
        waves.append(resample(wave, rate, SAMPLE_RATE)[: whisper.window_samples])
    features = whisper.features(waves, full_window)
    for row, draw in enumerate(augmentation or ()):
        spoken = int(utterances[row].seconds / whisper.window_seconds * whisper.window_frames)
        mask_features(features[row], max(spoken, 1), draw, masks)
    longest = max(len(utterance.tokens) for utterance in utterances)
    decoder_input = np.full((len(utterances), len(prompt) + longest - 1), whisper.end_token)
    labels = np.full(decoder_input.shape, IGNORED)
    weights = np.ones(decoder_input.shape, dtype=np.float32)
    decoder_input[:, : len(prompt)] = prompt
    for row, utterance in enumerate(utterances):
        count = len(utterance.tokens)
        decoder_input[row, len(prompt) : len(prompt) + count - 1] = utterance.tokens[:-1]
        labels[row, len(prompt) - 1 : len(prompt) - 1 + count] = utterance.tokens
        if utterance.weights is not None:
            weights[row, len(prompt) - 1 : len(prompt) - 1 + count] = utterance.weights
    text = (torch.from_numpy(array).to(whisper.device) for array in (decoder_input, labels, weights))
    return Tensors(features.to(whisper.device), *text)


def mask_features(
    features: torch.Tensor, spoken_frames: int, draw: random.Random, masks: MaskSettings = LIGHT_MASKS
) -> None:
    """SpecAugment in place on (mels, frames): bands and stretches of the spoken part become its mean."""
    if masks.probability < 1.0 and draw.random() >= masks.probability:
        return
    bands = features.shape[0]
    spoken_frames = min(spoken_frames, features.shape[1])
    mean = features[:, :spoken_frames].mean().item()
    for _ in range(masks.time_masks):
        width = draw.randint(0, int(masks.time_share * spoken_frames))
        start = draw.randint(0, spoken_frames - width)
        features[:, start : start + width] = mean
    for _ in range(masks.band_masks):
        width = draw.randint(0, int(masks.band_share * bands))
        start = draw.randint(0, bands - width)
        features[start : start + width, :spoken_frames] = mean


def _replayed(train: int, replay: int, per_synthetic: float) -> int:
    return round(per_synthetic * train) if replay else 0


def _real(train: int, real: int, per_synthetic: float | None) -> int:
    if not real or per_synthetic is None:
        return real
    return max(round(per_synthetic * train), 1)


def _endless_permutation(purpose: str, size: int, seed: int, *, start: int, count: int) -> list[int]:
    """Items `start` to `start + count` of shuffled passes over ``range(size)``, one after the other."""
    found: list[int] = []
    while len(found) < count:
        cycle, offset = divmod(start + len(found), size)
        order = list(range(size))
        generator(purpose, seed, cycle).shuffle(order)
        found += order[offset : offset + count - len(found)]
    return found
