"""A glossary of a few terms that lives as long as a request: what the store is to millions, to the same protocol."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compression.glossary.entry import Enrolment, Entry, Spelling
from compression.glossary.partitions import PARTITIONS, check_partitions, partitions_of
from compression.glossary.reader import SpanCandidates, Term
from compression.glossary.span_index import UNIT, SpanIndex, SpanQuery, span_codes
from harken.errors import HarkenError


class MemoryGlossary:
    """Entries and their enrolments, as `reader.GlossaryReader` promises; spans are scanned one by one.

    Frames are kept as they are given: a store of the same terms rounds them to its 8 or 4 bits.

    Args:
        entries: those of one id are joined, the spellings of all.
        enrolments: of these entries; a second one of the same entry and voice replaces the first.

    Raises:
        HarkenError: no entry, one without an enrolment, an enrolment of no entry, or frames, spans or statistics of
            different shapes.
    """

    def __init__(self, entries: Sequence[Entry], enrolments: Sequence[Enrolment]) -> None:
        terms = _joined(entries)
        latest = {(one.entry_id, one.voice): one for one in enrolments}
        ordered = [latest[key] for key in sorted(latest)]
        _check(terms, ordered)
        self.partitions: tuple[int, ...] = tuple(range(PARTITIONS))
        self.entry_ids: NDArray[np.uint64] = np.array(sorted(terms), dtype=np.uint64)
        self._terms = [terms[identity] for identity in sorted(terms)]
        owners = np.array([one.entry_id for one in ordered], dtype=np.uint64)
        self.entries: NDArray[np.int32] = np.searchsorted(self.entry_ids, owners).astype(np.int32)
        self.lengths: NDArray[np.uint16] = np.array([one.frames.shape[1] for one in ordered], dtype=np.uint16)
        self._frames = [_unit(one.frames) for one in ordered]
        self._statistics = np.array([one.statistics for one in ordered], dtype=np.float32)
        spans = span_codes(np.stack([one.span for one in ordered]))
        self._partitions = partitions_of(owners)
        # In the order of ids they are in that of partitions. There is one list, which every window probes.
        offsets = np.append(0, np.cumsum(np.bincount(self._partitions, minlength=PARTITIONS)))
        self._index = SpanIndex(spans, np.arange(len(ordered)), self.lengths, offsets)
        self._centroid = np.zeros((1, spans.shape[1]), dtype=np.int8)

    def __len__(self) -> int:
        return len(self._terms)

    def enrolments(self, partition: int) -> NDArray[np.int64]:
        """See `reader.GlossaryReader.enrolments`."""
        check_partitions((partition,), self.partitions)
        return np.flatnonzero(self._partitions == partition)

    def enrolments_of(self, entries: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See `reader.GlossaryReader.enrolments_of`."""
        chosen = np.asarray(entries, dtype=np.int32)
        begins = np.searchsorted(self.entries, chosen)
        counts = np.searchsorted(self.entries, chosen, side="right") - begins
        # An entry's enrolments lie together.
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return np.repeat(begins, counts) + within, np.repeat(np.arange(len(chosen)), counts)

    def span_candidates(
        self,
        vectors: NDArray[np.float32],
        frames: ArrayLike,
        probes: int | None,
        least: float,
        partitions: tuple[int, ...] | None = None,
    ) -> SpanCandidates:
        """See `reader.GlossaryReader.span_candidates`; there is one list, so that every search is exact."""
        chosen = check_partitions(partitions, self.partitions)
        query = SpanQuery.prepare(np.asarray(vectors), frames, self._centroid, probes, least)
        enrolments, products, windows = self._index.search(query, chosen)
        entries = self.entries[enrolments].astype(np.int64)
        order = np.lexsort((enrolments, -products, entries))
        entries = entries[order]
        best = order[np.append(True, entries[1:] != entries[:-1])[: len(entries)]]
        found = self.entries[enrolments[best]].astype(np.int64)
        similarities = products[best].astype(np.float32) / np.float32(UNIT)
        return SpanCandidates(
            found, similarities, windows[best], enrolments[best], partitions_of(self.entry_ids[found])
        )

    def frames(self, enrolments: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `reader.GlossaryReader.frames`."""
        chosen = np.asarray(enrolments, dtype=np.int64)
        lengths = self.lengths[chosen].astype(np.int64)
        layers, _, size = self._frames[0].shape
        values = np.zeros((len(chosen), layers, int(lengths.max(initial=0)), size), np.float32)
        for row, enrolment in zip(values, chosen.tolist(), strict=True):
            row[:, : self.lengths[enrolment]] = self._frames[enrolment]
        return values, lengths

    def statistics(self, enrolments: ArrayLike) -> NDArray[np.float32]:
        """See `reader.GlossaryReader.statistics`."""
        return self._statistics[np.asarray(enrolments, dtype=np.int64)]

    def entry(self, index: int) -> Term:
        """See `reader.GlossaryReader.entry`."""
        return self._terms[index]


def _joined(entries: Sequence[Entry]) -> dict[int, Term]:
    """The entries by id, each with all its spellings by text."""
    spellings: dict[int, dict[str, Spelling]] = {}
    phonemes: dict[int, str] = {}
    for entry in entries:
        phonemes[entry.id] = entry.phonemes
        for spelling in entry.spellings:
            spellings.setdefault(entry.id, {})[spelling.text] = spelling
    terms = {}
    for identity, written in spellings.items():
        texts = tuple(sorted(written))
        first = written[texts[0]]
        terms[identity] = Term(
            first.text, texts, first.category, first.language, phonemes[identity], identity, first.spoken
        )
    return terms


def _unit(frames: NDArray[np.floating]) -> NDArray[np.float32]:
    values = np.asarray(frames, dtype=np.float32)
    norms = np.sqrt(np.square(values).sum(axis=-1, keepdims=True))
    unit: NDArray[np.float32] = np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)
    return unit


def _check(terms: dict[int, Term], enrolments: Sequence[Enrolment]) -> None:
    if not terms:
        raise HarkenError("glossary", "no terms", "Name at least one.")
    enrolled = {one.entry_id for one in enrolments}
    for identity, term in terms.items():
        if identity not in enrolled:
            raise HarkenError("term without a recording", term.term, "Enrol it, or leave it out.")
    for one in enrolments:
        if one.entry_id not in terms:
            raise HarkenError("enrolment of no entry", one.entry_id, "Give the entry with its recordings.")
        if not one.frames.shape[1]:
            raise HarkenError("recording without frames", terms[one.entry_id].term, "Record the term again.")
        shapes = [
            (a.frames.shape[0], a.frames.shape[2], a.span.shape, a.statistics.shape) for a in (enrolments[0], one)
        ]
        if shapes[0] != shapes[1]:
            raise HarkenError("enrolment", shapes[1], f"The first one's shapes are {shapes[0]}: use the same models.")
