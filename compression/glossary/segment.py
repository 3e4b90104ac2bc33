"""An immutable part of a glossary: a folder of memory-mapped arrays and one Arrow table, in the order of entry ids."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from compression.glossary.integrity import FileRecord, check_size
from compression.glossary.manifest import SEGMENTS, TOMBSTONES, Description, SegmentRecord
from compression.glossary.partitions import PARTITIONS, SHIFT
from compression.glossary.rows import ENTRY_ROWS, enrolment_rows
from harken.errors import HarkenError

TERMS = "terms.arrow"
ARRAYS = {
    "codes": "|u1",
    "scales": "<f2",
    "statistics": "<f4",
    "spans": "|i1",
    "postings": "<i4",
    "lists": "<i8",
    "lengths": "<u2",
    "entries": "<i4",
    "entry_ids": "<u8",
}
"""Each array's type; it lies in NAME.npy.

codes (frames, layers * size * bits / 8), scales (frames, layers), statistics (enrolments, k), lengths and entries
(enrolments,), entry_ids (entries,) ascending. spans (enrolments, D), postings (enrolments,) and lists are the
inverted file of `span_index`: spans and postings are in its order.
"""


class Segment:
    """A segment, opened.

    Raises:
        HarkenError: a file is missing, of another length than was written, or not what the manifest says.
    """

    codes: NDArray[np.uint8]
    scales: NDArray[np.float16]
    statistics: NDArray[np.float32]
    spans: NDArray[np.int8]
    postings: NDArray[np.int32]
    lists: NDArray[np.int64]
    lengths: NDArray[np.uint16]
    entries: NDArray[np.int32]
    entry_ids: NDArray[np.uint64]

    def __init__(self, glossary: Path, record: SegmentRecord, description: Description) -> None:
        self.folder = glossary / SEGMENTS / record.name
        self.record, self.description = record, description
        for path, written in segment_files(glossary, record):
            check_size(path, written)
        for name in ARRAYS:
            setattr(self, name, self._array(name))
        self._check_shapes()
        self.frame_offsets = np.concatenate([[0], np.cumsum(self.lengths, dtype=np.int64)])
        self.removed = np.zeros(record.entries, dtype=bool)
        if record.tombstones:
            self.removed[load_array(glossary / TOMBSTONES / record.tombstones)] = True
        if self.frame_offsets[-1] != record.frames or self.removed.sum() != record.removed:
            raise _unfit(self.folder)
        self._batches, self._starts = self._terms()

    def live(self, partition: int) -> NDArray[np.int64]:
        """Rows of a partition's entries that were not removed, ascending."""
        first = np.searchsorted(self.entry_ids, np.uint64(partition << SHIFT))
        last = np.searchsorted(self.entry_ids, np.uint64((partition + 1 << SHIFT) - 1), side="right")
        return first + np.flatnonzero(~self.removed[first:last])

    def find(self, entry_ids: NDArray[np.uint64]) -> NDArray[np.int64]:
        """Rows of live entries, -1 for those that the segment does not have."""
        rows = np.searchsorted(self.entry_ids, entry_ids)
        rows[rows == len(self.entry_ids)] = 0
        return np.where((self.entry_ids[rows] == entry_ids) & ~self.removed[rows], rows, -1)

    def term(self, row: int) -> dict[str, Any]:
        """An entry's phonemes, spellings and voices."""
        place = bisect_right(self._starts, row) - 1
        (term,) = self._batches[place].slice(row - self._starts[place], 1).to_pylist()
        return dict(term)

    def terms(self, rows: NDArray[np.int64]) -> pa.RecordBatch:
        """The columns phonemes, spellings and voices of ascending rows, at least one."""
        batches = []
        for batch, (first, last) in zip(self._batches, pairwise(self._starts), strict=True):
            inside = slice(*np.searchsorted(rows, [first, last]).tolist())
            if inside.start < inside.stop:
                batches.append(batch.take(pa.array(rows[inside] - first)))
        (whole,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
        return whole

    def enrolments_of(self, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Rows of all enrolments of entries, and how many each entry has."""
        # Of the array's own type: another would convert all of it at every call.
        chosen = rows.astype(self.entries.dtype)
        begins = np.searchsorted(self.entries, chosen)
        counts = np.searchsorted(self.entries, chosen, side="right") - begins
        return consecutive(begins, counts), counts

    def frame_rows(self, enrolments: NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the enrolments' frames in `codes` and `scales`, back to back."""
        return consecutive(self.frame_offsets[enrolments], self.lengths[enrolments].astype(np.int64))

    def rows(self, entries: NDArray[np.int64]) -> tuple[pa.RecordBatch, pa.RecordBatch]:
        """Ascending entries and their enrolments as a segment's writer takes them: nothing is quantised again."""
        terms = self.terms(entries)
        enrolments, _ = self.enrolments_of(entries)
        frames = self.frame_rows(enrolments)
        packed = enrolment_rows(
            self.entry_ids[self.entries[enrolments]],
            terms.column("voices").flatten(),
            self.lengths[enrolments],
            self.codes[frames],
            self.scales[frames],
            self.spans[self._span_rows[enrolments]],
            self.statistics[enrolments],
            self.description,
        )
        columns = [pa.array(self.entry_ids[entries]), terms.column("phonemes"), terms.column("spellings")]
        return pa.record_batch(columns, schema=ENTRY_ROWS), packed

    def written_as(self, texts: pa.Array) -> Iterator[tuple[int, str]]:
        """Live entries that have one of these spellings, and which; reads all terms."""
        for batch, first in zip(self._batches, self._starts[:-1], strict=True):
            spellings = batch.column("spellings")
            written = spellings.flatten().field("text")
            found = pc.indices_nonzero(pc.is_in(written, texts))
            rows = pc.list_parent_indices(spellings).take(found).to_numpy() + first
            for row, text in zip(rows.tolist(), written.take(found).to_pylist(), strict=True):
                if not self.removed[row]:
                    yield row, text

    @cached_property
    def _span_rows(self) -> NDArray[np.int64]:
        places = np.empty(len(self.postings), np.int64)
        places[self.postings] = np.arange(len(self.postings))
        return places

    def _array(self, name: str) -> NDArray[Any]:
        array = load_array(self.folder / f"{name}.npy")
        if array.dtype != np.dtype(ARRAYS[name]):
            raise _unfit(self.folder)
        return array

    def _check_shapes(self) -> None:
        record, description = self.record, self.description
        expected = {
            "codes": (record.frames, description.frame_bytes),
            "scales": (record.frames, description.layers),
            "statistics": (record.enrolments, description.statistics),
            "spans": (record.enrolments, description.span_size),
            "postings": (record.enrolments,),
            "lengths": (record.enrolments,),
            "entries": (record.enrolments,),
            "entry_ids": (record.entries,),
        }
        for name, shape in expected.items():
            if getattr(self, name).shape != shape:
                raise _unfit(self.folder)
        if (len(self.lists) - 1) % PARTITIONS or self.lists[-1] != record.enrolments:
            raise _unfit(self.folder)

    def _terms(self) -> tuple[list[pa.RecordBatch], list[int]]:
        try:
            file = pa.ipc.open_file(pa.memory_map(str(self.folder / TERMS)))
            batches = [file.get_batch(number) for number in range(file.num_record_batches)]
        except (OSError, pa.ArrowInvalid):
            raise _unfit(self.folder) from None
        starts = list(accumulate((batch.num_rows for batch in batches), initial=0))
        if starts[-1] != self.record.entries:
            raise _unfit(self.folder)
        return batches, starts


def segment_files(glossary: Path, record: SegmentRecord) -> Iterator[tuple[Path, FileRecord]]:
    """Every file of a segment, its tombstones too, and how it was written."""
    for name, written in record.files.items():
        yield glossary / SEGMENTS / record.name / name, written
    if record.tombstones_file is not None:
        yield glossary / TOMBSTONES / record.tombstones, record.tombstones_file


def load_array(path: Path) -> NDArray[Any]:
    """A .npy file, memory-mapped.

    Raises:
        HarkenError: it is not one.
    """
    try:
        # A plain array over the mapping: a memmap's own bookkeeping would cost more than small gathers do.
        return np.load(path, mmap_mode="r").view(np.ndarray)
    except (OSError, ValueError):
        raise _unfit(path) from None


def consecutive(begins: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """`counts` consecutive numbers from each of `begins`, back to back."""
    firsts = np.cumsum(counts) - counts
    return np.arange(counts.sum()) + np.repeat(begins - firsts, counts)


def _unfit(path: Path) -> HarkenError:
    remedy = "It is damaged or does not belong here: restore the glossary from a copy, or build it again."
    return HarkenError("part of a glossary", str(path), remedy)
