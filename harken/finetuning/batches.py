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
from harken.finetuning.task import Utterance
from harken.records import generator
from harken.whisper import Whisper

IGNORED = -100

# Batches of similar lengths are cut from pools of this many, so that length never decides when a row is seen.
_BATCHES_PER_POOL = 16
# SpecAugment (Park et al. 2019), light: masks of at most this share of the frames and of the mel bands.
_TIME_MASKS, _TIME_SHARE = 2, 0.05
_BAND_MASKS, _BAND_SHARE = 2, 0.10


@dataclass(frozen=True)
class Step:
    """One optimiser step: indices into train + replay, and whether the encoder sees full windows."""

    indices: tuple[int, ...]
    full_windows: bool


@dataclass(frozen=True)
class Tensors:
    """Features (batch, mels, frames), decoder inputs and labels (batch, tokens); ignored labels are -100."""

    features: torch.Tensor
    decoder_input: torch.Tensor
    labels: torch.Tensor

    def rows(self, chosen: Sequence[int]) -> "Tensors":
        """Some rows of the batch."""
        rows = list(chosen)
        return Tensors(self.features[rows], self.decoder_input[rows], self.labels[rows])


def steps_per_epoch(train: int, replay: int, per_synthetic: float, batch_size: int) -> int:
    """Optimiser steps of an epoch, the same for every epoch."""
    return -(-(train + _replayed(train, replay, per_synthetic)) // batch_size)


def plan_epoch(
    train: Sequence[Utterance],
    replay: Sequence[Utterance],
    *,
    per_synthetic: float,
    batch_size: int,
    full_windows: float,
    seed: int,
    epoch: int,
) -> list[Step]:
    """The batches of one epoch: every training utterance once, replay by ratio, lengths bucketed.

    Replay walks through its own permutation, epoch after epoch, so that all of it is used before any twice.
    """
    draw = generator("finetune", seed, epoch)
    count = _replayed(len(train), len(replay), per_synthetic)
    walk = _endless_permutation(len(replay), seed, start=epoch * count, count=count)
    indices = [*range(len(train)), *(len(train) + index for index in walk)]
    draw.shuffle(indices)
    seconds = [utterance.seconds for utterance in (*train, *replay)]
    batches = []
    pool_size = batch_size * _BATCHES_PER_POOL
    for start in range(0, len(indices), pool_size):
        pool = sorted(indices[start : start + pool_size], key=lambda index: (seconds[index], index))
        batches += [pool[first : first + batch_size] for first in range(0, len(pool), batch_size)]
    draw.shuffle(batches)
    return [Step(tuple(batch), draw.random() < full_windows) for batch in batches]


def collate(
    whisper: Whisper,
    utterances: Sequence[Utterance],
    prompt: Sequence[int],
    *,
    full_window: bool,
    augmentation: Sequence[random.Random] | None = None,
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
        mask_features(features[row], max(spoken, 1), draw)
    longest = max(len(utterance.tokens) for utterance in utterances)
    decoder_input = np.full((len(utterances), len(prompt) + longest - 1), whisper.end_token)
    labels = np.full(decoder_input.shape, IGNORED)
    decoder_input[:, : len(prompt)] = prompt
    for row, utterance in enumerate(utterances):
        count = len(utterance.tokens)
        decoder_input[row, len(prompt) : len(prompt) + count - 1] = utterance.tokens[:-1]
        labels[row, len(prompt) - 1 : len(prompt) - 1 + count] = utterance.tokens
    device = whisper.device
    return Tensors(features.to(device), torch.from_numpy(decoder_input).to(device), torch.from_numpy(labels).to(device))


def mask_features(features: torch.Tensor, spoken_frames: int, draw: random.Random) -> None:
    """SpecAugment in place on (mels, frames): bands and stretches of the spoken part become its mean."""
    bands = features.shape[0]
    spoken_frames = min(spoken_frames, features.shape[1])
    mean = features[:, :spoken_frames].mean().item()
    for _ in range(_TIME_MASKS):
        width = draw.randint(0, int(_TIME_SHARE * spoken_frames))
        start = draw.randint(0, spoken_frames - width)
        features[:, start : start + width] = mean
    for _ in range(_BAND_MASKS):
        width = draw.randint(0, int(_BAND_SHARE * bands))
        start = draw.randint(0, bands - width)
        features[start : start + width, :spoken_frames] = mean


def _replayed(train: int, replay: int, per_synthetic: float) -> int:
    return round(per_synthetic * train) if replay else 0


def _endless_permutation(size: int, seed: int, *, start: int, count: int) -> list[int]:
    """Items `start` to `start + count` of shuffled passes over ``range(size)``, one after the other."""
    found: list[int] = []
    while len(found) < count:
        cycle, offset = divmod(start + len(found), size)
        order = list(range(size))
        generator("replay", seed, cycle).shuffle(order)
        found += order[offset : offset + count - len(found)]
    return found
