"""A glossary's folder, to write: what is added, removed or compacted becomes a version that is published whole."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from compression.glossary.entry import Enrolment, Entry
from compression.glossary.glossary import Glossary
from compression.glossary.integrity import check_content, disk_errors_told, file_record
from compression.glossary.lock import locked
from compression.glossary.manifest import (
    CENTROIDS,
    SEGMENTS,
    TOMBSTONES,
    VERSIONS,
    Description,
    Manifest,
    SegmentRecord,
    publish,
    read_manifest,
    stored_versions,
    version_path,
)
from compression.glossary.partitions import PARTITIONS
from compression.glossary.segment import Segment, load_array, segment_files
from compression.glossary.sizes import Sizes
from compression.glossary.span_index import MOST_VALUES, span_codes
from compression.glossary.writer import SegmentWriter
from harken.errors import HarkenError
from harken.records import replace_atomically

# Entries that are carried from segment to segment at once.
_CARRIED = 2**14


class GlossaryStore:
    """The folder of a glossary, to change it; `glossary.open_glossary` is for reading.

    One process changes it at a time; readers need not know. A writer that is killed leaves the last version as it
    was; the next one clears away what it left.

    Raises:
        HarkenError: no glossary, or one of another format.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.description = read_manifest(self.folder).description

    @classmethod
    def create(cls, folder: str | Path, description: Description, centroids: NDArray[np.floating]) -> GlossaryStore:
        """Make an empty glossary, version 0.

        Args:
            folder: missing or empty.
            description: of all that will be in it.
            centroids: (lists, span size), the search model's codebook; each is scaled to length 1.

        Raises:
            HarkenError: the folder holds something, or centroids of another size.
        """
        folder = Path(folder)
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise HarkenError("folder of a new glossary", str(folder), "It is not empty: give another, or delete it.")
        if description.span_size > MOST_VALUES:
            raise HarkenError("size of span embeddings", description.span_size, f"Use at most {MOST_VALUES}.")
        if centroids.ndim != 2 or centroids.shape[1] != description.span_size or not len(centroids):
            remedy = f"The description says (lists, {description.span_size})."
            raise HarkenError("shape of the centroids", centroids.shape, remedy)
        if description.bits == 4 and description.size % 2:
            raise HarkenError("size of a frame", description.size, "At 4 bits it must be even: use 8 bits.")
        norms = np.linalg.norm(centroids, axis=1, keepdims=True)
        codes = span_codes(centroids / np.maximum(norms, np.finfo(np.float32).tiny))
        folder.mkdir(parents=True, exist_ok=True)
        _save_array(folder / CENTROIDS, codes)
        publish(folder, Manifest(version=0, description=description, centroids=file_record(folder / CENTROIDS)))
        return cls(folder)

    @property
    def manifest(self) -> Manifest:
        """The current version's."""
        return read_manifest(self.folder)

    def add(self, entries: Sequence[Entry], enrolments: Sequence[Enrolment]) -> Manifest:
        """Add entries and recordings as a new version; see `SegmentWriter.add` for what happens to those there are."""
        with self.adding() as writer:
            writer.add(entries, enrolments)
        return self.manifest

    @contextmanager
    def adding(self) -> Iterator[SegmentWriter]:
        """A writer whose `add` may be called any number of times; the end of the block publishes the new version.

        An exception in the block leaves the glossary as it was, and so does a block that adds nothing.

        Raises:
            HarkenError: another process is changing it, the disk cannot be written, or what `SegmentWriter` raises.
        """
        with self.revising(np.zeros(0, np.uint64)) as writer:
            yield writer

    @contextmanager
    def revising(
        self, entry_ids: NDArray[np.uint64], dropped: Collection[tuple[int, str]] = ()
    ) -> Iterator[SegmentWriter]:
        """As `adding`, for entries that are not only added to.

        Args:
            entry_ids: of entries that lose their spellings, for those that are added in the block; one that is not
                added is removed.
            dropped: recordings of these entries, by entry id and voice, that are removed; the others stay.

        Raises:
            HarkenError: as `adding`.
        """
        with self._changing() as manifest, self._writing(manifest) as writer:
            yield writer
            added = writer.entry_ids()
            glossary = self._open(manifest)
            replaced: NDArray[np.int64] = np.zeros(0, np.int64)
            if glossary is not None:
                found = glossary.find(np.union1d(added, entry_ids))
                replaced = np.sort(found[found >= 0])
                staying = replaced[np.isin(glossary.entry_ids[replaced], added)]
                for _, rows, enrolments in _carried(glossary, staying):
                    writer.carry_rows(*_revised(rows, enrolments, entry_ids, dropped))
            if len(added) or len(replaced):
                self._publish(manifest, glossary, writer.finish(), replaced)

    def remove(self, terms: Sequence[str]) -> Manifest:
        """Remove spellings as a new version: from every entry that has one, and the entry with its last spelling.

        Args:
            terms: exactly as they were added.

        Raises:
            HarkenError: a term that the glossary does not have (nothing is removed then), or another process is
                changing it.
        """
        wanted = sorted(set(terms))
        with self._changing() as manifest:
            glossary = self._open(manifest)
            owners: dict[int, set[str]] = {}
            for segment, first in [] if glossary is None else glossary.located():
                for row, text in segment.written_as(pa.array(wanted, pa.string())):
                    owners.setdefault(first + row, set()).add(text)
            unknown = sorted(set(wanted).difference(*owners.values()))
            if unknown:
                remedy = f"{len(unknown)} of {len(wanted)} terms are not in the glossary: nothing was removed."
                raise HarkenError("term to remove", unknown[0], remedy)
            if glossary is None or not owners:
                return manifest
            entries = np.array(sorted(owners), dtype=np.int64)
            with self._writing(manifest) as writer:
                for chosen, rows, enrolments in _carried(glossary, entries):
                    writer.carry_rows(*_respelled(rows, enrolments, [owners[entry] for entry in chosen.tolist()]))
                return self._publish(manifest, glossary, writer.finish(), entries)

    def compact(self) -> Manifest:
        """Write one segment of all live entries as a new version: the same files that a new glossary of them has.

        Raises:
            HarkenError: another process is changing it, or the disk cannot be written.
        """
        with self._changing() as manifest:
            glossary = self._open(manifest)
            if glossary is None or (len(manifest.segments) == 1 and not manifest.segments[0].removed):
                return manifest
            with self._writing(manifest) as writer:
                for segment, first in glossary.located():
                    for partition in range(PARTITIONS):
                        for _, rows, enrolments in _carried(glossary, segment.live(partition) + first):
                            writer.carry_rows(rows, enrolments)
                everything = np.arange(len(glossary.entry_ids))
                return self._publish(manifest, glossary, writer.finish(), everything)

    def prune(self, keep: int = 1) -> list[int]:
        """Delete all but the last `keep` versions, and the files that only they need; those deleted are returned.

        Who has one of them open keeps it.

        Raises:
            HarkenError: another process is changing the glossary, or `keep` is less than 1.
        """
        if keep < 1:
            raise HarkenError("versions to keep", keep, "The current one always stays: keep at least 1.")
        with self._changing(), disk_errors_told(self.folder):
            versions = stored_versions(self.folder)
            kept = [read_manifest(self.folder, version) for version in versions[-keep:]]
            segments = {segment.name for manifest in kept for segment in manifest.segments}
            tombstones = {segment.tombstones for manifest in kept for segment in manifest.segments}
            for version in versions[:-keep]:
                version_path(self.folder, version).unlink()
            for path in (self.folder / SEGMENTS).glob("*"):
                if path.name not in segments:
                    shutil.rmtree(path)
            for path in (self.folder / TOMBSTONES).glob("*"):
                if path.name not in tombstones:
                    path.unlink()
            return versions[:-keep]

    def verify(self) -> None:
        """Read every byte of the current version and compare it with what was written.

        Raises:
            HarkenError: the error names the first file that differs.
        """
        manifest = self.manifest
        check_content(self.folder / CENTROIDS, manifest.centroids)
        for segment in manifest.segments:
            for path, written in segment_files(self.folder, segment):
                check_content(path, written)

    def sizes(self) -> Sizes:
        """Bytes of the current version."""
        return Sizes.of(self.manifest)

    @contextmanager
    def _changing(self) -> Iterator[Manifest]:
        with locked(self.folder):
            manifest = read_manifest(self.folder)
            with disk_errors_told(self.folder):
                self._clear(manifest.version)
            yield manifest

    @contextmanager
    def _writing(self, manifest: Manifest) -> Iterator[SegmentWriter]:
        folder = self.folder / SEGMENTS / _number(manifest.version + 1)
        writer = SegmentWriter(folder, manifest.description, load_array(self.folder / CENTROIDS))
        try:
            yield writer
        finally:
            writer.abandon()

    def _open(self, manifest: Manifest) -> Glossary | None:
        return Glossary(self.folder, manifest, tuple(range(PARTITIONS))) if manifest.segments else None

    def _publish(
        self, manifest: Manifest, glossary: Glossary | None, added: SegmentRecord | None, removed: NDArray[np.int64]
    ) -> Manifest:
        """Make the next version of the last: its segments less `removed` entries, and what was added."""
        version = manifest.version + 1
        segments = []
        for segment, first in [] if glossary is None else glossary.located():
            rows = removed[(removed >= first) & (removed < first + segment.record.entries)] - first
            record = self._without(segment, rows, version) if len(rows) else segment.record
            if record.removed < record.entries:
                segments.append(record)
        if added is not None:
            segments.append(added)
        following = manifest.model_copy(update={"version": version, "segments": tuple(segments)})
        publish(self.folder, following)
        return following

    def _without(self, segment: Segment, rows: NDArray[np.int64], version: int) -> SegmentRecord:
        gone = segment.removed.copy()
        gone[rows] = True
        removed = int(gone.sum())
        if removed == len(gone):
            return segment.record.model_copy(update={"removed": removed})
        path = self.folder / TOMBSTONES / f"{segment.record.name}-{_number(version)}.npy"
        _save_array(path, np.flatnonzero(gone).astype("<i4"))
        update = {"removed": removed, "tombstones": path.name, "tombstones_file": file_record(path)}
        return segment.record.model_copy(update=update)

    def _clear(self, version: int) -> None:
        """Delete what a writer left that did not come to publish it: all that belongs to a later version."""
        for number in stored_versions(self.folder):
            if number > version:
                version_path(self.folder, number).unlink()
        for path in (self.folder / SEGMENTS).glob("*"):
            if _version(path.name.partition(".")[0]) > version:
                shutil.rmtree(path)
        for path in (self.folder / TOMBSTONES).glob("*.npy"):
            if _version(path.stem.partition("-")[2]) > version:
                path.unlink()
        for folder in (self.folder, self.folder / VERSIONS, self.folder / TOMBSTONES):
            for path in folder.glob(".*.tmp"):
                path.unlink()


def _carried(
    glossary: Glossary, entries: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch, pa.RecordBatch]]:
    """Ascending entries as rows for a writer, some at a time: which, their entry rows and their enrolment rows."""
    for segment, first in glossary.located():
        inside = entries[(entries >= first) & (entries < first + segment.record.entries)]
        for at in range(0, len(inside), _CARRIED):
            chosen = inside[at : at + _CARRIED]
            yield chosen, *segment.rows(chosen - first)


def _respelled(
    rows: pa.RecordBatch, enrolments: pa.RecordBatch, without: Sequence[set[str]]
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Rows of entries without some of their spellings, and of the enrolments of those that have any left."""
    left = []
    for row, removed in zip(rows.to_pylist(), without, strict=True):
        spellings = [spelling for spelling in row["spellings"] if spelling["text"] not in removed]
        if spellings:
            left.append(row | {"spellings": spellings})
    kept = pa.RecordBatch.from_pylist(left, rows.schema)
    return kept, enrolments.filter(pc.is_in(enrolments.column("entry_id"), kept.column("entry_id")))


def _revised(
    rows: pa.RecordBatch,
    enrolments: pa.RecordBatch,
    entry_ids: NDArray[np.uint64],
    dropped: Collection[tuple[int, str]],
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Rows of entries, without those of `entry_ids`, and enrolments of all of them, without those that are dropped."""
    if dropped:
        keys = zip(enrolments.column("entry_id").to_pylist(), enrolments.column("voice").to_pylist(), strict=True)
        enrolments = enrolments.filter(pa.array([key not in dropped for key in keys], pa.bool_()))
    respelled = np.isin(rows.column("entry_id").to_numpy(), entry_ids)
    return rows.filter(pa.array(~respelled)), enrolments


def _number(version: int) -> str:
    return f"{version:06}"


def _version(number: str) -> int:
    """The version that a name begins or ends with; -1 for what this module did not name."""
    return int(number) if number.isdecimal() else -1


def _save_array(path: Path, array: NDArray[np.generic]) -> None:
    def write(temporary: str) -> None:
        with Path(temporary).open("wb") as file:
            np.save(file, array)

    replace_atomically(path, write)
