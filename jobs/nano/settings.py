"""The settings of `python -m jobs.nano`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from harken.config import Section


class TextSettings(Section):
    """What is written. Shares are of sentences."""

    domain: str = Field("examples/luxury/keywords.csv", description="terms kept out of every training sentence")
    characters: int = Field(1400, ge=800, le=6000, description="Chinese characters with a token of their own")
    latin_merges: int = Field(330, ge=50, le=5000)
    pseudo: float = Field(0.3, ge=0, le=1, description="share of sentences that hold pseudo-terms")
    english: float = Field(0.15, ge=0, le=1, description="share of all-English sentences")
    sequences: float = Field(0.25, ge=0, le=1, description="share of random word sequences in Mandarin sentences")
    short: float = Field(0.2, ge=0, le=1, description="share of clips of a few words")


class CorpusSettings(Section):
    """How much is spoken, by whom, and what happens to the audio."""

    shards: int = Field(40, ge=1)
    shard_size: int = Field(2000, ge=10)
    processes: int = Field(2, ge=1)
    test_size: int = Field(200, ge=4, description="utterances per held-out set")
    silence: float = Field(0.03, ge=0, le=0.5, description="share of clips without speech, whose text is empty")
    flite: Literal["auto", "never", "always"] = Field("auto", description="second engine for English")


class ModelSettings(Section):
    """The architecture (a `WhisperConfig`)."""

    width: int = 256
    encoder_layers: int = 4
    decoder_layers: int = 3
    heads: int = 4
    feed_forward: int = 768
    window_seconds: float = 10.0
    hop_length: int = 320
    target_positions: int = 224


class TrainingSettings(Section):
    """One run of AdamW under a clock; `minutes` counts training time over all restarts."""

    minutes: float = Field(85, gt=0)
    processes: int = Field(2, ge=1, description="CPU processes of one thread that average gradients; a GPU uses one")
    device: Literal["auto", "cpu", "cuda"] = "auto"
    bfloat16: bool = False
    frames_per_batch: int = Field(1300, ge=200, description="mel frames per process and step")
    learning_rate: float = Field(1.6e-3, gt=0)
    warmup_steps: int = Field(300, ge=1)
    weight_decay: float = Field(0.01, ge=0)
    ctc_weight: float = Field(0.4, ge=0)
    ctc_only_minutes: float = Field(2.5, ge=0)
    guided_attention_minutes: float = Field(35, ge=0)
    guided_attention_weight: float = Field(2.0, ge=0)
    prompts_from: float = Field(0.75, ge=0, le=1, description="progress at which prompts begin to be mixed in")
    prompt_share: float = Field(0.6, ge=0, le=1, description="prompted share of utterances that hold a pseudo-term")
    idle_prompt_share: float = Field(0.1, ge=0, le=1, description="prompted share of the other utterances")
    full_window_share: float = Field(0.08, ge=0, le=1)
    late_full_window_share: float = Field(0.12, ge=0, le=1, description="in the last fifth")
    spec_augment: float = Field(0.0, ge=0, le=1, description="share of clips with masked bands; for long runs")
    checkpoint_minutes: float = Field(4, gt=0)
    evaluate_every: int = Field(3, ge=1, description="checkpoints between quick evaluations")


class NanoConfig(Section):
    """One full run."""

    seed: int = 0
    output_directory: str = "outputs/nano"
    model_directory: str = "models/nano"
    remarks: str = Field("", description="what the model card should add about how this run went")
    text: TextSettings = TextSettings()
    corpus: CorpusSettings = CorpusSettings()
    model: ModelSettings = ModelSettings()
    training: TrainingSettings = TrainingSettings()
