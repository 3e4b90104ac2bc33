"""Pairs of a keyword and an utterance as the spotter is trained and validated on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from compression.frames import Frames


class Pair(NamedTuple):
    """A keyword's recording and an utterance, by the names a `FrameSource` knows, and whether the one is in the other.

    One term may have many recordings: voices, engines, cuts from utterances.
    """

    keyword: str
    utterance: str
    said: bool


class FrameSource(Protocol):
    """Where encoder frames come from: a dictionary, a memory-mapped file, or the encoder itself.

    Both give (layers, frames, width) of the spotter's layers, the same for the same name whenever asked.
    """

    def keyword(self, name: str) -> Tensor:
        """A keyword recording's frames."""

    def utterance(self, name: str) -> Tensor:
        """An utterance's frames."""


@dataclass(frozen=True)
class PairBatch:
    """Pairs with what they name, each recording once.

    `pairs`: (n, 2), rows of `keywords` and `utterances`. `labels`: (n,), 1.0 where the keyword was said.
    """

    keywords: Frames
    utterances: Frames
    pairs: Tensor
    labels: Tensor

    def to(self, device: torch.device) -> PairBatch:
        """The same on another device."""
        return PairBatch(
            self.keywords.to(device), self.utterances.to(device), self.pairs.to(device), self.labels.to(device)
        )


def collate(pairs: Sequence[Pair], source: FrameSource) -> PairBatch:
    """One batch of these pairs, float32; a recording that several name is stacked and compressed once."""
    keywords = {name: row for row, name in enumerate(dict.fromkeys(pair.keyword for pair in pairs))}
    utterances = {name: row for row, name in enumerate(dict.fromkeys(pair.utterance for pair in pairs))}
    return PairBatch(
        Frames.stack([source.keyword(name).float() for name in keywords]),
        Frames.stack([source.utterance(name).float() for name in utterances]),
        torch.tensor([(keywords[pair.keyword], utterances[pair.utterance]) for pair in pairs]),
        torch.tensor([float(pair.said) for pair in pairs]),
    )


def batches(pairs: Sequence[Pair], size: int) -> Iterator[Sequence[Pair]]:
    """The pairs in their order, `size` at a time; the last batch may hold fewer."""
    for start in range(0, len(pairs), size):
        yield pairs[start : start + size]
