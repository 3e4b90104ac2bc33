"""The stages that make recordings of a list of terms, and what each depends on.

    terms             the list, cleaned: a row a term
    readings          how each term is said, and its phonemes
    entries           what sounds the same, curated; what each engine is to speak
    speech-<engine>   the entries, spoken; speech-recordings: the user's own recordings, read
    enrolments-...    what a glossary keeps of them
    store             that the store has been made of these

Every stage is resumable (`jobs.flow`) and skipped when nothing that it depends on has changed. How a recording is
spoken depends on its entry alone: the same term has the same recordings in every glossary of a configuration.
"""

import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from compression.search_model import read_fingerprint
from harken.digests import file_digest, manifest_digest, model_digest
from harken.glossary_settings import RECORDINGS, GlossarySettings
from harken.glossary_terms import GlossaryList, read_glossary
from harken.records import fingerprint
from harken.sources import RowGroups
from harken.stages import Stage
from jobs.keyword_sets import speech_content

if TYPE_CHECKING:
    from jobs.glossary_enrolled import Enrolled

# Raised by one when a stage's code changes what its rows hold, so that old outputs are not mistaken for new ones.
REVISIONS = {"terms": 1, "readings": 1, "entries": 1, "speech": 1, "enrolments": 1, "store": 1}

# Files of the stages that are made in one go, beside their markers.
TERMS, ENTRIES, SPOKEN = "terms.parquet", "entries.parquet", "spoken"


class GlossaryStages:
    """The stages of one list of terms; those of recordings are known once the entries are there.

    Args:
        path: of the list; None: the configuration's.
        enrolled: recordings that need not be made again.

    Raises:
        HarkenError: later, a file that is missing or broken.
    """

    def __init__(self, run: GlossarySettings, path: Path | None = None, enrolled: "Enrolled | None" = None) -> None:
        self.run, self.path, self.enrolled = run, path or run.terms.path, enrolled

    @cached_property
    def list(self) -> GlossaryList:
        """The terms as the file has them."""
        return read_glossary(self.path, self.run.terms.skip_bad)

    @cached_property
    def terms(self) -> Stage:
        """The cleaned list; its recordings count by size and time."""
        digest = manifest_digest(self.path, self.list.recordings)
        return self._stage("terms", 0, digest, self.run.terms.language, self.run.terms.skip_bad)

    @property
    def readings(self) -> tuple[Stage, RowGroups]:
        """How the terms are said, a part for every group of rows of the list."""
        settings = self.run.terms
        stated = file_digest(settings.pronunciations) if settings.pronunciations else None
        source = RowGroups((self.terms.directory / TERMS).absolute())
        shards = math.ceil(self.terms.record()["terms"] / self.rows_per_shard)
        return self._stage("readings", shards, self.terms.fingerprint, stated, settings.acronyms), source

    @property
    def entries(self) -> Stage:
        """What is enrolled."""
        settings = self.run.curation
        lists = [file_digest(path) if path else None for path in (settings.common_words, settings.allowed)]
        rules = settings.model_dump(mode="json", exclude={"common_words", "allowed", "listed"})
        engines = {name: (engine.languages, engine.recordings) for name, engine in self.run.engines.items()}
        stage, _ = self.readings
        had = [self.enrolled.fingerprint] if self.enrolled else []
        return self._stage("entries", 0, stage.fingerprint, rules, lists, engines, self.run.run.seed, *had)

    def speech(self) -> dict[str, tuple[Stage, RowGroups]]:
        """By engine, and of the user's recordings, the stages that have any rows; rows: `jobs.glossary_entries`."""
        found = {}
        for name in (*self.run.engines, RECORDINGS):
            count = self.entries.record()["spoken"][name]
            if count:
                how = None if name == RECORDINGS else speech_content(self.run.engines[name].speech)
                shards = math.ceil(count / self.rows_per_shard)
                stage = self._stage("speech", shards, self.entries.fingerprint, how, name=name)
                found[name] = stage, RowGroups((self.entries.directory / f"{SPOKEN}-{name}.parquet").absolute())
        return found

    def enrolments(self, name: str, speech: Stage) -> Stage:
        """What is kept of the recordings of one of `speech`."""
        run = self.run
        # Its calibration decides nothing that is stored.
        search = read_fingerprint(run.search_folder)
        spotter = [file_digest(path) for path in sorted(run.spotter.glob("spotter.*"))]
        models = (model_digest(run.model), spotter, search)
        return self._stage("enrolments", speech.shards, speech.fingerprint, models, run.bits, name=name)

    def store(self, enrolments: Sequence[Stage]) -> Stage:
        """The store that is made of these."""
        content = [stage.fingerprint for stage in enrolments]
        return self._stage("store", 0, self.entries.fingerprint, content, str(self.run.store_folder.absolute()))

    @property
    def rows_per_shard(self) -> int:
        """Rows of a part of any stage."""
        return self.run.resources.rows_per_shard

    def _stage(self, kind: str, shards: int, *content: object, name: str = "") -> Stage:
        digest = fingerprint(kind, REVISIONS[kind], self.rows_per_shard, *content)
        return Stage.under(self.run.run.output, f"{kind}-{name}" if name else kind, digest, shards)
