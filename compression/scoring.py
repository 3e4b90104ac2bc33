"""Scores many pairs of few recordings: each recording is compressed once, each pair costs its map alone."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compression.embeddings import KeywordEmbeddings
from compression.frames import Frames
from compression.pairs import FrameSource, Pair
from compression.spotter import Spotter
from harken.spotter_settings import Precision

# An uncompressed utterance of a large encoder takes a quarter of a gigabyte.
_UTTERANCES_AT_ONCE = 16
_RECORDINGS_AT_ONCE = 64


@dataclass(frozen=True)
class Scored:
    """Logits of pairs, float32 (n,), the seconds that scoring them took, and what a keyword takes as stored."""

    logits: NDArray[np.float32]
    scoring_seconds: float
    bytes_per_keyword: float


def score_pairs(
    spotter: Spotter, source: FrameSource, pairs: Sequence[Pair], precision: Precision = "float32"
) -> Scored:
    """Score pairs in evaluation mode, on the spotter's device; the logits depend on each pair alone.

    Args:
        precision: as which keywords are stored (`KeywordEmbeddings`) before they are scored.

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
    seconds = 0.0
    training = spotter.training
    spotter.eval()
    try:
        with torch.inference_mode():
            compressed = _compress(spotter, source.keyword, list(keywords), device)
            stored = KeywordEmbeddings.pack(list(keywords), compressed, spotter, precision)
            kept = stored.frames(device=device)
            for start in range(0, len(utterances), _UTTERANCES_AT_ONCE):
                group = utterances[start : start + _UTTERANCES_AT_ONCE]
                chosen = [index for name in group for index in members[name]]
                columns = {name: column for column, name in enumerate(group)}
                rows = [(keywords[pairs[index].keyword], columns[pairs[index].utterance]) for index in chosen]
                heard = _compress(spotter, source.utterance, group, device)
                began = time.perf_counter()
                logits[chosen] = spotter.score(kept, heard, torch.tensor(rows, device=device)).cpu()
                seconds += time.perf_counter() - began
    finally:
        spotter.train(training)
    return Scored(logits.numpy(), seconds, stored.bytes_per_keyword())


def _compress(spotter: Spotter, read: Callable[[str], Tensor], names: Sequence[str], device: torch.device) -> Frames:
    recordings: list[Tensor] = []
    for start in range(0, len(names), _RECORDINGS_AT_ONCE):
        batch = Frames.stack([read(name).float() for name in names[start : start + _RECORDINGS_AT_ONCE]]).to(device)
        recordings += spotter.compress(batch)[0].unstack()
    return Frames.stack(recordings)
