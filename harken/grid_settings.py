"""What a grid is: models x training sets over one pipeline configuration, in the shape of the first paper's Table 3."""

import re
from pathlib import Path

from pydantic import Field, PositiveInt, field_validator, model_validator

from harken.config import Section
from harken.speech_settings import VoiceSettings

BASE = "base"
"""The row of a model as it comes, without any training."""

_NAME = re.compile(r"[^\s/\\][^/\\]*")


class TestSetSettings(Section):
    """A further held-out set, beside `evaluate.domain` and `evaluate.general` of the pipeline configuration."""

    manifest: Path = Field(description="JSONL {id,text[,audio]}; without audio the text is spoken by `voices`")
    voices: VoiceSettings | None = Field(None, description="None: evaluate.voices of the pipeline configuration")


class VariantSettings(Section):
    """One row of the grid for every model; in the file a list of overrides stands for a variant with `set` alone."""

    set: tuple[str, ...] = Field((), description="overrides of the pipeline configuration, as of --set")
    train_on: tuple[str, ...] = Field((), description="names of training sets, merged; empty: the pipeline's own")

    @model_validator(mode="before")
    @classmethod
    def _a_list_is_its_overrides(cls, values: object) -> object:
        return {"set": values} if isinstance(values, list | tuple) else values


class EpochSettings(Section):
    """CER by the number of epochs (the first paper's Figure 6a): every number is a fine-tuning of its own."""

    variants: tuple[str, ...] = Field(min_length=1)
    epochs: tuple[PositiveInt, ...] = Field(min_length=1, description="besides the variant's own finetune.epochs")


class GridSettings(Section):
    """A grid of fine-tunings that share every stage they have in common.

    A training set is what the pipeline makes of its own labels under the set's overrides: those of the variant that
    trains on it come first, the set's after them, so that a set keeps its sentences and voices in every variant.
    """

    config: Path = Field(description="the pipeline configuration that everything is an override of")
    output: Path = Field(description="stages and results; takes the place of run.output")
    set: tuple[str, ...] = Field((), description="overrides for every cell, before those of sets and variants")
    models: dict[str, str] = Field({}, description="name -> Whisper folder or hub id; empty: the configuration's")
    sets: dict[str, tuple[str, ...]] = Field({}, description="training set -> overrides")
    variants: dict[str, VariantSettings] = Field(min_length=1)
    tests: dict[str, TestSetSettings] = Field({}, description="further test sets; the first set is always 'domain'")
    comparisons: tuple[tuple[str, str], ...] = Field(
        (), description="pairs of variants [than, this] whose differences are shown; every variant is held to the base"
    )
    epochs: EpochSettings | None = None

    @field_validator("variants", "sets", "models", "tests")
    @classmethod
    def _names_are_plain(cls, named: dict[str, object]) -> dict[str, object]:
        for name in named:
            if not _NAME.fullmatch(name):
                raise ValueError(f"the name {name!r} must not be empty, begin with a space or hold a slash")
        return named

    @model_validator(mode="after")
    def _names_are_known(self) -> "GridSettings":
        if BASE in self.variants:
            raise ValueError(f"variants: {BASE!r} is the row of the un-tuned model: choose another name")
        for reserved in ("domain", "general", "synthetic", "replay"):
            if reserved in self.tests:
                raise ValueError(f"tests: {reserved!r} is a set of the pipeline's own: choose another name")
        for name, variant in self.variants.items():
            for unknown in [training for training in variant.train_on if training not in self.sets]:
                raise ValueError(f"variants.{name}.train_on: there is no training set {unknown!r}")
        chosen = [name for pair in self.comparisons for name in pair]
        chosen += self.epochs.variants if self.epochs else ()
        for unknown in [name for name in chosen if name not in self.variants and name != BASE]:
            raise ValueError(f"comparisons and epochs: there is no variant {unknown!r}")
        if self.epochs and BASE in self.epochs.variants:
            raise ValueError(f"epochs.variants: {BASE!r} is not trained")
        return self

    @model_validator(mode="after")
    def _cells_stay_comparable(self) -> "GridSettings":
        overrides = [*self.set, *(override for variant in self.variants.values() for override in variant.set)]
        overrides += [override for training in self.sets.values() for override in training]
        shared = tuple(override for override in overrides if override.startswith(("run.output", "model=")))
        if shared:
            raise ValueError(f"{shared[0]!r}: give it as `output` or in `models` of the grid")
        own = [override for override in overrides[len(self.set) :] if override.startswith(("evaluate.", "run."))]
        if own:
            raise ValueError(f"{own[0]!r}: all cells are measured alike: give it in `set` of the grid")
        return self
