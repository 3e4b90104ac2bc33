"""The glossary benchmark's nested stores: spoken terms first, then splices of their recordings."""

import json
import os
import shutil
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from actors.enroller import STORED, enroller_schema
from benchmarks.glossary_splices import Splicer, splice_entry
from benchmarks.glossary_vocabulary import Vocabulary
from benchmarks.rates import commits
from benchmarks.results import say
from compression.glossary.entry import Entry
from compression.glossary.rows import enrolment_schema, pack_enrolments, pack_entries
from compression.glossary.store import GlossaryStore
from compression.glossary.writer import SegmentWriter
from harken.glossary_settings import GlossarySettings
from harken.records import fingerprint, write_json, write_text
from harken.sources import Indices
from harken.stages import Stage
from jobs.flow import run_stage
from jobs.glossary_entries import read_entries
from jobs.glossary_preparation import Recorded, description, prepare
from jobs.glossary_stages import GlossaryStages
from jobs.glossary_store import add_recordings, create_store

BUILT = "built.json"
# Times the usual time between two parts: a run that was cut.
_PAUSE = 20


@dataclass(frozen=True)
class Enrolled:
    """The spoken terms: entries in the order of the list, their recordings, and what making them took."""

    entries: Sequence[Entry]
    recorded: Sequence[Recorded]
    seconds: float


class Stores:
    """Makes stores of any size under the run's folder, each once.

    Args:
        run: whose `terms.path` is written here, and whose engines speak.
        vocabulary: the terms to speak.
        changed: entries that the measurement of adding and removing takes, in no store.
    """

    def __init__(self, run: GlossarySettings, vocabulary: Vocabulary, changed: int) -> None:
        self.run, self.vocabulary, self.changed = run, vocabulary, changed
        lines = [json.dumps(row, ensure_ascii=False) for row in vocabulary.terms]
        write_text(run.terms.path, "\n".join(lines) + "\n")

    @cached_property
    def spoken(self) -> Enrolled:
        """Bring the enrolment of the spoken terms to completion."""
        stages = GlossaryStages(self.run)
        recorded = prepare(stages)
        entries = [entry for _, entry in read_entries(stages)]
        readings, _ = stages.readings
        made = [readings, *(stage for one in recorded for stage in (one.speech, one.enrolments))]
        return Enrolled(entries, recorded, sum(map(working_seconds, made)))

    def store(self, size: int) -> Path:
        """The folder of the store with `size` entries, made if it is not there."""
        spoken = min(size, self._speakable)
        return self._build(spoken, size - spoken)

    def opened(self, size: int) -> dict[str, Any]:
        """What making the store of a size left: seconds, entries spoken and spliced."""
        built: dict[str, Any] = json.loads((self.store(size) / BUILT).read_text(encoding="utf-8"))
        return built

    def more(self) -> tuple[list[Entry], pa.RecordBatch]:
        """Entries that no store has, and their recordings as rows."""
        wanted = self._splices(self.changed)
        entries = [splice_entry(index) for index in range(self.changed)]
        return entries, pa.Table.from_batches(
            list(self._splice_rows(wanted, 0, self.changed))
        ).combine_chunks().to_batches()[0]

    def copy(self, size: int, folder: Path) -> GlossaryStore:
        """A store to be changed: its files are linked, as nobody writes into one."""
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.store(size), folder, copy_function=os.link)
        return GlossaryStore(folder)

    @property
    def voices(self) -> int:
        """Recordings of an entry."""
        return min(engine.recordings for engine in self.run.engines.values())

    @cached_property
    def _speakable(self) -> int:
        """Entries that have been spoken."""
        return int(self._enrolled.sum())

    @cached_property
    def _enrolled(self) -> np.ndarray:
        enrolled = np.zeros(len(self.spoken.entries), dtype=bool)
        for made in self.spoken.recorded:
            for shard, part in enumerate(made.enrolments.parts()):
                status = np.array(pq.read_table(part, columns=["status"]).column(0).to_pylist())
                owners = np.array([row["entry"] for row in made.source.rows(shard)])
                enrolled[owners[status == "ok"]] = True
        return enrolled

    def _build(self, spoken: int, spliced: int) -> Path:
        run = self.run
        content = [made.enrolments.fingerprint for made in self.spoken.recorded]
        digest = fingerprint("benchmark store", 1, content, spoken, spliced, run.bits)[:8]
        folder = run.run.output / "stores" / f"{spoken + spliced}-{digest}"
        if (folder / BUILT).exists():
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        splices = self._splices(self.changed + spliced) if spliced else None
        say(f"store of {spoken + spliced:,} entries, {spoken:,} of them spoken")
        began = time.monotonic()
        store = create_store(run, folder)
        # The first so many that have a recording.
        last = int(np.searchsorted(self._enrolled.cumsum(), spoken)) + 1
        with store.adding() as writer:
            add_recordings(writer, store.description, self.spoken.entries[:last], self.spoken.recorded)
            if splices is not None:
                self._add_splices(writer, splices, self.changed, self.changed + spliced)
        write_json(folder / BUILT, {"seconds": time.monotonic() - began, "spoken": spoken, "spliced": spliced})
        return folder

    def _splices(self, count: int) -> Stage:
        """The stage of so many splices of the recordings of all spoken entries."""
        run, base = self.run, self._build(self._speakable, 0)
        per_shard = 5 * run.resources.rows_per_shard
        digest = fingerprint("splices", 1, base.name, self.voices, run.run.seed, per_shard)
        source = Indices(digest, run.run.seed, count * self.voices, per_shard)
        stage = Stage.under(run.run.output, f"splices-{count}", digest, source.shards())
        arguments = {
            "store": base.absolute(),
            "spotter": run.spotter.absolute(),
            "search": run.search_folder.absolute(),
            "voices": self.voices,
            "seed": run.run.seed,
        }
        schema = enroller_schema(description(run))
        run_stage(run, stage, source, Splicer, arguments, schema, workers=run.resources.encoder_workers)
        return stage

    def _add_splices(self, writer: SegmentWriter, splices: Stage, first: int, last: int) -> None:
        nothing = pack_enrolments([], description(self.run))
        for rows in self._splice_rows(splices, first, last):
            writer.add_rows(pack_entries([]), rows)
        for begin in range(first, last, 2**14):
            entries = [splice_entry(index) for index in range(begin, min(last, begin + 2**14))]
            writer.add_rows(pack_entries(entries), nothing)

    def _splice_rows(self, splices: Stage, first: int, last: int) -> Any:
        """Enrolment rows of the splices from `first` to `last`, part by part."""
        schema, voices, begin = enrolment_schema(description(self.run)), self.voices, 0
        for part in splices.parts():
            table = pq.read_table(part, columns=list(STORED)).combine_chunks()
            rows = np.arange(begin, begin + len(table))
            begin += len(table)
            inside = np.flatnonzero((rows >= first * voices) & (rows < last * voices))
            if len(inside):
                chosen = table.take(pa.array(inside)).combine_chunks()
                numbers = rows[inside]
                identities = np.array([splice_entry(int(row) // voices).id for row in numbers], dtype=np.uint64)
                names = pa.array([f"voice {row % voices}" for row in numbers])
                columns = [chosen.column(name).chunk(0) for name in STORED]
                yield pa.RecordBatch.from_arrays([pa.array(identities), names, *columns], schema=schema)


def working_seconds(stage: Stage) -> float:
    """What a stage took: the time between its parts, without the pauses in which nobody worked on it."""
    times = [commit.time for commit in commits(stage)]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    if not gaps:
        return float(stage.record()["seconds"])
    usual = statistics.median(gaps)
    steady = [gap for gap in gaps if gap <= _PAUSE * usual]
    # The first part, too, took as long as another.
    return sum(steady) + usual
