"""From the recordings of a list's entries to a version of the glossary's store."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from compression.glossary.entry import Entry
from compression.glossary.manifest import Description, Models, check_models
from compression.glossary.rows import enrolment_schema, pack_enrolments, pack_entries
from compression.glossary.store import GlossaryStore
from compression.glossary.writer import SegmentWriter
from compression.search_model import SearchModel
from compression.storage import load_spotter
from harken.errors import HarkenError
from harken.glossary_settings import GlossarySettings
from harken.records import OK
from jobs.glossary_enrolled import note_voices
from jobs.glossary_preparation import Recorded, description

_ENTRIES_AT_ONCE = 2**14


def build_store(
    run: GlossarySettings, folder: Path, entries: Sequence[Entry], recorded: Sequence[Recorded]
) -> NDArray[np.bool_]:
    """Make the store anew and put it in `folder`, whose old one is replaced only once the new one is whole.

    Returns:
        Which entries have a recording: those are in it.

    Raises:
        HarkenError: no entry has a recording, the disk is full, or `folder` holds something else than a store.
    """
    if folder.exists() and any(folder.iterdir()):
        # Nothing else may be lost by this.
        GlossaryStore(folder)
    building = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    enrolled = fill(create_store(run, building), entries, recorded)
    note_voices(run, building, all_of_it=True)
    previous = folder.with_name(f"{folder.name}.previous")
    shutil.rmtree(previous, ignore_errors=True)
    if folder.exists():
        folder.rename(previous)
    building.rename(folder)
    shutil.rmtree(previous, ignore_errors=True)
    return enrolled


def create_store(run: GlossarySettings, folder: Path) -> GlossaryStore:
    """An empty store for the run's models.

    Raises:
        HarkenError: the folder holds something, or a model is missing.
    """
    search_model = SearchModel.load(run.search_folder, load_spotter(run.spotter))
    return GlossaryStore.create(folder, description(run), search_model.centroids.numpy())


def open_store(run: GlossarySettings) -> GlossaryStore:
    """The run's store, to change it.

    Raises:
        HarkenError: there is none, or it was made with other models.
    """
    store = GlossaryStore(run.store_folder)
    models: Models = description(run).models
    check_models(store.description.models, models, store.folder)
    return store


def fill(store: GlossaryStore, entries: Sequence[Entry], recorded: Sequence[Recorded]) -> NDArray[np.bool_]:
    """Add the entries that have a recording, as one version; returns which those are.

    Raises:
        HarkenError: none has, another process is changing the store, or the disk is full.
    """
    with store.adding() as writer:
        return add_recordings(writer, store.description, entries, recorded)


def add_recordings(
    writer: SegmentWriter, described: Description, entries: Sequence[Entry], recorded: Sequence[Recorded]
) -> NDArray[np.bool_]:
    """Give a writer all recordings of entries, and the entries that have one; returns which those are.

    Args:
        entries: those that the recordings count, or the first of them.

    Raises:
        HarkenError: none has.
    """
    identities = np.array([entry.id for entry in entries], dtype=np.uint64)
    enrolled = np.zeros(len(entries), dtype=bool)
    nothing = pack_enrolments([], described)
    for owners, voices, columns in enrolment_batches(recorded, len(entries)):
        enrolled[owners] = True
        batch = pa.RecordBatch.from_arrays(
            [pa.array(identities[owners]), voices, *columns], schema=enrolment_schema(described)
        )
        writer.add_rows(pack_entries([]), batch)
    if not enrolled.any():
        raise HarkenError("entries", len(entries), "None has a recording: see the failures above.")
    kept = np.flatnonzero(enrolled).tolist()
    for start in range(0, len(kept), _ENTRIES_AT_ONCE):
        writer.add_rows(pack_entries([entries[index] for index in kept[start : start + _ENTRIES_AT_ONCE]]), nothing)
    return enrolled


def enrolment_batches(
    recorded: Sequence[Recorded], entries: int
) -> Iterator[tuple[NDArray[np.int64], pa.Array, list[pa.Array]]]:
    """Of each part that holds recordings of the first `entries`: whose, by which voice, the columns that are stored."""
    from actors.enroller import STORED

    for made in recorded:
        for shard, part in enumerate(made.enrolments.parts()):
            rows = made.source.rows(shard)
            table = pq.read_table(part, columns=["status", *STORED]).combine_chunks()
            status = table.column("status").to_pylist()
            good = [index for index, row in enumerate(rows) if row["entry"] < entries and status[index] == OK]
            if good:
                chosen = table.take(pa.array(good)).combine_chunks()
                owners = np.array([rows[index]["entry"] for index in good])
                voices = pa.array([rows[index]["voice"] for index in good])
                yield owners, voices, [chosen.column(name).chunk(0) for name in STORED]
