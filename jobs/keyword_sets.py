"""The stages that prepare one set for the spotter, and what each depends on.

    utterances-<set>-<corpus>     spoken or read
    units-<set>-<corpus>          when each unit of them is said: only where terms are cut out of them
    inventory-<set>               the terms, where they are said, what is to be spoken and what is to be cut
    terms-<set>-<engine>          the terms, spoken
    cuts-<set>                    the terms, cut out of the utterances
    frames-<set>-...              encoder states of utterances, terms and cuts

Every stage is resumable (`jobs.flow`) and skipped when nothing that it depends on has changed.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from harken.corpora.loading import load_corpus
from harken.digests import file_digest, model_digest
from harken.errors import HarkenError
from harken.records import Row, fingerprint, read_parquet
from harken.sources import Selection, read_once
from harken.speech_settings import SpeechSettings
from harken.spotter_settings import EncoderShape
from harken.spotting_settings import CUT_RECORDINGS, CorpusSettings, SetSettings, SpottingSettings
from harken.stages import Stage
from harken.word_sequences import sequence_rows, vocabulary
from jobs.plan import HOW_A_BACKEND_IS_REACHED, WHERE_AND_HOW_FAST
from jobs.progress import note
from jobs.speech_files import speech_files

# Raised by one when a stage's code changes what its rows hold, so that old outputs are not mistaken for new ones.
REVISIONS = {"utterances": 1, "units": 1, "inventory": 2, "terms": 1, "cuts": 1, "frames": 1}

# Files of an inventory, beside its marker.
ROWS, TERMS, MENTIONS, SPOKEN, CUTS = "rows.parquet", "terms.parquet", "mentions.parquet", "spoken", "cuts.parquet"
# The folder of the frames, beside the parts that say which file holds what.
FRAMES = "frames"


@dataclass(frozen=True)
class Utterances:
    """One corpus of a set: its rows ``{"id", "text", "language"[, "audio_path"]}`` and the stages made of them.

    `source` holds the rows for `stage` once `jobs.keyword_preparation` has written them.
    """

    name: str
    settings: CorpusSettings
    rows: Sequence[Row]
    stage: Stage
    source: Selection
    units: Stage | None
    frames: Stage


@dataclass(frozen=True)
class CutSource:
    """Mentions to be cut, ``{"id", "text", "audio", "units", "start", "end"}``: those in each part of the utterances.

    `heard` holds the parts with the audio and with the units of the same utterances.
    """

    mentions: Path
    heard: tuple[tuple[Path, Path], ...]

    def shards(self) -> int:
        return len(self.heard)

    def rows(self, shard: int) -> list[Row]:
        speech, units = self.heard[shard]
        audio = {row["id"]: row["audio"] for row in read_parquet(speech, ["id", "audio"])}
        times = {row["id"]: row["units"] for row in read_parquet(units, ["id", "units"])}
        return [
            mention | {"audio": audio[mention["utterance"]], "units": times[mention["utterance"]]}
            for mention in read_once(read_parquet, self.mentions)
            if mention["utterance"] in audio
        ]


class KeywordSet:
    """A set's stages; those of recordings are known once the inventory is there.

    Args:
        encoder: of the model.
        earlier: the sets whose terms this one must not hold, unless its settings allow it.

    Raises:
        HarkenError: later, a corpus that is missing or broken, or texts that nobody speaks.
    """

    def __init__(
        self,
        name: str,
        settings: SetSettings,
        run: SpottingSettings,
        encoder: EncoderShape,
        earlier: Sequence["KeywordSet"] = (),
    ) -> None:
        self.name, self.settings, self.run, self.encoder = name, settings, run, encoder
        self.earlier: tuple[KeywordSet, ...] = () if settings.heard_terms else tuple(earlier)

    def check(self) -> None:
        """Look at all inputs, so that what is missing is known before anything is computed.

        Raises:
            HarkenError: a corpus, a glossary, a voice to be imitated or noise that is missing or broken.
        """
        for engine in self.settings.engines.values():
            speech_files(engine.speech, engine.speech.voices)
        # To name its folder every corpus and glossary is read.
        _ = self.inventory

    @cached_property
    def utterances(self) -> list[Utterances]:
        return [self._utterances(name, corpus) for name, corpus in self.settings.corpora.items()]

    @cached_property
    def inventory(self) -> Stage:
        settings, seed = self.settings.inventory, self.run.run.seed
        sequences = [corpus.settings.sequences for corpus in self.utterances]
        content = {
            "inventory": settings.model_dump(mode="json", exclude={"given"}),
            "given": file_digest(settings.given) if settings.given else None,
            # Words that no sequence has come to are terms all the same.
            "vocabularies": [fingerprint(vocabulary(words, seed)) for words in sequences if words is not None],
            "engines": {name: (engine.languages, engine.recordings) for name, engine in self.settings.engines.items()},
            "cuts": self.settings.cuts,
        }
        heard = [(corpus.units or corpus.stage).fingerprint for corpus in self.utterances]
        before = [other.inventory.fingerprint for other in self.earlier]
        return self._stage("inventory", self.name, 0, content, heard, before, seed)

    def spoken(self, engine: str) -> tuple[Stage, Selection] | None:
        """The terms that an engine speaks, or None when it speaks none of them."""
        settings = self.settings.engines[engine].speech
        count = self.inventory.record()["spoken"][engine]
        if not count:
            return None
        source = Selection((self.inventory.directory / f"{SPOKEN}-{engine}.parquet").absolute(), self._rows_per_shard)
        digest = (self.inventory.fingerprint, engine, speech_content(settings))
        return self._stage("terms", f"{self.name}-{engine}", self._shards(count), *digest), source

    @property
    def cuts(self) -> tuple[Stage, CutSource] | None:
        """The terms that are cut out of utterances, or None; a part for every part of the utterances."""
        if not self.settings.cuts:
            return None
        heard = tuple(
            (corpus.stage.absolute().part(shard), corpus.units.absolute().part(shard))
            for corpus in self.utterances
            if corpus.units is not None
            for shard in range(corpus.stage.shards)
        )
        source = CutSource((self.inventory.directory / CUTS).absolute(), heard)
        return self._stage("cuts", self.name, len(heard), self.inventory.fingerprint), source

    def recordings(self) -> dict[str, Stage]:
        """Speech stages of the terms: by engine, and the cuts."""
        found = {engine: self.spoken(engine) for engine in self.settings.engines} | {CUT_RECORDINGS: self.cuts}
        return {name: stage_and_source[0] for name, stage_and_source in found.items() if stage_and_source}

    def content(self) -> list[str]:
        """The fingerprints of what a trainer or a judge reads, once the inventory is there."""
        frames = [corpus.frames for corpus in self.utterances]
        frames += [self.keyword_frames(name, speech) for name, speech in self.recordings().items()]
        return [self.inventory.fingerprint, *(stage.fingerprint for stage in frames)]

    def keyword_frames(self, name: str, speech: Stage) -> Stage:
        """The encoder states of recordings of terms, which are trimmed, padded and not too long."""
        return self._frames(name, speech, self.run.enrolment.model_dump(mode="json"), self.run.verifier.keyword_seconds)

    def _frames(self, name: str, speech: Stage, *how: object) -> Stage:
        layers = self.run.stored_layers(self.encoder)
        content = (speech.fingerprint, model_digest(self.run.model), layers, *how)
        return self._stage("frames", f"{self.name}-{name}", speech.shards, content)

    def _utterances(self, name: str, corpus: CorpusSettings) -> Utterances:
        seed = self.run.run.seed
        if corpus.sequences is not None:
            rows = sequence_rows(corpus.sequences, corpus.language, seed)
        else:
            assert corpus.path is not None
            found = load_corpus(
                corpus.layout,
                corpus.path,
                split=corpus.split or "",
                languages=[corpus.language],
                limit=corpus.limit,
                seed=seed,
            )
            rows = found.rows
            if found.without_audio:
                note(f"{self.name}, {name}: {found.without_audio} transcripts have no recording and are left out")
            unspoken = [row["id"] for row in rows if not row["audio_path"]]
            if unspoken and corpus.speech is None:
                remedy = f"{len(unspoken)} texts have no recording: give the corpus speech, an engine that speaks them."
                raise HarkenError(f"utterances of {self.name}, {name}", unspoken[0], remedy)
        # Two corpora may name their utterances alike, and each has voices of its own.
        rows = [row | {"id": fingerprint("utterance", self.name, name, row["id"])} for row in rows]
        content = corpus.model_dump(mode="json", exclude={"speech", "path"})
        inputs = [[row["id"], row["text"], _state(row.get("audio_path"))] for row in rows]
        speech = speech_content(corpus.speech) if corpus.speech else None
        where = f"{self.name}-{name}"
        stage = self._stage("utterances", where, self._shards(len(rows)), content, inputs, speech, seed)
        units = None
        if self.settings.cuts:
            units = self._stage("units", where, stage.shards, stage.fingerprint, model_digest(self.run.model))
        source = Selection((stage.directory / ROWS).absolute(), self._rows_per_shard)
        return Utterances(name, corpus, rows, stage, source, units, self._frames(name, stage))

    @property
    def _rows_per_shard(self) -> int:
        return self.run.resources.rows_per_shard

    def _shards(self, rows: int) -> int:
        return math.ceil(rows / self._rows_per_shard)

    def _stage(self, kind: str, name: str, shards: int, *content: object) -> Stage:
        digest = fingerprint(kind, REVISIONS[kind], self._rows_per_shard, *content)
        return Stage.under(self.run.run.output, f"{kind}-{name}", digest, shards)


def speech_content(speech: SpeechSettings) -> list[object]:
    """The settings and files of an engine that decide what is heard."""
    settings = speech.model_dump(mode="json", exclude={"voices"})
    content = _without(settings, WHERE_AND_HOW_FAST | HOW_A_BACKEND_IS_REACHED)
    return [content, speech.voices.deciding(), speech_files(speech, speech.voices)]


def _without(tree: Mapping[str, object], names: set[str]) -> dict[str, object]:
    return {
        key: _without(value, names) if isinstance(value, Mapping) else value
        for key, value in tree.items()
        if key not in names
    }


def _state(path: str | None) -> list[int] | None:
    """What tells a recording from another in its place, without reading it."""
    if path is None:
        return None
    status = Path(path).stat()
    return [status.st_size, status.st_mtime_ns]
