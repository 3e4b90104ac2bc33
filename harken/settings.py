"""What one run is: every setting of the adapt pipeline, section by section."""

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from harken.augmentation_settings import AugmentationSettings
from harken.config import Fraction, Section
from harken.llm_settings import LlmLimits, LlmSettings
from harken.portrait_settings import PortraitSettings
from harken.speech_settings import SpeechSettings, VoiceSettings

__all__ = [
    "AugmentationSettings",
    "ClusterSettings",
    "KeywordSettings",
    "LlmLimits",
    "LlmSettings",
    "PipelineSettings",
    "PortraitSettings",
    "SpeechSettings",
    "TranscriptSettings",
    "VoiceSettings",
]


class RunSettings(Section):
    """Where a run writes and which seed every random choice is derived from."""

    output: Path
    seed: int = 0


class ClusterSettings(Section):
    """How Ray is reached; never part of a stage's fingerprint."""

    address: str | None = Field(None, description="None starts a local Ray; 'auto' or host:port joins one")
    cpus: PositiveInt | None = Field(None, description="logical CPUs of a local Ray; None lets Ray count")


class KeywordSettings(Section):
    """The business's vocabulary: a CSV with the columns term,category."""

    path: Path
    categories: tuple[str, ...] = ("SERIES", "TYPE", "BRAND", "MATERIAL", "NICKNAME", "LINES", "SOCIAL")
    pronunciations: Path | None = Field(None, description="CSV term,spoken for terms a synthesizer misreads")


class LabelSettings(Section):
    """Pseudo-label generation (first paper, section 6.3)."""

    seeds: Path = Field(description="JSONL of labelled sentences {id,text} whose style is imitated")
    count: PositiveInt = Field(description="labels to write; of given ones the first so many, at most all")
    sentences_per_prompt: PositiveInt = Field(5, description="s in the paper")
    keywords_per_category: PositiveInt = Field(8, description="i in the paper; all of a smaller category")
    sampling: Literal["paper", "coverage"] = Field(
        "coverage", description="'paper' draws i keywords uniformly; 'coverage' draws the least used first"
    )
    writer: Literal["slots", "llm", "given"] = Field(
        "slots",
        description="'slots' is the embedded seeded slot-filling writer, 'llm' asks the endpoint of `llm`, 'given' "
        "writes nothing: the seeds {id,text[,audio]} are the labels, and their recordings, if any, the speech",
    )
    llm: LlmSettings | None = None
    coverage_k: PositiveInt = Field(5, description="mentions every term should reach; llm retries go to what lacks")
    rows_per_shard: PositiveInt = 64
    workers: NonNegativeInt = Field(1, description="0 writes in the driver's own process, without Ray")

    @model_validator(mode="after")
    def _an_llm_writer_has_an_endpoint(self) -> "LabelSettings":
        if self.writer == "llm" and self.llm is None:
            raise ValueError("labels.writer is 'llm' but labels.llm is missing: give its base_url and model")
        return self


class DecodingSettings(Section):
    """Batch decoding with Whisper."""

    language: str = "zh"
    batch_size: PositiveInt = 16
    max_new_tokens: PositiveInt = 128
    workers: PositiveInt = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"
    gpus_per_worker: float = Field(0.0, ge=0.0, description="share of a GPU Ray reserves for each worker")


class JudgeSettings(Section):
    """Un-tuned Whisper judges the synthetic speech by CER (first paper, section 5.1)."""

    threshold: float = Field(0.15, ge=0.0, description="tau: rows with a higher CER are rejected")


class LoraSettings(Section):
    """Low-rank adapters on the attention and feed-forward projections."""

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


class ReplaySettings(Section):
    """General sentences mixed into every epoch so that the model keeps what it knew."""

    manifest: Path | None = None
    per_synthetic: float = Field(0.5, ge=0.0, description="replay utterances per synthetic one, per epoch")
    distillation: Fraction = Field(
        0.0, description="share of the replay's loss that asks for the un-tuned model's distribution, not the text"
    )


class FinetuneSettings(Section):
    """LoRA fine-tuning under Ray Train."""

    epochs: PositiveInt = 5
    batch_size: PositiveInt = Field(16, description="utterances per optimiser step over all workers")
    micro_batch_size: PositiveInt = Field(16, description="utterances a worker holds at once; bounds its memory")
    full_windows: Fraction = Field(
        1.0, description="share of the steps that pad audio to the model's full window, as decoding does"
    )
    learning_rate: PositiveFloat = 1e-4
    warmup_fraction: Fraction = 0.1
    weight_decay: float = Field(0.01, ge=0.0)
    max_gradient_norm: PositiveFloat = 1.0
    dev_fraction: float = Field(0.05, gt=0.0, lt=0.5, description="kept rows held out for the learning curve")
    checkpoint_every_steps: PositiveInt = 50
    workers: PositiveInt = 1
    use_gpu: bool = False
    lora: LoraSettings = LoraSettings()
    replay: ReplaySettings = ReplaySettings()


class EvaluateSettings(Section):
    """The held-out sets and how they are scored."""

    domain: Path = Field(description="JSONL {id,text[,audio]}; without audio the text is spoken by `voices`")
    general: Path | None = Field(None, description="JSONL of general sentences: the forgetting check")
    voices: VoiceSettings
    segmenters: tuple[Literal["jieba", "hanlp"], ...] = Field(
        ("jieba",), description="of the IER, which is their mean; left out with a hanlp_model: jieba and hanlp"
    )
    hanlp_model: Path | None = Field(None, description="folder of a saved HanLP tokenizer")
    bootstrap_samples: PositiveInt = 1000
    audio_samples: PositiveInt = Field(12, description="utterances drawn for playable audio in the report")
    worst_samples: NonNegativeInt = Field(6, description="utterances with audio besides: the adapted model's worst")

    @model_validator(mode="before")
    @classmethod
    def _hanlp_joins_jieba(cls, values: object) -> object:
        if isinstance(values, dict) and values.get("hanlp_model") and "segmenters" not in values:
            return values | {"segmenters": ("jieba", "hanlp")}
        return values

    @model_validator(mode="after")
    def _hanlp_has_a_model(self) -> "EvaluateSettings":
        if ("hanlp" in self.segmenters) != (self.hanlp_model is not None):
            raise ValueError("segmenter 'hanlp' and hanlp_model need each other: give both or neither")
        return self


class ExportSettings(Section):
    """`jobs.export`: the speech of a run as a dataset for other tools."""

    formats: tuple[Literal["nemo", "audiofolder", "lhotse", "webdataset", "whisper-finetune"], ...] = Field(
        ("nemo", "audiofolder"), min_length=1
    )
    sets: tuple[Literal["synthetic", "replay", "domain", "general"], ...] = Field(("synthetic",), min_length=1)
    rows: Literal["kept", "spoken"] = Field("kept", description="of the synthetic set: what the judge kept, or all")
    use: Literal["commercial", "research"] = Field(
        "commercial", description="'commercial' leaves out voices whose licence does not allow it or is not known"
    )
    folder: Path | None = Field(None, description="None is run.output/export")
    title: str | None = None
    rows_per_shard: PositiveInt = Field(1000, description="samples in a WebDataset shard")


class TranscriptSettings(Section):
    """What reading transcripts alone needs; the other sections of a pipeline's file may stand there unread."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    run: RunSettings
    cluster: ClusterSettings = ClusterSettings()
    keywords: KeywordSettings
    portraits: PortraitSettings


class PipelineSettings(Section):
    """One full run of the adapt pipeline: labels, speech, judge, finetune, evaluate."""

    model: str = Field(description="a Whisper folder or hub id, e.g. models/nano or openai/whisper-large-v2")
    run: RunSettings
    cluster: ClusterSettings = ClusterSettings()
    keywords: KeywordSettings
    labels: LabelSettings
    speech: SpeechSettings
    decoding: DecodingSettings = DecodingSettings()
    judge: JudgeSettings = JudgeSettings()
    finetune: FinetuneSettings = FinetuneSettings()
    evaluate: EvaluateSettings
    portraits: PortraitSettings | None = Field(None, description="None leaves the customer portraits out")
    export: ExportSettings = ExportSettings()

    @model_validator(mode="after")
    def _test_voices_are_unheard(self) -> "PipelineSettings":
        shared = set(self.speech.voices.speakers) & set(self.evaluate.voices.speakers)
        if shared:
            raise ValueError(f"evaluate.voices shares {sorted(shared)} with speech.voices: tests need unheard voices")
        return self
