"""Writes a segment: rows come in any order and number, the files depend on nothing but what they say.

What is added waits in one file per partition; `finish` sorts one partition after the other. Memory holds one batch,
then an eighth of the segment's frames, never all of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.lib.format import dtype_to_descr, write_array_header_1_0
from numpy.typing import NDArray

from compression.glossary.entry import Enrolment, Entry
from compression.glossary.integrity import disk_errors_told, file_record, flush
from compression.glossary.manifest import Description, SegmentRecord
from compression.glossary.partitions import PARTITIONS, partitions_of
from compression.glossary.rows import (
    ENTRY_ROWS,
    SPELLINGS,
    bytes_of,
    enrolment_schema,
    pack_enrolments,
    pack_entries,
)
from compression.glossary.segment import ARRAYS, TERMS
from compression.glossary.span_index import inverted, nearest_lists
from harken.errors import HarkenError

TERM_ROWS = pa.schema([("phonemes", pa.string()), ("spellings", SPELLINGS), ("voices", pa.list_(pa.string()))])

_ORDER = pa.field("order", pa.int64())
_TERMS_AT_ONCE = 2**16
_ENROLMENTS_AT_ONCE = 2**14


class SegmentWriter:
    """Collects entries and enrolments and writes them into `folder`, which must not exist.

    Args:
        folder: made by `finish`; what waits lies beside it until then.
        description: of the glossary.
        centroids: int8 (lists, D), the glossary's.
    """

    def __init__(self, folder: Path, description: Description, centroids: NDArray[np.int8]) -> None:
        self.folder, self.description, self.centroids = folder, description, centroids
        self.waiting = folder.with_name(f"{folder.name}.waiting")
        self._schemas = {"entries": ENTRY_ROWS, "enrolments": enrolment_schema(description)}
        with disk_errors_told(self.waiting):
            self.waiting.mkdir(parents=True)
            self._streams = {
                (kind, partition): pa.ipc.new_stream(str(self._path(kind, partition)), schema.append(_ORDER))
                for kind, schema in self._schemas.items()
                for partition in range(PARTITIONS)
            }
        self._ids: list[NDArray[np.uint64]] = []
        self._added = 0

    def add(self, entries: Sequence[Entry], enrolments: Sequence[Enrolment]) -> None:
        """Add entries and recordings of entries, these or others that are in the glossary when it is finished.

        An entry that is given again gets the new spellings too; an enrolment of a known entry and voice replaces it.

        Raises:
            HarkenError: an enrolment that does not fit the description, see `rows.pack_enrolments`.
        """
        self.add_rows(pack_entries(entries), pack_enrolments(enrolments, self.description))

    def add_rows(self, entries: pa.RecordBatch, enrolments: pa.RecordBatch) -> None:
        """Add what `rows.pack_entries` and `rows.pack_enrolments` made, maybe elsewhere and earlier.

        Raises:
            HarkenError: rows of another glossary's description.
        """
        for kind, rows in (("entries", entries), ("enrolments", enrolments)):
            self._spread(kind, rows, np.arange(self._added, self._added + len(rows)))
            self._added += len(rows)

    def carry_rows(self, entries: pa.RecordBatch, enrolments: pa.RecordBatch) -> None:
        """Add what a glossary already held: whatever is added, before or after, is later than it."""
        for kind, rows in (("entries", entries), ("enrolments", enrolments)):
            self._spread(kind, rows, np.full(len(rows), -1))

    def entry_ids(self) -> NDArray[np.uint64]:
        """All entries that were added or of which a recording was, ascending."""
        return np.unique(np.concatenate([np.zeros(0, np.uint64), *self._ids]))

    def finish(self) -> SegmentRecord | None:
        """Write the segment; None, and no folder, when nothing was added.

        Raises:
            HarkenError: an entry without a recording, a recording without its entry, or the disk cannot be written.
        """
        with disk_errors_told(self.folder):
            for stream in self._streams.values():
                stream.close()
            record = self._assemble() if self._ids else None
            shutil.rmtree(self.waiting)
        return record

    def abandon(self) -> None:
        """Forget all that was added."""
        for stream in self._streams.values():
            stream.close()
        shutil.rmtree(self.waiting, ignore_errors=True)

    def _assemble(self) -> SegmentRecord:
        building = self.waiting / "segment"
        building.mkdir()
        record = _Assembly(building, self.description, self.centroids).write(self._partitions(), self.folder.name)
        flush(building)
        building.rename(self.folder)
        flush(self.folder.parent)
        return record

    def _path(self, kind: str, partition: int) -> Path:
        return self.waiting / f"{kind}-{partition}.arrows"

    def _spread(self, kind: str, rows: pa.RecordBatch, order: NDArray[np.int64]) -> None:
        if rows.schema != self._schemas[kind]:
            remedy = f"The glossary's are {self._schemas[kind].names} of other sizes: pack them for it."
            raise HarkenError(f"rows of {kind}", rows.schema.to_string(), remedy)
        if not len(rows):
            return
        entry_ids = rows.column("entry_id").to_numpy()
        self._ids.append(entry_ids)
        partitions = partitions_of(entry_ids)
        rows = rows.append_column(_ORDER, pa.array(order))
        with disk_errors_told(self.waiting):
            for partition in np.unique(partitions).tolist():
                chosen = rows.take(pa.array(np.flatnonzero(partitions == partition)))
                self._streams[kind, partition].write_batch(chosen)

    def _partitions(self) -> Iterator[tuple[pa.Table, pa.Table]]:
        for partition in range(PARTITIONS):
            entries, enrolments = (
                pa.ipc.open_stream(pa.memory_map(str(self._path(kind, partition)))).read_all().combine_chunks()
                for kind in ("entries", "enrolments")
            )
            yield _merged_entries(entries), _latest_enrolments(enrolments)


class _Assembly:
    """The files of a segment while they are written, partition after partition."""

    def __init__(self, folder: Path, description: Description, centroids: NDArray[np.int8]) -> None:
        self.folder, self.centroids = folder, centroids
        tails = {
            "codes": (description.frame_bytes,),
            "scales": (description.layers,),
            "statistics": (description.statistics,),
            "spans": (description.span_size,),
        }
        self.arrays = {
            name: ArrayFile(folder / f"{name}.npy", kind, tails.get(name, ())) for name, kind in ARRAYS.items()
        }
        # In the order of enrolments, until all are known and can be ordered by list.
        self.unordered = ArrayFile(folder.parent / "spans.npy", ARRAYS["spans"], tails["spans"])
        self.lists: list[NDArray[np.int32]] = []
        self.partitions: list[NDArray[np.uint8]] = []

    def write(self, partitions: Iterator[tuple[pa.Table, pa.Table]], name: str) -> SegmentRecord:
        with pa.ipc.new_file(str(self.folder / TERMS), TERM_ROWS) as terms:
            for entries, enrolments in partitions:
                if len(entries) or len(enrolments):
                    terms.write_table(self._partition(entries, enrolments), max_chunksize=_TERMS_AT_ONCE)
        self._invert()
        for array in self.arrays.values():
            array.close()
        paths = sorted(self.folder.iterdir())
        for path in paths:
            flush(path)
        return SegmentRecord(
            name=name,
            entries=self.arrays["entry_ids"].rows,
            enrolments=self.arrays["entries"].rows,
            frames=self.arrays["codes"].rows,
            files={path.name: file_record(path) for path in paths},
        )

    def _partition(self, entries: pa.Table, enrolments: pa.Table) -> pa.Table:
        entry_ids, owners = entries.column("entry_id").to_numpy(), enrolments.column("entry_id").to_numpy()
        _check_owners(entry_ids, owners)
        rows = np.searchsorted(entry_ids, owners)
        self.arrays["entries"].append(self.arrays["entry_ids"].rows + rows)
        self.arrays["entry_ids"].append(entry_ids)
        self.partitions.append(partitions_of(owners))
        for at in range(0, len(owners), _ENROLMENTS_AT_ONCE):
            self._enrolments(enrolments.slice(at, _ENROLMENTS_AT_ONCE).combine_chunks().to_batches()[0])
        counts = np.bincount(rows, minlength=len(entry_ids))
        bounds = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
        voices = pa.ListArray.from_arrays(bounds, enrolments.column("voice").combine_chunks())
        return pa.table([entries.column("phonemes"), entries.column("spellings"), voices], schema=TERM_ROWS)

    def _enrolments(self, enrolments: pa.RecordBatch) -> None:
        for name in ("codes", "scales", "statistics"):
            array = self.arrays[name]
            array.append(bytes_of(enrolments.column(name)).view(array.type).reshape(-1, *array.tail))
        frame_bytes = self.arrays["codes"].tail[0]
        sizes = pc.binary_length(enrolments.column("codes")).to_numpy()
        self.arrays["lengths"].append(sizes // frame_bytes)
        spans = bytes_of(enrolments.column("span")).view(np.int8).reshape(-1, *self.unordered.tail)
        self.unordered.append(spans)
        self.lists.append(nearest_lists(spans, self.centroids))

    def _invert(self) -> None:
        self.unordered.close()
        lists, partitions = np.concatenate(self.lists), np.concatenate(self.partitions)
        order, offsets = inverted(lists, partitions, len(self.centroids))
        self.arrays["postings"].append(order)
        self.arrays["lists"].append(offsets)
        spans = np.load(self.unordered.path, mmap_mode="r")
        for at in range(0, len(order), _ENROLMENTS_AT_ONCE):
            self.arrays["spans"].append(spans[order[at : at + _ENROLMENTS_AT_ONCE]])


class ArrayFile:
    """A .npy file that grows row by row of shape `tail`; it is whole only after `close`."""

    def __init__(self, path: Path, kind: str, tail: tuple[int, ...]) -> None:
        self.path, self.type, self.tail, self.rows = path, np.dtype(kind), tail, 0
        self._file = path.open("wb")
        self._write_header()

    def append(self, rows: NDArray[Any]) -> None:
        """Write rows (n, *tail), converted to the file's type."""
        self._file.write(np.ascontiguousarray(rows, dtype=self.type).data)
        self.rows += len(rows)

    def close(self) -> None:
        """Write the number of rows into the header, which has room for any."""
        self._file.seek(0)
        self._write_header()
        self._file.close()

    def _write_header(self) -> None:
        shape = (self.rows, *self.tail)
        header = {"descr": dtype_to_descr(self.type), "fortran_order": False, "shape": shape}
        write_array_header_1_0(self._file, header)


def _merged_entries(entries: pa.Table) -> pa.Table:
    """Each entry once, by id, with the spellings of all its rows: of two with one text the later."""
    ids, order = entries.column("entry_id").to_numpy(), entries.column("order").to_numpy()
    rows = np.lexsort((order, ids))
    entries, ids = entries.select(ENTRY_ROWS.names).take(pa.array(rows)).combine_chunks(), ids[rows]
    firsts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1])[: len(ids)])
    if len(firsts) == len(ids):
        return entries
    counts = np.diff(np.append(firsts, len(ids)))
    single = entries.take(pa.array(firsts[counts == 1]))
    merged = []
    for first, count in zip(firsts[counts > 1].tolist(), counts[counts > 1].tolist(), strict=True):
        same = entries.slice(first, count).to_pylist()
        by_text = {spelling["text"]: spelling for row in same for spelling in row["spellings"]}
        merged.append(same[0] | {"spellings": [by_text[text] for text in sorted(by_text)]})
    whole = pa.concat_tables([single, pa.Table.from_pylist(merged, ENTRY_ROWS)])
    return whole.take(pa.array(np.argsort(whole.column("entry_id").to_numpy()))).combine_chunks()


def _latest_enrolments(enrolments: pa.Table) -> pa.Table:
    """Enrolments by entry id and voice; of two with the same the later."""
    keys = [("entry_id", "ascending"), ("voice", "ascending"), ("order", "ascending")]
    order = pc.sort_indices(enrolments, sort_keys=keys)
    ids = enrolments.column("entry_id").take(order).to_numpy()
    voices = enrolments.column("voice").take(order).combine_chunks()
    if not len(ids):
        return enrolments
    other_voice = pc.not_equal(voices[1:], voices[:-1]).to_numpy(zero_copy_only=False)
    last = np.append((ids[1:] != ids[:-1]) | other_voice, True)
    return enrolments.take(order.filter(pa.array(last))).combine_chunks()


def _check_owners(entry_ids: NDArray[np.uint64], owners: NDArray[np.uint64]) -> None:
    silent, unknown = np.setdiff1d(entry_ids, owners), np.setdiff1d(owners, entry_ids)
    if len(silent):
        remedy = f"Of {len(silent)} entries there is no recording: enrol at least one."
        raise HarkenError("entry", f"{int(silent[0]):016x}", remedy)
    if len(unknown):
        remedy = f"Of {len(unknown)} recordings the entry is not in the glossary: add the entries too."
        raise HarkenError("entry of a recording", f"{int(unknown[0]):016x}", remedy)
