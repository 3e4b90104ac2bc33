"""One full run of `jobs.keywords`: the sets it prepares, the spotters it trains on them, how they are measured."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, ValidationError, field_validator, model_validator

from harken.config import Fraction, Section
from harken.errors import HarkenError
from harken.inventory_settings import InventorySettings
from harken.sampler_settings import SamplerSettings
from harken.search_settings import SearchSettings
from harken.settings import ClusterSettings, RunSettings
from harken.speech_settings import SpeechSettings
from harken.spotter_settings import (
    CompressionSettings,
    EncoderShape,
    EnrolmentSettings,
    Precision,
    ProjectionSettings,
    SpotterSettings,
    SpotterTrainingSettings,
    Variant,
    VerifierSettings,
)

Layout = Literal["manifest", "mls", "aishell", "acl6060"]
LAYER_SEARCH: Variant = "L"
CUT_RECORDINGS = "cuts"
"""What natural recordings are called among those of the engines."""


class SequenceSettings(Section):
    """Random sequences of words, for a vocabulary that no text at hand holds; `fold` keeps sets apart."""

    words: Literal["jieba", "invented"] | Path = Field(
        description="'jieba': nouns and names of its dictionary; 'invented': Latin names; else a file, a word a line"
    )
    vocabulary: PositiveInt = Field(description="words in use, drawn from the fold")
    fold: tuple[Fraction, Fraction] = Field(
        (0.0, 1.0), description="words whose hash, taken as a share, lies in [from, to): disjoint folds share no word"
    )
    count: PositiveInt = Field(description="utterances")
    words_per_utterance: tuple[PositiveInt, PositiveInt] = (2, 5)

    @model_validator(mode="after")
    def _ranges_ascend(self) -> "SequenceSettings":
        if self.fold[0] >= self.fold[1]:
            raise ValueError(f"fold {self.fold} holds nothing: its start must be below its end")
        if self.words_per_utterance[0] > self.words_per_utterance[1]:
            raise ValueError(f"words_per_utterance {self.words_per_utterance}: the least is above the most")
        return self


class CorpusSettings(Section):
    """Utterances in one language: recordings with transcripts, texts that an engine speaks, or word sequences."""

    language: str = Field("zh", description="Whisper's code")
    layout: Layout = "manifest"
    path: Path | None = Field(None, description="the manifest, or the folder of the layout")
    split: str | None = Field(None, description="of mls, aishell and acl6060: train, dev, test, eval")
    limit: PositiveInt | None = Field(None, description="utterances, drawn from all")
    sequences: SequenceSettings | None = None
    speech: SpeechSettings | None = Field(None, description="speaks texts that have no recording")

    @model_validator(mode="after")
    def _one_origin(self) -> "CorpusSettings":
        if (self.path is None) == (self.sequences is None):
            raise ValueError("a corpus has either a path or sequences: give one of them")
        if self.sequences is not None:
            if self.speech is None:
                raise ValueError("sequences need speech: name the engine that speaks them")
            for option in ("layout", "split", "limit"):
                if self.differs(option):
                    raise ValueError(f"{option} has no effect on sequences: leave it out")
        elif self.layout == "manifest" and self.split is not None:
            raise ValueError("split has no effect on a manifest: leave it out")
        elif self.layout != "manifest" and self.split is None:
            raise ValueError(f"layout {self.layout} needs a split")
        return self


class EngineSettings(Section):
    """An engine that speaks the terms of a set."""

    speech: SpeechSettings
    languages: tuple[str, ...] = Field((), description="of the terms it speaks; empty: all")
    recordings: PositiveInt = Field(1, description="of each term, each in a voice drawn for it")


class SetSettings(Section):
    """Utterances and the terms that are looked for in them."""

    corpora: dict[str, CorpusSettings] = Field(min_length=1)
    inventory: InventorySettings = Field(
        InventorySettings(), description="which words of the texts are terms; of sequences it is their vocabulary"
    )
    engines: dict[str, EngineSettings] = Field(
        min_length=1, description="every term is spoken by those of its language"
    )
    cuts: NonNegativeInt = Field(
        0, description="natural recordings of a term: at most so many, cut out of this set's utterances"
    )
    heard_terms: bool = Field(
        False, description="may this set hold terms that an earlier one has? training comes first, tests last"
    )

    @field_validator("corpora", "engines")
    @classmethod
    def _names_make_folders(cls, named: dict[str, object]) -> dict[str, object]:
        for name in named:
            if not name.replace("-", "").replace("_", "").isalnum():
                raise ValueError(f"the name {name!r} stands in folders: use letters, digits, - and _")
        return named

    @field_validator("engines")
    @classmethod
    def _cuts_are_no_engine(cls, engines: dict[str, EngineSettings]) -> dict[str, EngineSettings]:
        if CUT_RECORDINGS in engines:
            raise ValueError(f"the name {CUT_RECORDINGS!r} is that of natural recordings: give the engine another")
        return engines


class SetsSettings(Section):
    """What is learnt from, what chooses threshold and checkpoint, what is reported."""

    training: SetSettings
    validation: SetSettings
    tests: dict[str, SetSettings] = Field(min_length=1)


class ResourceSettings(Section):
    """Where the work runs and how much at a time."""

    speech_workers: NonNegativeInt = Field(1, description="0 works in the driver's own process, without Ray")
    encoder_workers: NonNegativeInt = Field(1, description="0 as above")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="of the encoder workers")
    encoder_gpus: float = Field(0.0, ge=0.0, description="share of a GPU Ray reserves for each encoder worker")
    train_workers: PositiveInt = 1
    train_on_gpu: bool = False
    rows_per_shard: PositiveInt = 100


class SpottingSettings(Section):
    """A full run of `jobs.keywords`."""

    model: str = Field(description="the Whisper whose encoder listens: a folder or a hub id")
    run: RunSettings
    cluster: ClusterSettings = ClusterSettings()
    sets: SetsSettings
    enrolment: EnrolmentSettings = EnrolmentSettings()
    verifier: VerifierSettings = VerifierSettings()
    projection: ProjectionSettings = Field(ProjectionSettings(), description="of LH and LHF")
    centred: bool = True
    variants: tuple[Variant, ...] = Field(("baseline", "L", "LH", "LHF"), min_length=1)
    layers: tuple[PositiveInt, ...] | None = Field(
        None, description="of LH and LHF; None: those that the gate of L selected, trained with the first seed"
    )
    gate_seeds: tuple[int, ...] = Field((0, 1), min_length=1, description="L is trained with each: do they agree?")
    frames: Literal["stored", "computed"] = Field(
        "stored",
        description="'stored' encodes everything once (large-v2: 82 kB a frame and all layers); 'computed' encodes in "
        "the trainer whenever a recording is used, with all recordings in memory",
    )
    sampler: SamplerSettings = SamplerSettings()
    train: SpotterTrainingSettings = SpotterTrainingSettings()
    precision: dict[Variant, Precision] = Field(
        {"LH": "int8", "LHF": "int8"}, description="as which a variant's keywords are stored; not named: float32"
    )
    validation_pairs: PositiveInt = Field(20_000, description="at most so many of all utterances with all terms")
    bootstrap_samples: PositiveInt = 1000
    search: SearchSettings | None = Field(
        SearchSettings(), description="what the search of a glossary needs beside LHF; null: it is not made"
    )
    resources: ResourceSettings = ResourceSettings()

    @model_validator(mode="after")
    def _layers_come_from_somewhere(self) -> "SpottingSettings":
        compressed = {"LH", "LHF"} & set(self.variants)
        if compressed and self.layers is None and LAYER_SEARCH not in self.variants:
            raise ValueError(f"{', '.join(sorted(compressed))} need layers: name them or train L, which selects them")
        if self.layers is not None and not compressed:
            raise ValueError("layers has no effect without LH or LHF")
        return self

    @model_validator(mode="after")
    def _one_seed(self) -> "SpottingSettings":
        if self.train.seed:
            raise ValueError("train.seed has no effect: run.seed is the seed, and gate_seeds are those of L")
        return self

    def check(self, encoder: EncoderShape) -> None:
        """Refuse what does not fit an encoder, before anything is computed.

        Raises:
            HarkenError: layers that it does not have or that do not ascend, seconds beyond its window.
        """
        for variant in self.variants:
            try:
                self.spotter(variant, encoder, self.layers if variant in ("LH", "LHF") else None)
            except ValidationError as failure:
                remedy = f"{failure.errors()[0]['msg'].removeprefix('Value error, ')}."
                raise HarkenError(f"settings of {variant} for the model", self.model, remedy) from None

    def stored_layers(self, encoder: EncoderShape) -> tuple[int, ...]:
        """The encoder layers whose frames are needed: all, unless those of LH and LHF are named and alone in use."""
        if self.layers is not None and not {"baseline", LAYER_SEARCH} & set(self.variants):
            return self.layers
        return tuple(range(1, encoder.layers + 1))

    def spotter(self, variant: Variant, encoder: EncoderShape, layers: tuple[int, ...] | None) -> SpotterSettings:
        """The settings of one variant on an encoder; `layers` None: all."""
        compression = CompressionSettings(
            variant=variant,
            layers=layers,
            projection=self.projection if variant in ("LH", "LHF") else None,
            centred=self.centred,
        )
        return SpotterSettings(
            encoder=encoder, enrolment=self.enrolment, compression=compression, verifier=self.verifier
        )
