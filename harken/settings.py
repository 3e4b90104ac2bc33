"""What one run is: every setting of the adapt pipeline, section by section."""

from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from harken.augmentation_settings import AugmentationSettings
from harken.config import Section
from harken.finetune_settings import FinetuneSettings
from harken.judge_settings import JudgeSettings
from harken.llm_settings import LlmLimits, LlmSettings
from harken.portrait_settings import PortraitSettings
from harken.search_biasing_settings import SearchBiasingSettings
from harken.speech_settings import SpeechSettings, VoiceSettings

__all__ = [
    "AugmentationSettings",
    "ClusterSettings",
    "FinetuneSettings",
    "JudgeSettings",
    "KeywordSettings",
    "LlmLimits",
    "LlmSettings",
    "PipelineSettings",
    "PortraitSettings",
    "SearchBiasingSettings",
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
    forgetting_limit: NonNegativeFloat | None = Field(
        0.10, description="how much the CER on `general` may rise, relative to the un-tuned model's; None: any"
    )
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
    decoding: DecodingSettings = Field(DecodingSettings(), description="its language alone is read")
    portraits: PortraitSettings


class ModelExportSettings(Section):
    """`jobs.export_model`: the adapted model for other runtimes."""

    formats: tuple[Literal["adapter", "transformers", "ctranslate2"], ...] = Field(("ctranslate2",), min_length=1)
    quantization: Literal["float32", "float16", "bfloat16", "int8", "int8_float16", "int8_bfloat16"] = Field(
        "float16", description="of the CTranslate2 weights"
    )
    folder: Path | None = Field(None, description="None is run.output/model")
    max_cer_difference: float = Field(
        0.001, ge=0.0, description="to the merged model on the held-out rows; one character is always allowed"
    )

    @model_validator(mode="after")
    def _every_option_has_an_effect(self) -> "ModelExportSettings":
        if self.quantization != "float16" and "ctranslate2" not in self.formats:
            raise ValueError("quantization has no effect without the format ctranslate2")
        return self


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
    biasing: SearchBiasingSettings | None = Field(
        None, description="None leaves out the systems that are biased by a glossary, as jobs.grid always does"
    )
    portraits: PortraitSettings | None = Field(None, description="None leaves the customer portraits out")
    export: ExportSettings = ExportSettings()
    model_export: ModelExportSettings = ModelExportSettings()

    @model_validator(mode="after")
    def _test_voices_are_unheard(self) -> "PipelineSettings":
        heard = {"speech.voices": self.speech.voices.speakers, "finetune.real.voices": self.finetune.real.speakers()}
        for name, speakers in heard.items():
            shared = sorted(set(speakers) & set(self.evaluate.voices.speakers))
            if shared:
                raise ValueError(f"evaluate.voices shares {shared} with {name}: tests need unheard voices")
        return self
