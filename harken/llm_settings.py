"""How an LLM is reached and how fast and dear it may be asked, whatever it is asked for."""

from typing import Any, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from harken.config import Section


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


class LlmEndpoint(Section):
    """An OpenAI-compatible endpoint; its key comes from the environment only."""

    base_url: str = Field(description="up to and with the version, e.g. https://api.deepseek.com/v1")
    model: str
    api_key_env: str | None = Field("OPENAI_API_KEY", description="the variable with the key; null sends none")
    language: Literal["zh", "en"] = Field("zh", description="of the prompt's own words")
    instruction: str | None = Field(None, description="replaces the prompt's first paragraph")
    temperature: NonNegativeFloat = 1.0
    token_limit_field: Literal["max_tokens", "max_completion_tokens"] = "max_tokens"
    answer_format: Literal["json_schema", "json_object", "text"] = Field(
        "json_object", description="what the endpoint is told; answers are checked against the schema in any case"
    )
    body: dict[str, Any] = Field({}, description="further fields of the request, e.g. {thinking: {type: disabled}}")
    asks: PositiveInt = Field(3, description="how often a row is asked for until its answer passes the checks")
    limits: LlmLimits = LlmLimits()


class LlmSettings(LlmEndpoint):
    """The endpoint that writes labels."""

    labels_per_request: PositiveInt = 5
    keywords_per_label: tuple[PositiveInt, PositiveInt] = Field(
        (1, 3), description="least and most terms a label is asked to use; sampling 'coverage' only"
    )
    tokens_per_label: PositiveInt = Field(160, description="answer tokens allowed per label asked for")
    characters: tuple[PositiveInt, PositiveInt] = Field((4, 80), description="least and most characters of a label")
    near_duplicate: float = Field(
        0.8, gt=0.0, le=1.0, description="Jaccard similarity of character 3-grams, keywords masked, that is too near"
    )

    @model_validator(mode="after")
    def _ranges_ascend(self) -> "LlmSettings":
        for name in ("keywords_per_label", "characters"):
            least, most = getattr(self, name)
            if least > most:
                raise ValueError(f"{name}: the least, {least}, is above the most, {most}")
        return self
