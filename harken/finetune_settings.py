"""How Whisper is fine-tuned: adapters, what is learnt from beside the synthetic speech, masks, and which weights stay.

The defaults are what the evidence supports for a real Whisper; ``configs/paper.yaml`` holds the first paper's recipe.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from harken.config import Fraction, Section
from harken.speech_settings import VoiceSettings

# An option that has no effect is an error when it is not the default; a resolved configuration names every default.
AVERAGED = 3
WARMUP_FRACTION = 0.1


def _ascending(workers: int | tuple[int, int]) -> int | tuple[int, int]:
    if isinstance(workers, tuple) and workers[0] > workers[1]:
        raise ValueError(f"the least number of workers, {workers[0]}, is above the most, {workers[1]}")
    return workers


class AdaLoraSettings(Section):
    """Ranks are moved to where they matter most while training (Zhang et al. 2023); ``lora.rank`` is their mean."""

    initial_rank: PositiveInt | None = Field(None, description="of every matrix; None is half as much again as rank")
    prune_from: Fraction = Field(0.1, description="share of the run before any rank is taken away")
    prune_until: Fraction = Field(0.6, description="share of the run after which the ranks stay as they are")
    orthogonality: float = Field(0.5, ge=0.0, description="weight of the loss that keeps directions apart")

    @model_validator(mode="after")
    def _pruning_takes_time(self) -> "AdaLoraSettings":
        if self.prune_from >= self.prune_until:
            raise ValueError(f"prune_from {self.prune_from} must be below prune_until {self.prune_until}")
        return self


class LoraSettings(Section):
    """Low-rank adapters on the attention and feed-forward projections."""

    variant: Literal["lora", "dora", "rslora", "adalora"] = Field(
        "lora",
        description="dora learns the length of every row apart from its direction, rslora scales by alpha / sqrt(rank)",
    )
    rank: PositiveInt = 32
    alpha: PositiveFloat = 64.0
    dropout: Fraction = 0.05
    targets: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")
    parts: tuple[Literal["encoder", "decoder"], ...] = Field(
        ("encoder", "decoder"),
        min_length=1,
        description="the decoder alone learns new words more than twice as fast and leaves the hearing as it was",
    )
    tokens: Literal["none", "keywords"] = Field(
        "none",
        description="'keywords' also learns the embeddings of the tokens keywords are written with: one the model has "
        "hardly ever written is out of reach for the projections alone",
    )
    adalora: AdaLoraSettings | None = None

    @model_validator(mode="after")
    def _every_option_has_an_effect(self) -> "LoraSettings":
        if self.adalora is not None and self.variant != "adalora":
            raise ValueError(f"adalora has no effect with variant {self.variant!r}: delete it or set variant: adalora")
        if self.variant == "rslora" and self.rank == 1:
            raise ValueError("rslora has no effect at rank 1, where sqrt(rank) is rank: raise rank or use lora")
        if self.variant == "adalora" and self.tokens == "keywords":
            raise ValueError("adalora learns no tokens: set tokens to none, or take another variant")
        if self.variant == "adalora" and self.initial_rank() <= self.rank:
            raise ValueError(
                f"adalora.initial_rank {self.initial_rank()} must be above rank {self.rank}, or no rank moves"
            )
        return self

    def initial_rank(self) -> int:
        """The rank that training starts with."""
        if self.variant != "adalora":
            return self.rank
        options = self.adalora or AdaLoraSettings()
        return options.initial_rank or max(self.rank + 1, round(1.5 * self.rank))


class ReplaySettings(Section):
    """General sentences mixed into every epoch so that the model keeps what it knew."""

    manifest: Path | None = None
    per_synthetic: float = Field(0.5, ge=0.0, description="replay utterances per synthetic one, per epoch")
    distillation: Fraction = Field(
        0.0, description="share of the replay's loss that asks for the un-tuned model's distribution, not the text"
    )


class RealSettings(Section):
    """Real recordings of the domain mixed into every epoch; their held-out part decides which weights are best."""

    manifest: Path | None = Field(None, description="JSONL {id,text,audio} to learn from")
    per_synthetic: PositiveFloat | None = Field(
        None,
        description="real utterances per synthetic one, per epoch (0.05, 0.25 and 1 make 5, 20 and 50% of both real); "
        "None takes every real one once",
    )
    dev: Path | None = Field(None, description="JSONL to hold out; None holds out dev_fraction of the manifest")
    voices: VoiceSettings | None = Field(None, description="speak rows without audio; None is speech.voices")

    @model_validator(mode="after")
    def _every_option_has_an_effect(self) -> "RealSettings":
        if self.manifest is None and self.per_synthetic is not None:
            raise ValueError("per_synthetic has no effect without a manifest of real recordings")
        if self.manifest is None and self.dev is None and self.voices is not None:
            raise ValueError("voices have no effect without a manifest of real recordings")
        return self

    def speakers(self) -> tuple[str, ...]:
        """The voices that are learnt from or chosen by here, beside those of `speech`."""
        return tuple(self.voices.speakers) if self.voices else ()


class MaskSettings(Section):
    """SpecAugment (Park et al. 2019) on the log-mel features; the masked part becomes the utterance's mean."""

    probability: Fraction = Field(1.0, description="of an utterance being masked in a step; 0 turns it off")
    time_masks: NonNegativeInt = 2
    time_share: Fraction = Field(0.05, description="of the spoken frames, at most, in one time mask")
    band_masks: NonNegativeInt = 2
    band_share: Fraction = Field(0.10, description="of the mel bands, at most, in one band mask")


class SelectionSettings(Section):
    """When to stop and which weights stay, by CER on held-out rows (the real ones when there are any)."""

    weights: Literal["auto", "last", "best", "averaged", "lowest"] = Field(
        "auto",
        description="'lowest' takes whichever of last, best and averaged has the lowest held-out CER; 'auto' is that "
        "with real recordings to tell by, and 'last' without",
    )
    average: int = Field(AVERAGED, ge=2, description="evaluations whose merged weights are averaged")
    every_steps: PositiveInt | None = Field(None, description="steps between evaluations; None is once an epoch")
    patience: PositiveInt | None = Field(None, description="evaluations without a new lowest CER before the run ends")

    @model_validator(mode="after")
    def _every_option_has_an_effect(self) -> "SelectionSettings":
        if self.average != AVERAGED and self.weights in ("last", "best"):
            raise ValueError(f"average has no effect with weights {self.weights!r}: use 'averaged' or 'lowest'")
        return self


class FinetuneSettings(Section):
    """LoRA fine-tuning under Ray Train."""

    epochs: PositiveInt = 5
    batch_size: PositiveInt = Field(16, description="utterances per optimiser step over all workers")
    micro_batch_size: PositiveInt = Field(
        16, description="utterances a worker holds at once; gradients of smaller ones accumulate to batch_size"
    )
    bucketing: bool = Field(True, description="batch similar lengths, so that less of a batch is padding")
    full_windows: Fraction = Field(
        1.0, description="share of the steps that pad audio to the model's full window, as decoding does"
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the computation; weights stay float32. 'auto' is bfloat16 on GPUs that have it"
    )
    learning_rate: PositiveFloat = 1e-4
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="after the warm-up; to zero")
    warmup_fraction: Fraction = WARMUP_FRACTION
    warmup_steps: NonNegativeInt | None = Field(None, description="in place of warmup_fraction")
    weight_decay: float = Field(0.01, ge=0.0)
    max_gradient_norm: PositiveFloat = 1.0
    masks: MaskSettings = MaskSettings()
    keyword_weight: PositiveFloat = Field(
        1.0, description="what a token inside a keyword mention weighs against any other; the mean weight stays 1"
    )
    dev_fraction: float = Field(0.05, gt=0.0, lt=0.5, description="kept rows held out for the learning curve")
    selection: SelectionSettings = SelectionSettings()
    checkpoint_every_steps: PositiveInt = 50
    workers: Annotated[PositiveInt | tuple[PositiveInt, PositiveInt], AfterValidator(_ascending)] = Field(
        1, description="or [least, most]: the run shrinks when nodes are lost and grows when they come back"
    )
    use_gpu: bool = False
    lora: LoraSettings = LoraSettings()
    replay: ReplaySettings = ReplaySettings()
    real: RealSettings = RealSettings()

    @model_validator(mode="after")
    def _options_fit_each_other(self) -> "FinetuneSettings":
        if self.warmup_steps is not None and self.warmup_fraction != WARMUP_FRACTION:
            raise ValueError("warmup_fraction has no effect beside warmup_steps: delete one of them")
        averages = self.selection.weights == "averaged" or self.selection.average != AVERAGED
        if self.lora.variant == "dora" and averages:
            raise ValueError("an average of DoRA models is no adapter: set selection.weights to best or last")
        if self.lora.variant == "adalora" and self.selection.patience is not None:
            raise ValueError("adalora needs every step to move its ranks: delete selection.patience")
        return self
