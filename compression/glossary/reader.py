"""What a search needs of a glossary, whatever holds it: the protocol between the store and the cascade.

Entries (one pronunciation with all its spellings) and enrolments (one recording of an entry) are numbered from 0 in
what was opened. These indices are handles and differ between a store and its rebuild: whatever must be the same
everywhere is ordered by `entry_ids` instead. An entry's enrolments have consecutive indices. Removed entries keep
their place in the arrays; no method that lists or searches gives them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Term:
    """One entry as a person knows it.

    `term`: the first of `spellings`, which are in an order that does not depend on how the glossary came about.
    `category` and `language`: of that first spelling, may be empty. `entry_id`: the same in every glossary. `spoken`:
    what the synthesizer was given for it, when that is another text.
    """

    term: str
    spellings: tuple[str, ...]
    category: str
    language: str
    phonemes: str
    entry_id: int
    spoken: str = ""


@dataclass(frozen=True)
class SpanCandidates:
    """Entries that a window of an utterance resembles, ordered by partition and then entry id.

    Arrays of one length: `entries` int64 indices; `similarities` float32, the best of any window and enrolment of
    the entry; `windows` int64, that window's row (the first of equals); `enrolments` int64, that enrolment's index
    (the first of equals); `partitions` uint8.
    """

    entries: NDArray[np.int64]
    similarities: NDArray[np.float32]
    windows: NDArray[np.int64]
    enrolments: NDArray[np.int64]
    partitions: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.entries)


class GlossaryReader(Protocol):
    """An opened version of a glossary, immutable and safe to use from several threads."""

    @property
    def partitions(self) -> tuple[int, ...]:
        """The partitions that were opened, ascending (of the 8 of `partitions.PARTITIONS`)."""

    @property
    def lengths(self) -> NDArray[np.uint16]:
        """Frames of each enrolment, (enrolments,)."""

    @property
    def entries(self) -> NDArray[np.int32]:
        """The entry that each enrolment belongs to, (enrolments,) indices."""

    @property
    def entry_ids(self) -> NDArray[np.uint64]:
        """The identity of each entry, (entries,); `entry_id >> 61` is its partition."""

    def enrolments(self, partition: int) -> NDArray[np.int64]:
        """Indices of the live enrolments of an opened partition, ordered by entry id and then voice."""

    def enrolments_of(self, entries: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """All enrolments of entries: their indices, and for each the row of `entries` it belongs to."""

    def span_candidates(
        self,
        vectors: NDArray[np.float32],
        frames: ArrayLike,
        probes: int | None,
        least: float,
        partitions: tuple[int, ...] | None = None,
    ) -> SpanCandidates:
        """Entries of which an enrolment's span embedding resembles a window's.

        Window and enrolment are compared when |log(enrolment frames / window frames)| < log 1.5 and the enrolment's
        nearest centroid is among the window's `probes` nearest (with all that are as near as the last of them).
        The similarity is the dot product of both vectors as int8, over 127 squared: exact, so that it depends
        neither on the machine nor on what else is in the glossary.

        Args:
            vectors: (windows, D), unit length.
            frames: (windows,), frames of each window, at least 1.
            probes: centroids per window; None: all, an exact scan.
            least: the similarity from which an entry is a candidate.
            partitions: some of those opened; None: all of them.

        Raises:
            HarkenError: vectors of another size, a partition that was not opened, less than 1 probe.
        """

    def frames(self, enrolments: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Unit frames of enrolments, padded with zeros.

        Returns:
            values: float32 (n, layers, most frames, size), every vector of length 1 (or 0).
            lengths: (n,), int64, frames of each.
        """

    def statistics(self, enrolments: ArrayLike) -> NDArray[np.float32]:
        """(n, k): what was measured of each enrolment against the background (k = 2: mean and deviation)."""

    def entry(self, index: int) -> Term:
        """The record of an entry."""
