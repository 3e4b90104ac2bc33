"""The stages of a pipeline run, their inputs and fingerprints: all that decides what has to run again.

Nothing heavy is imported here, so that a second run of a finished pipeline is over in seconds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from harken.digests import file_digest, manifest_digest, model_digest
from harken.judge_settings import FAULTS
from harken.records import fingerprint, read_manifest
from harken.settings import PipelineSettings, TranscriptSettings, VoiceSettings
from harken.sources import Indices, Manifest, Parts, Selection
from harken.stages import Stage
from jobs.rounds import Round, retries
from jobs.searched_glossary import SearchedGlossary, searched_glossary
from jobs.speech_files import speech_files

# Raised by one when a stage's code changes what its rows hold, so that old outputs are not mistaken for new ones.
REVISIONS = {
    "drafts": 1,
    "labels": 1,
    "speech": 2,
    "hypotheses": 2,
    "biased": 1,
    "verdicts": 2,
    "planted": 1,
    "finetune": 1,
    "portraits": 1,
    "evaluate": 1,
}

# Settings that decide where and how fast a stage runs, never what it makes.
WHERE_AND_HOW_FAST = {"workers", "device", "use_gpu", "gpus_per_worker", "batch_size"}
# The same of an LLM's settings, and what is decided on its drafts later; an answer that was paid for stays good.
LLM_WHERE_AND_HOW_FAST = {"base_url", "api_key_env", "limits", "asks", "near_duplicate", "token_limit_field"}

HOW_A_BACKEND_IS_REACHED = {"api_key_env", "concurrency", "device", "python", "retries", "timeout_seconds"}

MANIFEST_ROWS_PER_SHARD = 32

# The systems a run compares, and of those that a glossary biases the system without it.
SYSTEMS = ("base", "adapted")
BIASED = {"biased": "base", "adapted_biased": "adapted"}


@dataclass(frozen=True)
class Speech:
    """A set of utterances to be spoken or read: its stage and where its rows come from."""

    stage: Stage
    source: Manifest | Parts | Selection
    voices: VoiceSettings


class Plan:
    """Every stage of the run that ``settings`` describes.

    Args:
        training: the runs whose kept speech is learnt from instead of this run's own, merged.

    Raises:
        HarkenError: an input file is missing or broken.
    """

    def __init__(self, settings: PipelineSettings, training: Sequence["Plan"] = ()) -> None:
        self.settings = settings
        self.output = settings.run.output
        self.training = tuple(training) or (self,)

    @cached_property
    def rounds(self) -> list[Round]:
        """What an LLM is asked to write: the drafts of all rows, then each retry of failed ones that was begun."""
        labels = self.settings.labels
        if labels.writer != "llm" or labels.llm is None:
            return []
        content = {
            **_content(labels, "llm", "coverage_k"),
            "llm": labels.llm.model_dump(mode="json", exclude=LLM_WHERE_AND_HOW_FAST),
        }
        digest = self._fingerprint("drafts", content, self._label_inputs(), self.settings.run.seed)
        source = Indices(digest, self.settings.run.seed, labels.count, labels.rows_per_shard)
        drafts = Round(self._stage("drafts", digest, source.shards()), source)
        return [drafts, *retries(drafts.stage, labels.rows_per_shard)]

    @cached_property
    def labels(self) -> Stage:
        labels = self.settings.labels
        if labels.llm and self.rounds:
            written = [round.stage.fingerprint for round in self.rounds]
            digest = self._fingerprint("labels", written, labels.llm.near_duplicate)
            return self._stage("labels", digest, self.rounds[0].stage.shards)
        content = _content(labels, "llm", "coverage_k")
        digest = self._fingerprint("labels", content, self._label_inputs(), self.settings.run.seed)
        if labels.writer == "given":
            return self._stage("labels", digest, self._given.shards())
        return self._stage("labels", digest, Indices(digest, 0, labels.count, labels.rows_per_shard).shards())

    @property
    def label_source(self) -> Indices | Manifest:
        """The rows of the embedded writer, or those that are given."""
        labels = self.settings.labels
        if labels.writer == "given":
            return self._given
        return Indices(self.labels.fingerprint, self.settings.run.seed, labels.count, labels.rows_per_shard)

    @cached_property
    def speech(self) -> Speech:
        """The pseudo-labels, spoken; labels that are given with recordings are read."""
        voices = self.settings.speech.voices
        if self.settings.labels.writer == "given":
            digest = self._speech_fingerprint(self.labels.fingerprint + self._manifest_digest(self._given.path), voices)
            return Speech(self._stage("speech", digest, self.labels.shards), self._given, voices)
        digest = self._speech_fingerprint(self.labels.fingerprint, voices)
        source = Parts(self.labels.parts(), ["id", "text", "keywords", "status", "error"])
        return Speech(self._stage("speech", digest, self.labels.shards), source, voices)

    @cached_property
    def replay(self) -> Speech | None:
        """General sentences for training, in the training voices."""
        path = self.settings.finetune.replay.manifest
        return self._manifest_speech("speech-replay", path, self.settings.speech.voices)

    @cached_property
    def real(self) -> Speech | None:
        """Real recordings to learn from."""
        real = self.settings.finetune.real
        return self._manifest_speech("speech-real", real.manifest, real.voices or self.settings.speech.voices)

    @cached_property
    def real_dev(self) -> Speech | None:
        """Real recordings that decide which weights are best."""
        real = self.settings.finetune.real
        return self._manifest_speech("speech-dev", real.dev, real.voices or self.settings.speech.voices)

    @cached_property
    def domain(self) -> Speech:
        """The held-out domain test set, in voices that training never hears."""
        speech = self._manifest_speech("speech-domain", self.settings.evaluate.domain, self.settings.evaluate.voices)
        assert speech is not None
        return speech

    @cached_property
    def general(self) -> Speech | None:
        """The held-out general test set: the forgetting check."""
        return self._manifest_speech("speech-general", self.settings.evaluate.general, self.settings.evaluate.voices)

    def test_set(self, name: str, path: Path, voices: VoiceSettings) -> Speech:
        """A further held-out set, measured like those of ``evaluate``."""
        speech = self._manifest_speech(f"speech-{name}", path, voices)
        assert speech is not None
        return speech

    def speeches(self) -> list[Speech]:
        """Every set of utterances of the run."""
        every = (self.speech, self.replay, self.real, self.real_dev, self.domain, self.general)
        return [speech for speech in every if speech]

    @cached_property
    def planted(self) -> Speech | None:
        """Takes of the synthetic set with known faults in them, to measure the judge; no training reads them."""
        judge, voices = self.settings.judge, self.settings.speech.voices
        if not judge.planted:
            return None
        digest = self._fingerprint("planted", self.speech.stage.fingerprint, judge.planted, self._keywords())
        rows = min(judge.planted * len(FAULTS), self.settings.labels.count)
        stage = self._stage("speech-planted", digest, math.ceil(rows / MANIFEST_ROWS_PER_SHARD))
        return Speech(stage, Selection(stage.directory / "chosen.parquet", MANIFEST_ROWS_PER_SHARD), voices)

    @property
    def systems(self) -> tuple[str, ...]:
        """The systems that the run compares; the others are held against the first."""
        return (*SYSTEMS, *BIASED) if self.settings.biasing else SYSTEMS

    @cached_property
    def glossary(self) -> SearchedGlossary | None:
        """What the biased systems search."""
        return searched_glossary(self.settings) if self.settings.biasing else None

    def hypotheses(self, speech: Speech, system: str) -> Stage:
        """What a system of the run, or 'second', hears in a set of utterances."""
        if system in BIASED:
            digest = self._biased(speech, system)
        else:
            model = self.finetune.fingerprint if system == "adapted" else self._recogniser(system)
            digest = self._fingerprint("hypotheses", speech.stage.fingerprint, model, _content(self.settings.decoding))
        name = speech.stage.name.removeprefix("speech").removeprefix("-") or "synthetic"
        return self._stage(f"hypotheses-{name}-{system}", digest, speech.stage.shards)

    def _biased(self, speech: Speech, system: str) -> str:
        decoding = _content(self.settings.decoding)
        if system == "adapted_biased":
            # What the un-tuned model's encoder detects is what the adapted model is told.
            searched = self.hypotheses(speech, "biased").fingerprint
            return self._fingerprint("biased", searched, self.finetune.fingerprint, decoding)
        biasing = self.settings.biasing
        assert biasing is not None
        assert self.glossary is not None
        content = biasing.model_dump(mode="json", include={"cascade", "vad", "rules"})
        inputs = [speech.stage.fingerprint, self._recogniser("base"), self.glossary.digest]
        return self._fingerprint("biased", inputs, decoding, content)

    @property
    def judges(self) -> tuple[str, ...]:
        """The recognisers that judge."""
        return ("base", "second") if self.settings.judge.second else ("base",)

    @cached_property
    def verdicts(self) -> Stage:
        """The judge's verdict on every synthetic utterance."""
        return self._verdicts("verdicts", self.speech)

    @cached_property
    def planted_verdicts(self) -> Stage | None:
        """The judge's verdict on the takes with planted faults."""
        return self._verdicts("verdicts-planted", self.planted) if self.planted else None

    def _verdicts(self, name: str, speech: Speech) -> Stage:
        tests = [path for path in (self.settings.evaluate.domain, self.settings.evaluate.general) if path]
        heard = [self.hypotheses(speech, judge) for judge in self.judges]
        lexicon = self.settings.keywords.pronunciations
        inputs = [stage.fingerprint for stage in heard] + [file_digest(path) for path in tests]
        inputs += [file_digest(lexicon)] if lexicon else []
        content = _content(self.settings.judge, "second", "planted")
        # The usual pace is that of the synthetic set, for planted faults as well.
        inputs.append(self.speech.stage.fingerprint)
        digest = self._fingerprint("verdicts", content, inputs, self._keywords(), self.settings.decoding.language)
        return self._stage(name, digest, speech.stage.shards)

    @cached_property
    def finetune(self) -> Stage:
        """The LoRA run; its output is a model, not rows."""
        finetune = self.settings.finetune
        replay = self.replay.stage.fingerprint if self.replay else None
        learnt = [plan.verdicts.fingerprint for plan in self.training]
        inputs: list[object] = [*learnt, replay, self._recogniser("base"), self.settings.decoding.language]
        inputs += [speech.stage.fingerprint for speech in (self.real, self.real_dev) if speech]
        if finetune.keyword_weight != 1.0 or finetune.lora.tokens == "keywords":
            inputs += self._keywords()
        # Batch size is part of the result here, unlike in decoding.
        no_part = {"workers", "use_gpu", "micro_batch_size", "checkpoint_every_steps"}
        content = finetune.model_dump(mode="json", exclude=no_part)
        digest = self._fingerprint("finetune", content, inputs, self.settings.run.seed)
        return self._stage("finetune", digest, 0)

    def portraits_of(self, system: str) -> Stage:
        """Customer portraits from what ``system`` heard of the domain set; 'reference' is what was said."""
        texts = self.domain.stage if system == "reference" else self.hypotheses(self.domain, system)
        return portrait_stage(self.settings, system, texts.fingerprint, texts.shards)

    @cached_property
    def portraits(self) -> Stage | None:
        """The portraits of all systems in one table, and how right they are."""
        if self.settings.portraits is None:
            return None
        inputs = [self.portraits_of(system).fingerprint for system in ("reference", *self.systems)]
        digest = self._fingerprint(
            "portraits", inputs, self.settings.evaluate.bootstrap_samples, self.settings.run.seed
        )
        return self._stage("portraits", digest, 1)

    @cached_property
    def evaluate(self) -> Stage:
        """Metrics and report over everything above."""
        sets = [speech for speech in (self.domain, self.general) if speech]
        inputs = [self.hypotheses(speech, system).fingerprint for speech in sets for system in self.systems]
        if self.planted_verdicts:
            # The report shows what became of them.
            inputs.append(self.planted_verdicts.fingerprint)
        keywords = self._keywords()
        content = {**_content(self.settings.evaluate), "voices": self.settings.evaluate.voices.deciding()}
        if self.settings.evaluate.hanlp_model:
            keywords.append(model_digest(str(self.settings.evaluate.hanlp_model)))
        # Only when there are portraits, so that a run without them keeps the evaluation it has.
        portraits = [self.portraits.fingerprint] if self.portraits else []
        return self._stage("evaluate", self._fingerprint("evaluate", content, inputs, keywords, *portraits), 1)

    def stages(self) -> list[Stage]:
        """Every stage in the order of the run."""
        stages = [round.stage for round in self.rounds]
        stages += [self.labels, *(speech.stage for speech in self.speeches())]
        stages += [*(self.hypotheses(self.speech, judge) for judge in self.judges), self.verdicts]
        if self.planted and self.planted_verdicts:
            stages += [self.planted.stage, *(self.hypotheses(self.planted, judge) for judge in self.judges)]
            stages.append(self.planted_verdicts)
        stages.append(self.finetune)
        stages += [self.glossary.stage] if self.glossary and self.glossary.stage else []
        sets = [speech for speech in (self.domain, self.general) if speech]
        stages += [self.hypotheses(speech, system) for speech in sets for system in self.systems]
        if self.portraits:
            stages += [*(self.portraits_of(system) for system in ("reference", *self.systems)), self.portraits]
        return [*stages, self.evaluate]

    def adapted_model(self) -> Path:
        """The merged Whisper folder that fine-tuning leaves."""
        return self.finetune.directory / "merged"

    def _label_inputs(self) -> list[object]:
        return [*self._keywords(), file_digest(self.settings.labels.seeds)]

    def _manifest_speech(self, name: str, path: Path | None, voices: VoiceSettings) -> Speech | None:
        if path is None:
            return None
        digest = self._speech_fingerprint(self._manifest_digest(path), voices)
        source = Manifest(path, MANIFEST_ROWS_PER_SHARD)
        return Speech(self._stage(name, digest, source.shards()), source, voices)

    @property
    def _given(self) -> Manifest:
        labels = self.settings.labels
        return Manifest(labels.seeds, labels.rows_per_shard, labels.count)

    def _manifest_digest(self, path: Path) -> str:
        audio = [path.parent / row["audio"] for row in read_manifest(path) if row.get("audio")]
        return manifest_digest(path, audio)

    def _speech_fingerprint(self, texts: str, voices: VoiceSettings) -> str:
        speech = self.settings.speech
        content = speech.model_dump(mode="json", exclude={"voices", "workers", "gpus_per_worker", speech.backend})
        options = getattr(speech, speech.backend, None)
        if options is not None:
            content[speech.backend] = options.model_dump(mode="json", exclude=HOW_A_BACKEND_IS_REACHED)
        lexicon = self.settings.keywords.pronunciations
        inputs = [texts, file_digest(lexicon) if lexicon else None, *speech_files(speech, voices)]
        return self._fingerprint("speech", content, voices.deciding(), inputs, self.settings.run.seed)

    def _recogniser(self, system: str) -> str:
        """What tells one un-tuned recogniser ('base' or 'second') from another."""
        second = self.settings.judge.second
        if system == "base" or second is None:
            return model_digest(self.settings.model)
        if second.model is not None:
            return model_digest(second.model)
        assert second.server is not None
        return fingerprint(second.server.model_dump(mode="json", exclude=HOW_A_BACKEND_IS_REACHED))

    def _keywords(self) -> list[object]:
        keywords = self.settings.keywords
        return [file_digest(keywords.path), sorted(keywords.categories)]

    def _fingerprint(self, stage: str, *parts: object) -> str:
        return fingerprint(stage, REVISIONS[stage], *parts)

    def _stage(self, name: str, digest: str, shards: int) -> Stage:
        return Stage.under(self.output, name, digest, shards)


def _content(section: BaseModel, *without: str) -> Mapping[str, Any]:
    """The settings that decide what a stage makes, less those named."""
    return section.model_dump(mode="json", exclude={*WHERE_AND_HOW_FAST, *without})


def portrait_stage(settings: PipelineSettings | TranscriptSettings, name: str, texts: str, shards: int) -> Stage:
    """The portraits of a set of transcripts whose digest is ``texts``.

    Raises:
        HarkenError: the keyword list, the label list, the product table or the pronunciations are missing.
    """
    portraits, keywords = settings.portraits, settings.keywords
    assert portraits is not None
    content = _content(portraits, "llm", "rows_per_shard")
    llm = portraits.llm if portraits.extractor == "llm" else None
    asked = llm.model_dump(mode="json", exclude=LLM_WHERE_AND_HOW_FAST) if llm else None
    files = (keywords.path, keywords.pronunciations, portraits.labels, portraits.products)
    inputs = [texts, sorted(keywords.categories), *(file_digest(path) if path else None for path in files)]
    digest = fingerprint("portraits", REVISIONS["portraits"], content, asked, inputs)
    return Stage.under(settings.run.output, f"portraits-{name}", digest, shards)


_JOBS = {
    "drafts": "labels",
    "labels": "labels",
    "speech": "speech",
    "hypotheses": "judge",
    "verdicts": "judge",
    "finetune": "finetune",
}


def require(stages: Sequence[Stage]) -> None:
    """Raise the error a job gives when the stages it reads are not there yet."""
    from harken.errors import HarkenError

    for stage in stages:
        if not stage.complete():
            job = f"python -m jobs.{_JOBS[stage.name.split('-')[0]]}"
            raise HarkenError(
                "earlier stage",
                stage.name,
                f"Its output is not complete: run {job} (or jobs.pipeline) first.",
            )
