"""Customer portraits: which labels are looked for, how, and the products they are matched with."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from harken.config import Section
from harken.llm_settings import LlmEndpoint

SOUND_DISTANCE = 0.2


class PortraitLlmSettings(LlmEndpoint):
    """The endpoint that reads transcripts."""

    temperature: NonNegativeFloat = 0.0
    notes_per_request: PositiveInt = 8
    tokens_per_note: PositiveInt = Field(240, description="answer tokens allowed per transcript asked about")


class PortraitSettings(Section):
    """From transcripts to portraits and product suggestions (first paper, section 3, steps 3 to 5)."""

    labels: Path | None = Field(
        None, description="CSV label,category[,variants]: labels beside the keyword list; variants are parted by |"
    )
    categories: tuple[str, ...] = Field(
        ("GENDER", "AGE", "ORIGIN", "OCCUPATION", "HOBBY", "OCCASION", "STYLE", "COLOUR", "SIZE", "BUDGET"),
        description="known categories beside those of the keyword list",
    )
    products: Path = Field(description="CSV with one product a line")
    product_id: str = Field("sku", description="the column that names a product")
    columns: Mapping[str, str] = Field(
        {
            "brand": "BRAND",
            "series": "SERIES",
            "type": "TYPE",
            "nickname": "NICKNAME",
            "material": "MATERIAL",
            "line": "LINES",
            "social": "SOCIAL",
            "colour": "COLOUR",
            "price_band": "BUDGET",
        },
        min_length=1,
        description="product column: category of its values, parted by |; the first three columns name a product",
    )
    suggestions: PositiveInt = Field(3, description="products suggested to a customer, at most")
    extractor: Literal["list", "llm"] = Field("list", description="'list' looks the labels up, 'llm' asks `llm`")
    sound_distance: float | None = Field(
        SOUND_DISTANCE,
        ge=0.0,
        lt=0.5,
        description="share of a keyword's phonemes a transcript may have wrong; None finds only what is spelled right",
    )
    llm: PortraitLlmSettings | None = None
    rows_per_shard: PositiveInt = Field(256, description="of --transcripts; a pipeline's transcripts keep their shards")
    workers: NonNegativeInt = Field(0, description="0 extracts in the driver's own process, without Ray")

    @model_validator(mode="after")
    def _options_have_an_effect(self) -> "PortraitSettings":
        if self.extractor == "llm" and self.llm is None:
            raise ValueError("portraits.extractor is 'llm' but portraits.llm is missing: give its base_url and model")
        if self.extractor == "list" and self.llm is not None:
            raise ValueError("portraits.llm has no effect with portraits.extractor 'list': say extractor: llm")
        if self.extractor == "llm" and self.sound_distance != SOUND_DISTANCE:
            raise ValueError("portraits.sound_distance has no effect with portraits.extractor 'llm': leave it out")
        return self
