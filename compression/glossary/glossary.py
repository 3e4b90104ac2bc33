"""One opened version of a glossary: what `reader.GlossaryReader` promises, over a base and what was added to it."""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from compression.glossary.integrity import check_size
from compression.glossary.manifest import CENTROIDS, Manifest, Models, check_models, read_manifest
from compression.glossary.partitions import PARTITIONS, check_partitions, partitions_of
from compression.glossary.reader import SpanCandidates, Term
from compression.glossary.segment import Segment, consecutive, load_array
from compression.glossary.span_index import UNIT, SpanIndex, SpanQuery
from compression.quantisation import Quantised, decode, dequantise
from harken.errors import HarkenError

# Smaller segments' inverted files are joined in memory: a pass over the lists costs the same for one as for all.
_JOINED = 2**16


class Glossary:
    """An opened version: immutable, and safe to use from several threads; see `reader.GlossaryReader`.

    It keeps what it opened, whatever is added, removed or compacted meanwhile.
    """

    def __init__(self, folder: Path, manifest: Manifest, partitions: tuple[int, ...], threads: int = 1) -> None:
        self.folder, self.manifest, self.partitions, self.threads = folder, manifest, partitions, threads
        check_size(folder / CENTROIDS, manifest.centroids)
        self.centroids: NDArray[np.int8] = load_array(folder / CENTROIDS)
        self.segments = [Segment(folder, record, manifest.description) for record in manifest.segments]
        self._first_entry = list(accumulate((record.entries for record in manifest.segments), initial=0))
        self._first_enrolment = list(accumulate((record.enrolments for record in manifest.segments), initial=0))
        self.lengths: NDArray[np.uint16] = self._joined("lengths")
        self.entries: NDArray[np.int32] = self._joined("entries", self._first_entry)
        self.entry_ids: NDArray[np.uint64] = self._joined("entry_ids")
        self._removed: NDArray[np.bool_] = self._joined("removed")
        self._indices = self._open_indices()
        self._live: dict[int, NDArray[np.int64]] = {}

    @property
    def bits(self) -> int:
        """Bits of a stored value."""
        return self.manifest.description.bits

    def __len__(self) -> int:
        """Live entries, of all partitions."""
        return self.manifest.entries

    def located(self) -> list[tuple[Segment, int]]:
        """The segments, each with the index of its first entry."""
        return list(zip(self.segments, self._first_entry, strict=False))

    def find(self, entry_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Indices of live entries, -1 for those that the glossary does not have."""
        found = np.full(len(entry_ids), -1)
        for segment, first in self.located():
            rows = segment.find(entry_ids)
            found = np.where(rows >= 0, rows + first, found)
        return found

    def enrolments(self, partition: int) -> NDArray[np.int64]:
        """See `reader.GlossaryReader.enrolments`."""
        check_partitions((partition,), self.partitions)
        if partition not in self._live:
            live = [segment.live(partition) + first for segment, first in self.located()]
            entries = np.concatenate(live)
            self._live[partition], _ = self.enrolments_of(entries[np.argsort(self.entry_ids[entries])])
        return self._live[partition]

    def enrolments_of(self, entries: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """See `reader.GlossaryReader.enrolments_of`."""
        # Of the array's own type: another would convert all of it at every call.
        chosen = np.asarray(entries, dtype=self.entries.dtype)
        begins = np.searchsorted(self.entries, chosen)
        counts = np.searchsorted(self.entries, chosen, side="right") - begins
        return consecutive(begins, counts), np.repeat(np.arange(len(chosen)), counts)

    def span_candidates(
        self,
        vectors: NDArray[np.float32],
        frames: ArrayLike,
        probes: int | None,
        least: float,
        partitions: tuple[int, ...] | None = None,
    ) -> SpanCandidates:
        """See `reader.GlossaryReader.span_candidates`."""
        chosen = check_partitions(partitions, self.partitions)
        query = SpanQuery.prepare(np.asarray(vectors), frames, self.centroids, probes, least)
        matches = [index.search(query, chosen, self.threads) for index in self._indices]
        enrolments, products, windows = (np.concatenate(column) for column in zip(*matches, strict=True))
        entries = self.entries[enrolments]
        live = np.flatnonzero(~self._removed[entries])
        ids = self.entry_ids[entries[live]]
        live = live[np.lexsort((enrolments[live], -products[live], ids))]
        ids = self.entry_ids[entries[live]]
        best = live[np.append(True, ids[1:] != ids[:-1])[: len(ids)]]
        found = entries[best].astype(np.int64)
        similarities = products[best].astype(np.float32) / np.float32(UNIT)
        return SpanCandidates(
            found, similarities, windows[best], enrolments[best], partitions_of(self.entry_ids[found])
        )

    def frames(self, enrolments: ArrayLike, unit: bool = True) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """See `reader.GlossaryReader.frames`; with `unit` false the frames as the spotter made them, as far as kept."""
        chosen = np.asarray(enrolments, dtype=np.int64)
        lengths = self.lengths[chosen].astype(np.int64)
        description = self.manifest.description
        shape = (len(chosen), int(lengths.max(initial=0)), description.layers, description.size)
        values = np.zeros(shape, np.float32)
        for segment, first, inside in self._inside(chosen):
            rows = segment.frame_rows(chosen[inside] - first)
            codes = segment.codes[rows].reshape(len(rows), description.layers, -1)
            if unit:
                vectors = decode(codes, description.bits)
                norms = np.sqrt(np.square(vectors).sum(axis=-1, keepdims=True))
                vectors /= np.maximum(norms, 1)
            else:
                vectors = dequantise(Quantised(codes, segment.scales[rows], description.bits))
            owners = np.repeat(inside, lengths[inside])
            values[owners, consecutive(np.zeros_like(inside), lengths[inside])] = vectors
        return values.transpose(0, 2, 1, 3), lengths

    def statistics(self, enrolments: ArrayLike) -> NDArray[np.float32]:
        """See `reader.GlossaryReader.statistics`."""
        chosen = np.asarray(enrolments, dtype=np.int64)
        values = np.zeros((len(chosen), self.manifest.description.statistics), np.float32)
        for segment, first, inside in self._inside(chosen):
            values[inside] = segment.statistics[chosen[inside] - first]
        return values

    def entry(self, index: int) -> Term:
        """See `reader.GlossaryReader.entry`."""
        segment = bisect_right(self._first_entry, index) - 1
        row = self.segments[segment].term(index - self._first_entry[segment])
        spellings = row["spellings"]
        return Term(
            spellings[0]["text"],
            tuple(spelling["text"] for spelling in spellings),
            spellings[0]["category"],
            spellings[0]["language"],
            row["phonemes"],
            int(self.entry_ids[index]),
            spellings[0]["spoken"],
        )

    def _inside(self, enrolments: NDArray[np.int64]) -> Iterator[tuple[Segment, int, NDArray[np.int64]]]:
        for segment, (first, last) in zip(self.segments, pairwise(self._first_enrolment), strict=True):
            inside = np.flatnonzero((enrolments >= first) & (enrolments < last))
            if len(inside):
                yield segment, first, inside

    def _joined(self, name: str, starts: list[int] | None = None) -> NDArray[Any]:
        arrays = [getattr(segment, name) for segment in self.segments]
        if len(arrays) == 1:
            return arrays[0]
        if starts is not None:
            arrays = [array + array.dtype.type(start) for array, start in zip(arrays, starts, strict=False)]
        return np.concatenate(arrays)

    def _open_indices(self) -> list[SpanIndex]:
        indices = []
        for segment, first in zip(self.segments, self._first_enrolment, strict=False):
            postings = segment.postings if first == 0 else segment.postings + np.int32(first)
            indices.append(SpanIndex(segment.spans, postings, segment.lengths[segment.postings], segment.lists))
        small = [index for index in indices if len(index) <= _JOINED]
        if len(small) <= 1:
            return indices
        return [index for index in indices if len(index) > _JOINED] + [SpanIndex.join(small)]


def open_glossary(
    folder: str | Path,
    models: Models | None = None,
    partitions: tuple[int, ...] | None = None,
    version: int | None = None,
    threads: int | None = None,
) -> Glossary:
    """Open a version of a glossary by memory map: nothing is read but the manifest and a few bytes per enrolment.

    Args:
        folder: of the glossary.
        models: those in use; None: whatever made it.
        partitions: those that are searched, see `partitions.shard_partitions`; None: all.
        version: a kept one; None: the current.
        threads: of a search; None: as many as the process may use. No part of any result.

    Raises:
        HarkenError: no glossary, an unknown version or format, another model's, an empty one, or a file that is
            missing, of another length than was written, or inconsistent.
    """
    folder = Path(folder)
    manifest = read_manifest(folder, version)
    if models is not None:
        check_models(manifest.description.models, models, folder)
    if not manifest.entries:
        raise HarkenError("glossary", str(folder), f"Version {manifest.version} holds no terms: add some first.")
    chosen = check_partitions(partitions, tuple(range(PARTITIONS)))
    return Glossary(folder, manifest, chosen, threads or len(os.sched_getaffinity(0)))
