"""What a grid is: models x training sets over one pipeline configuration, in the shape of the first paper's Table 3."""

import re
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field, FiniteFloat, field_validator, model_validator

from harken.config import Section
from harken.speech_settings import VoiceSettings

BASE = "base"
"""The row of a model as it comes, without any training."""

_KEY = re.compile(r"\w+(\.\w+)+")
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


class SweepSettings(Section):
    """One setting over several values, drawn as a curve: every value is a row of the grid and a fine-tuning of its own.

    With ``finetune.epochs`` it is the first paper's Figure 6a, with ``finetune.real.per_synthetic`` the search for a
    mixing ratio. The variants' own value is a point of the curve as well, where it is a number.
    """

    of: tuple[str, ...] = Field(min_length=1, description="variants; one may stand without brackets")
    key: str = Field(description="of the pipeline configuration, as of --set, e.g. finetune.learning_rate")
    values: tuple[int | FiniteFloat, ...] = Field(min_length=1)

    @field_validator("of", mode="before")
    @classmethod
    def _one_may_stand_alone(cls, named: object) -> object:
        return (named,) if isinstance(named, str) else named

    @field_validator("key")
    @classmethod
    def _is_in_a_section(cls, key: str) -> str:
        if not _KEY.fullmatch(key):
            raise ValueError("write section.key, as in --set")
        return key

    @field_validator("of", "values")
    @classmethod
    def _each_is_there_once(cls, listed: tuple[object, ...]) -> tuple[object, ...]:
        for place, item in enumerate(listed):
            if item in listed[:place]:
                raise ValueError(f"{item!r} is there twice")
        return listed


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
        (), description="pairs of rows [than, this] whose differences are shown; every row is held to the base"
    )
    sweeps: dict[str, SweepSettings] = Field({}, description="name -> rows 'NAME VALUE' for each value")

    def swept(self, name: str) -> Iterator[tuple[str, int | float, str]]:
        """The points of a sweep: variant, value, and the name of the row that they make.

        ``NAME VALUE``, after the variant's name when the sweep is of several.
        """
        sweep = self.sweeps[name]
        for variant in sweep.of:
            for value in sweep.values:
                row = f"{name} {value:.10g}"
                yield variant, value, row if len(sweep.of) == 1 else f"{variant}, {row}"

    def rows(self) -> dict[str, VariantSettings]:
        """Every row but the un-tuned models': the variants in their order, then those that sweeps make of them."""
        rows = dict(self.variants)
        for name, sweep in self.sweeps.items():
            for of, value, row in self.swept(name):
                variant = self.variants[of]
                rows[row] = variant.model_copy(update={"set": (*variant.set, f"{sweep.key}={value!r}")})
        return rows

    @field_validator("variants", "sets", "models", "tests", "sweeps")
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
        made = list(self.variants)
        for name, sweep in self.sweeps.items():
            for unknown in [variant for variant in sweep.of if variant not in self.variants]:
                raise ValueError(f"sweeps.{name}.of: there is no variant {unknown!r}")
            made += [row for _, _, row in self.swept(name)]
        for twice in [row for place, row in enumerate(made) if row in made[:place]]:
            raise ValueError(f"sweeps: there is a row {twice!r} already: choose another name")
        for unknown in [name for pair in self.comparisons for name in pair if name not in made and name != BASE]:
            raise ValueError(f"comparisons: there is no variant {unknown!r}")
        return self

    @model_validator(mode="after")
    def _cells_stay_comparable(self) -> "GridSettings":
        overrides = [*self.set, *(override for variant in self.rows().values() for override in variant.set)]
        overrides += [override for training in self.sets.values() for override in training]
        shared = tuple(override for override in overrides if override.startswith(("run.output", "model=")))
        if shared:
            raise ValueError(f"{shared[0]!r}: give it as `output` or in `models` of the grid")
        own = [override for override in overrides[len(self.set) :] if override.startswith(("evaluate.", "run."))]
        if own:
            raise ValueError(f"{own[0]!r}: all cells are measured alike: give it in `set` of the grid")
        return self
