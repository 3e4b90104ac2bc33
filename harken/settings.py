"""What one run is: every setting of the adapt pipeline, section by section."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from harken.config import Section
from harken.judge_settings import JudgeSettings
from harken.speech_settings import AugmentationSettings, Fraction, SpeechSettings, VoiceSettings

__all__ = ["AugmentationSettings", "JudgeSettings", "PipelineSettings", "SpeechSettings", "VoiceSettings"]


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
    segmenters: tuple[Literal["jieba", "hanlp"], ...] = ("jieba",)
    hanlp_model: Path | None = None
    bootstrap_samples: PositiveInt = 1000
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

    @model_validator(mode="after")
    def _test_voices_are_unheard(self) -> "PipelineSettings":
        shared = set(self.speech.voices.speakers) & set(self.evaluate.voices.speakers)
        if shared:
            raise ValueError(f"evaluate.voices shares {sorted(shared)} with speech.voices: tests need unheard voices")
        return self
