"""What one run is: every setting of the adapt pipeline, section by section."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from harken.config import Section
from harken.finetune_settings import FinetuneSettings
from harken.speech_settings import AugmentationSettings, SpeechSettings, VoiceSettings

__all__ = ["AugmentationSettings", "FinetuneSettings", "PipelineSettings", "SpeechSettings", "VoiceSettings"]


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


class LlmLimits(Section):
    """How fast and how dear an LLM may be asked, over all workers together; no part of what it writes.

    Prices, costs and the cap are in one currency, whichever the price list is in.
    """

    requests_in_flight: PositiveInt = Field(16, description="per worker; a shard's requests bound it too")
    requests_per_minute: PositiveFloat | None = None
    tokens_per_minute: PositiveFloat | None = Field(None, description="prompt and answer together")
    timeout_seconds: PositiveFloat = 120.0
    retries: NonNegativeInt = Field(6, description="of one request after 429, 5xx, a timeout or a broken answer")
    retry_seconds: PositiveFloat = Field(1.0, description="wait before the first retry; doubled each time")
    price_in: NonNegativeFloat = Field(0.0, description="of a million prompt tokens")
    price_out: NonNegativeFloat = Field(0.0, description="of a million answer tokens")
    spend_cap: PositiveFloat | None = Field(None, description="no request is sent that could exceed it")
    accept_partial: bool = Field(False, description="go on with fewer labels when the cap stops the writing")

    @model_validator(mode="after")
    def _a_cap_needs_prices(self) -> "LlmLimits":
        if self.spend_cap is not None and not (self.price_in or self.price_out):
            raise ValueError("spend_cap is set but price_in and price_out are 0: the cap could never be reached")
        return self


class LlmSettings(Section):
    """An OpenAI-compatible endpoint that writes labels; its key comes from the environment only."""

    base_url: str = Field(description="up to and with the version, e.g. https://api.deepseek.com/v1")
    model: str
    api_key_env: str | None = Field("OPENAI_API_KEY", description="the variable with the key; null sends none")
    language: Literal["zh", "en"] = Field("zh", description="of the prompt's own words")
    instruction: str | None = Field(None, description="replaces the prompt's first paragraph")
    labels_per_request: PositiveInt = 5
    keywords_per_label: tuple[PositiveInt, PositiveInt] = Field(
        (1, 3), description="least and most terms a label is asked to use; sampling 'coverage' only"
    )
    temperature: NonNegativeFloat = 1.0
    tokens_per_label: PositiveInt = Field(160, description="answer tokens allowed per label asked for")
    token_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    answer_format: Literal["json_schema", "json_object", "text"] = Field(
        "json_object", description="what the endpoint is told; answers are checked against the schema in any case"
    )
    body: dict[str, Any] = Field({}, description="further fields of the request, e.g. {thinking: {type: disabled}}")
    asks: PositiveInt = Field(3, description="how often a label is asked for until one passes the checks")
    characters: tuple[PositiveInt, PositiveInt] = Field((4, 80), description="least and most characters of a label")
    near_duplicate: float = Field(
        0.8, gt=0.0, le=1.0, description="Jaccard similarity of character 3-grams, keywords masked, that is too near"
    )
    limits: LlmLimits = LlmLimits()

    @model_validator(mode="after")
    def _ranges_ascend(self) -> "LlmSettings":
        for name in ("keywords_per_label", "characters"):
            least, most = getattr(self, name)
            if least > most:
                raise ValueError(f"{name}: the least, {least}, is above the most, {most}")
        return self


class LabelSettings(Section):
    """Pseudo-label generation (first paper, section 6.3)."""

    seeds: Path = Field(description="JSONL of labelled sentences {id,text} whose style is imitated")
    count: PositiveInt
    sentences_per_prompt: PositiveInt = Field(5, description="s in the paper")
    keywords_per_category: PositiveInt = Field(8, description="i in the paper; all of a smaller category")
    sampling: Literal["paper", "coverage"] = Field(
        "coverage", description="'paper' draws i keywords uniformly; 'coverage' draws the least used first"
    )
    writer: Literal["slots", "llm"] = Field(
        "slots", description="'slots' is the embedded seeded slot-filling writer, 'llm' asks the endpoint of `llm`"
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


class EvaluateSettings(Section):
    """The held-out sets and how they are scored."""

    domain: Path = Field(description="JSONL {id,text[,audio]}; without audio the text is spoken by `voices`")
    general: Path | None = Field(None, description="JSONL of general sentences: the forgetting check")
    voices: VoiceSettings
    segmenters: tuple[Literal["jieba", "hanlp"], ...] = ("jieba",)
    hanlp_model: Path | None = None
    bootstrap_samples: PositiveInt = 1000
    forgetting_limit: NonNegativeFloat | None = Field(
        0.10, description="how much the CER on `general` may rise, relative to the un-tuned model's; None: any"
    )
    audio_samples: PositiveInt = Field(12, description="utterances with playable audio in the report")


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
    export: ExportSettings = ExportSettings()
    model_export: ModelExportSettings = ModelExportSettings()

    @model_validator(mode="after")
    def _test_voices_are_unheard(self) -> "PipelineSettings":
        shared = set(self.speech.voices.speakers) & set(self.evaluate.voices.speakers)
        if shared:
            raise ValueError(f"evaluate.voices shares {sorted(shared)} with speech.voices: tests need unheard voices")
        return self
