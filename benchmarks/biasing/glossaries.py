"""Glossaries of growing size that hold the same terms: the list that matters, then distractors, spoken and spliced."""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from actors.enroller import STORED, enroller_schema
from benchmarks.glossary_splices import CATEGORY, Splicer, splice_entry
from benchmarks.glossary_vocabulary import draw_vocabulary
from benchmarks.results import say
from compression.glossary.entry import Entry, Spelling
from compression.glossary.glossary import Glossary, open_glossary
from compression.glossary.rows import enrolment_schema, pack_enrolments, pack_entries
from compression.glossary.store import GlossaryStore
from compression.glossary.writer import SegmentWriter
from harken.errors import HarkenError
from harken.glossary_settings import GlossarySettings
from harken.records import fingerprint, write_json, write_text
from harken.sources import Indices
from harken.stages import Stage
from jobs.flow import run_stage
from jobs.glossary import build
from jobs.glossary_preparation import description
from jobs.glossary_store import create_store
from serve.graph_settings import GraphSettings
from serve.recipe import build_recipe

BUILT = "built.json"
_ROWS_PER_SHARD = 1000
_SPARE, _SAID = 1.15, 12


def nested_glossaries(service: GraphSettings, options: argparse.Namespace) -> NestedGlossaries:
    """The glossaries of a command line, made as a service makes them; stores that are given are not enrolled again.

    Raises:
        HarkenError: a list or a model that is missing or does not fit.
    """
    work: Path = options.work.absolute()
    listed, distractors = options.listed_store, options.distractors_store
    if listed is None:
        listed = _enrolled(build_recipe(service, work / "listed" / "store", options.keywords))
    if distractors is None:
        path = work / "distractors.jsonl"
        # Some turn out to sound the same.
        drawn = draw_vocabulary(round(_SPARE * options.spoken), _SAID, [], None, 0).terms
        write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in drawn))
        run = build_recipe(service, work / "distractors" / "store", path)
        # Half of the dictionary is common words.
        curation = run.curation.model_copy(update={"most_common": 0})
        distractors = _enrolled(run.model_copy(update={"curation": curation}))
    run = build_recipe(service)
    run = run.model_copy(update={"run": run.run.model_copy(update={"output": work})})
    return NestedGlossaries(run, listed.absolute(), distractors.absolute())


def _enrolled(run: GlossarySettings) -> Path:
    build(run)
    return run.store_folder


@dataclass(frozen=True)
class NestedGlossaries:
    """Stores of any size under the run's folder, each made once.

    A larger glossary holds a smaller one, but for the splices, which are counted from the first in each.

    Args:
        run: whose models, bits and seed they share.
        terms: the store of the list that matters, whole in every glossary.
        distractors: a store of spoken terms, which come next, in the order of their entry ids.
        recordings: of each splice; they are made of recordings of distractors.
    """

    run: GlossarySettings
    terms: Path
    distractors: Path
    recordings: int = 1

    def store(self, size: int) -> Path:
        """The folder of the glossary with `size` entries.

        Raises:
            HarkenError: the list that matters is larger, or a store was made with other models.
        """
        listed = self._entries(self._listed)
        if size < len(listed):
            raise HarkenError(
                "size of a glossary", size, f"The list that matters has {len(listed)} entries: raise --sizes."
            )
        others = self._entries(self._spoken)[: size - len(listed)]
        spliced = size - len(listed) - len(others)
        made_of = [glossary.manifest.model_dump_json() for glossary in (self._listed, self._spoken)]
        digest = fingerprint("nested glossary", 1, made_of, self.recordings, self.run.run.seed)[:8]
        folder = self.run.run.output / "stores" / f"{size}-{digest}"
        if (folder / BUILT).exists():
            return folder
        splices = self._splices(spliced) if spliced else None
        say(f"glossary of {size:,} entries: {len(listed):,} of the list, {len(others):,} spoken, {spliced:,} spliced")
        shutil.rmtree(folder, ignore_errors=True)
        with create_store(self.run, folder).adding() as writer:
            # What both have gets the spellings of both.
            for glossary, entries in ((self._listed, listed), (self._spoken, others)):
                for rows in _rows(glossary, np.sort(entries)):
                    writer.add_rows(*rows)
            if splices is not None:
                self._add_splices(writer, splices, spliced)
        held = GlossaryStore(folder).manifest.entries
        write_json(folder / BUILT, {"entries": held, "listed": len(listed), "spoken": len(others), "spliced": spliced})
        return folder

    def made_of(self, size: int) -> dict[str, int]:
        """Entries of a glossary: "listed", "spoken" and "spliced"; what both lists have counts in both."""
        found: dict[str, int] = json.loads((self.store(size) / BUILT).read_text(encoding="utf-8"))
        return found

    @cached_property
    def _listed(self) -> Glossary:
        return open_glossary(self.terms, description(self.run).models)

    @cached_property
    def _spoken(self) -> Glossary:
        return open_glossary(self.distractors, description(self.run).models)

    def _entries(self, glossary: Glossary) -> NDArray[np.int64]:
        """Live entries by id, of which every beginning is a sample: an id is a hash."""
        ids = np.asarray(glossary.entry_ids)
        live: NDArray[np.int64] = np.sort(
            np.concatenate(
                [segment.live(part) + first for segment, first in glossary.located() for part in glossary.partitions]
            )
        )
        # The first bits of an id are its partition's.
        return live[np.argsort(ids[live] << np.uint64(3), kind="stable")]

    def _splices(self, count: int) -> Stage:
        run = self.run
        manifest = self._spoken.manifest.model_dump_json()
        digest = fingerprint("nested splices", 1, manifest, self.recordings, run.run.seed, _ROWS_PER_SHARD)
        source = Indices(digest, run.run.seed, count * self.recordings, _ROWS_PER_SHARD)
        stage = Stage.under(run.run.output, f"splices-{count}", digest, source.shards())
        schema = enroller_schema(description(run))
        run_stage(run, stage, source, Splicer, self._splicer(), schema, workers=run.resources.encoder_workers)
        return stage

    def _splicer(self) -> dict[str, Any]:
        return {
            "store": self.distractors.absolute(),
            "spotter": self.run.spotter.absolute(),
            "search": self.run.search_folder.absolute(),
            "voices": self.recordings,
            "seed": self.run.run.seed,
        }

    def _add_splices(self, writer: SegmentWriter, splices: Stage, count: int) -> None:
        schema, begin = enrolment_schema(writer.description), 0
        for part in splices.parts():
            table = pq.read_table(part, columns=list(STORED)).combine_chunks()
            owners = np.arange(begin, begin + len(table)) // self.recordings
            begin += len(table)
            identities = np.array([_entry(owner, "?").id for owner in owners.tolist()], dtype=np.uint64)
            voices = pa.array([f"voice {row % self.recordings}" for row in range(len(table))])
            columns = [table.column(name).chunk(0) for name in STORED]
            batch = pa.RecordBatch.from_arrays([pa.array(identities), voices, *columns], schema=schema)
            writer.add_rows(pack_entries([]), batch)
        nothing = pack_enrolments([], writer.description)
        splicer = Splicer(**self._splicer())
        for first in range(0, count, 2**14):
            indices = range(first, min(first + 2**14, count))
            writer.add_rows(pack_entries([_entry(index, splicer.spelling(index)) for index in indices]), nothing)


def _entry(index: int, spelling: str) -> Entry:
    """A splice is known by its number; what it is written as must sound like it, as biasing compares the two."""
    return Entry(splice_entry(index).phonemes, (Spelling(spelling, CATEGORY),))


def _rows(glossary: Glossary, entries: NDArray[np.int64]) -> Iterator[tuple[pa.RecordBatch, pa.RecordBatch]]:
    """Entry and enrolment rows of ascending entries, segment by segment."""
    for segment, first in glossary.located():
        inside = entries[(entries >= first) & (entries < first + segment.record.entries)]
        if len(inside):
            yield segment.rows(inside - first)
