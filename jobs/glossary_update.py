"""Makes a store hold exactly a list: speaks what is new, forgets what is gone, keeps every other recording.

The result is what `jobs.glossary.build` makes of the list. Reading and curating the list is done for all of it, since
one term may change what another is an entry with; speaking and enrolling, which take a hundred times as long, is done
for what the store lacks.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from compression.glossary.entry import Entry
from compression.glossary.rows import pack_enrolments, pack_entries, spelling_rows
from compression.glossary.store import GlossaryStore
from harken.curation import BLOCKED
from harken.errors import HarkenError
from harken.glossary_settings import RECORDINGS, GlossarySettings
from harken.records import Row
from jobs.glossary_enrolled import Enrolled, note_voices
from jobs.glossary_entries import draft_of, read_entries, recordings_of
from jobs.glossary_preparation import Recorded, prepare
from jobs.glossary_report import write_report
from jobs.glossary_stages import GlossaryStages
from jobs.glossary_store import enrolment_batches, open_store
from jobs.progress import note

REPORT = "report"


def update(run: GlossarySettings) -> None:
    """Make the store hold exactly the configuration's list, as a new version; only what it lacks is spoken.

    Raises:
        HarkenError: there is no store, other models or voices made it, no entry of the list has a recording, or as
            `jobs.glossary.build`.
    """
    store = open_store(run)
    enrolled = Enrolled(run, store)
    stages = GlossaryStages(run, enrolled=enrolled)
    recorded = prepare(stages)
    entries = list(read_entries(stages))
    plan = _plan(run, entries, recorded, enrolled)
    if not plan.present.any():
        raise HarkenError("entries", len(entries), "None has a recording: see the failures above.")
    _write(store, plan, entries, recorded)
    note_voices(run, store.folder, all_of_it=True)
    told = f"{plan.spoken:,} recordings made, {plan.kept:,} kept, {len(plan.gone):,} entries removed"
    note(f"store {store.folder}: {told}")
    write_report(stages, REPORT, entries, recorded, plan.present, store)


@dataclass
class _Plan:
    """What is to be done with the entries of a list, by their places in it.

    Attributes:
        present: which will have a recording.
        revised: ids of entries of the store that do not stay as they are.
        written: places of the entries that are new or revised.
        dropped: recordings that no longer belong to their entry.
        gone: ids of the revised entries that are not to be there any more.
    """

    present: NDArray[np.bool_]
    revised: list[int] = field(default_factory=list)
    written: list[int] = field(default_factory=list)
    dropped: set[tuple[int, str]] = field(default_factory=set)
    gone: list[int] = field(default_factory=list)
    spoken: int = 0
    kept: int = 0


def _plan(
    run: GlossarySettings, entries: Sequence[tuple[Row, Entry]], recorded: Sequence[Recorded], enrolled: Enrolled
) -> _Plan:
    fresh: dict[int, set[str]] = {}
    for owners, voices, _ in enrolment_batches(recorded, len(entries)):
        for owner, voice in zip(owners.tolist(), voices.to_pylist(), strict=True):
            fresh.setdefault(owner, set()).add(voice)
    plan = _Plan(np.zeros(len(entries), dtype=bool), spoken=sum(map(len, fresh.values())))
    # What is recorded and what is read without known phonemes may be one entry.
    places: dict[int, list[int]] = {}
    kept: dict[int, set[str]] = {}
    for place, (row, entry) in enumerate(entries):
        if BLOCKED in row["flags"]:
            continue
        draft = draft_of(row, entry)
        wanted = [one for name in (*run.engines, RECORDINGS) for one in recordings_of(run, name, draft)]
        own = {one["voice"] for one in wanted if enrolled.has(draft, one)}
        if own or place in fresh:
            plan.present[place] = True
            plan.kept += len(own)
            places.setdefault(entry.id, []).append(place)
            kept.setdefault(entry.id, set()).update(own)
    for identity, of_entry in places.items():
        term = enrolled.term(identity)
        if term is None:
            plan.written += of_entry
            continue
        had, first = set(term["voices"]), entries[of_entry[0]][1]
        alone = len(of_entry) == 1 and of_entry[0] not in fresh
        if alone and kept[identity] == had and term["spellings"] == spelling_rows(first.spellings):
            continue
        plan.written += of_entry
        plan.revised.append(identity)
        plan.dropped.update((identity, voice) for voice in had - kept[identity])
    plan.gone = [identity for identity in enrolled.entry_ids if identity not in places]
    plan.revised += plan.gone
    return plan


def _write(
    store: GlossaryStore, plan: _Plan, entries: Sequence[tuple[Row, Entry]], recorded: Sequence[Recorded]
) -> None:
    identities = np.array([entry.id for _, entry in entries], dtype=np.uint64)
    nothing = pack_enrolments([], store.description)
    with store.revising(np.array(sorted(plan.revised), dtype=np.uint64), plan.dropped) as writer:
        for owners, voices, columns in enrolment_batches(recorded, len(entries)):
            arrays = [pa.array(identities[owners]), voices, *columns]
            writer.add_rows(pack_entries([]), pa.RecordBatch.from_arrays(arrays, schema=nothing.schema))
        if plan.written:
            writer.add_rows(pack_entries([entries[place][1] for place in plan.written]), nothing)
