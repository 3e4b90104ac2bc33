"""What the parts of a search model learn from: compressed recordings of terms, and where utterances say them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from compression.compressed import packed_units
from compression.frames import Frames
from compression.inventory import Term
from compression.maxsim import maxsim
from compression.spans import running_sums


@dataclass(frozen=True)
class Occurrence:
    """A term said in an utterance from `start` to `end`, in kept frames and parts of them; None: it is not known."""

    term: str
    utterance: str
    start: float | None = None
    end: float | None = None


@dataclass(frozen=True)
class SpanCorpus:
    """A set as a search model sees it.

    Attributes:
        terms: with the names of their recordings; those without one are of no use and not in it.
        recordings: kept frames (layers, frames, size) of the terms' recordings by name.
        utterances: kept frames by name.
        unclear: for each utterance the terms that must not count as absent (`Inventory.unclear`).
        occurrences: where which term is said.
        frames_per_second: kept frames.
    """

    terms: tuple[Term, ...]
    recordings: Mapping[str, Tensor]
    utterances: Mapping[str, Tensor]
    unclear: Mapping[str, frozenset[str]]
    occurrences: tuple[Occurrence, ...]
    frames_per_second: float

    def names(self, term: Term) -> tuple[str, ...]:
        """Names of all recordings of a term that are there."""
        return tuple(
            name for name in (*term.synthesized, *(cut.name for cut in term.natural)) if name in self.recordings
        )

    def located(self) -> SpanCorpus:
        """The same with every occurrence timed: those that are not, where the term's best recording fits best."""
        recordings = {term.text: self.names(term) for term in self.terms}
        return replace(
            self,
            occurrences=tuple(
                one if one.start is not None else self._locate(one, recordings[one.term]) for one in self.occurrences
            ),
        )

    def _locate(self, occurrence: Occurrence, names: Sequence[str]) -> Occurrence:
        heard = self.utterances[occurrence.utterance]
        found = maxsim(packed_units([self.recordings[name] for name in names]), F.normalize(heard, dim=-1))
        best = int(found.scores.argmax())
        start = min(int(found.starts[best]), heard.shape[1] - 1)
        return replace(occurrence, start=float(start), end=float(min(int(found.ends[best]), heard.shape[1])))


class PackedSums:
    """Running sums of recordings one after another: spans of any of them are read at `first` + frames.

    `values`: (all frames + recordings, layers, size). `firsts` and `lengths`: int64 (recordings,).
    """

    def __init__(self, recordings: Sequence[Tensor]) -> None:
        self.values = torch.cat([running_sums(Frames.stack([recording]))[0] for recording in recordings])
        self.lengths = torch.tensor([recording.shape[1] for recording in recordings])
        self.firsts = (self.lengths + 1).cumsum(0) - (self.lengths + 1)
