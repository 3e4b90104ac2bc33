"""Scores many pairs of few recordings: each recording is compressed once, each pair costs its map alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compression.frames import Frames
from compression.pairs import FrameSource, Pair
from compression.spotter import Spotter

# An uncompressed utterance of a large encoder takes a quarter of a gigabyte.
_UTTERANCES_AT_ONCE = 16
_RECORDINGS_AT_ONCE = 64


@dataclass(frozen=True)
class Scored:
    """Logits of pairs, float32 (n,), and the seconds that compressing and scoring them took."""

    logits: NDArray[np.float32]
    compression_seconds: float
    scoring_seconds: float


def score_pairs(spotter: Spotter, source: FrameSource, pairs: Sequence[Pair]) -> Scored:
    """Score pairs in evaluation mode, on the spotter's device; the logits depend on each pair alone.

    Raises:
        HarkenError: a recording that the source does not have, or one that the spotter does not take.
    """
    device = next(spotter.parameters()).device
    keywords = {name: row for row, name in enumerate(dict.fromkeys(pair.keyword for pair in pairs))}
    members: dict[str, list[int]] = {}
    for index, pair in enumerate(pairs):
        members.setdefault(pair.utterance, []).append(index)
    utterances = list(members)
    logits = torch.empty(len(pairs))
    compressing = scoring = 0.0
    training = spotter.training
    spotter.eval()
    try:
        with torch.inference_mode():
            began = time.perf_counter()
            kept = _compress(spotter, source.keyword, list(keywords), device)
            compressing += time.perf_counter() - began
            for start in range(0, len(utterances), _UTTERANCES_AT_ONCE):
                group = utterances[start : start + _UTTERANCES_AT_ONCE]
                chosen = [index for name in group for index in members[name]]
                columns = {name: column for column, name in enumerate(group)}
                rows = [(keywords[pairs[index].keyword], columns[pairs[index].utterance]) for index in chosen]
                began = time.perf_counter()
                heard = _compress(spotter, source.utterance, group, device)
                between = time.perf_counter()
                logits[chosen] = spotter.score(kept, heard, torch.tensor(rows, device=device)).cpu()
                compressing += between - began
                scoring += time.perf_counter() - between
    finally:
        spotter.train(training)
    return Scored(logits.numpy(), compressing, scoring)


def _compress(spotter: Spotter, read: Callable[[str], Tensor], names: Sequence[str], device: torch.device) -> Frames:
    recordings: list[Tensor] = []
    for start in range(0, len(names), _RECORDINGS_AT_ONCE):
        batch = Frames.stack([read(name).float() for name in names[start : start + _RECORDINGS_AT_ONCE]]).to(device)
        recordings += spotter.compress(batch)[0].unstack()
    return Frames.stack(recordings)
