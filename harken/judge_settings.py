"""How synthetic speech is judged: the method, its thresholds, a second opinion, and a test of the judge itself."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from harken.config import Section

Share = Annotated[float, Field(ge=0.0, le=1.0)]


FAULTS = ("swapped text", "truncated audio", "dropped keyword", "noise")
"""What can be planted in a take."""

_OF_CARRIER = ("keyword_missing", "cut_off", "pace", "least_level_db", "least_range_db", "most_clipped")


class RecogniserServerSettings(Section):
    """A server that answers POST {base_url}/audio/transcriptions as OpenAI does: SenseVoice, Paraformer, Whisper."""

    base_url: str = Field(description="up to and with the version, such as http://localhost:8000/v1")
    model: str
    api_key_env: str | None = Field(
        "OPENAI_API_KEY", description="environment variable that holds the key; null for a server without keys"
    )
    sends_language: bool = Field(True, description="send decoding.language; some servers refuse the field")
    concurrency: PositiveInt = Field(4, description="requests in flight per worker")
    timeout_seconds: PositiveFloat = 60.0
    retries: int = Field(4, ge=0, description="of 408, 409, 429, 5xx and lost connections; Retry-After is honoured")


class SecondJudgeSettings(Section):
    """Another recogniser that hears the same speech: a row is kept when either has no objection."""

    model: str | None = Field(None, description="a Whisper folder or hub id, such as another size")
    server: RecogniserServerSettings | None = None

    @model_validator(mode="after")
    def _is_one_recogniser(self) -> "SecondJudgeSettings":
        if (self.model is None) == (self.server is None):
            raise ValueError("judge.second is one recogniser: give either its model or its server")
        return self


class JudgeSettings(Section):
    """Un-tuned recognisers judge the synthetic speech (first paper, section 5.1)."""

    method: Literal["carrier", "paper"] = Field(
        "carrier",
        description="'paper' thresholds the CER of the sentence; 'carrier' that of the text around the keywords, and "
        "asks of a keyword only that it was said",
    )
    threshold: float = Field(0.15, ge=0.0, description="tau: rows with a higher CER are rejected")
    keyword_missing: float = Field(
        0.85, description="evidence that a keyword was not said at all; higher keeps more (0: undecided, 1: it was not)"
    )
    cut_off: float = Field(0.35, description="evidence that speech stops before its text does; higher keeps more")
    pace: tuple[PositiveFloat, PositiveFloat] = Field(
        (0.5, 1.8), description="slowest and fastest speech allowed, as a factor on the run's typical pace"
    )
    least_level_db: float = Field(-60.0, description="quieter rows count as silence; dB below full scale")
    least_range_db: float = Field(8.0, description="least distance of speech to what is between it, in dB")
    most_clipped: Share = Field(0.01, description="largest share of clipped samples")
    second: SecondJudgeSettings | None = None
    planted: NonNegativeInt = Field(
        0, description="rows of each kind of fault that are planted to measure the judge; never trained on"
    )

    @model_validator(mode="after")
    def _every_option_has_an_effect(self) -> "JudgeSettings":
        # Not what was given: a resolved configuration gives every option and must load again.
        changed = [name for name in _OF_CARRIER if getattr(self, name) != type(self).model_fields[name].default]
        if changed and self.method == "paper":
            raise ValueError(f"{changed[0]} has no effect with judge.method 'paper': remove it")
        if self.pace[0] >= self.pace[1]:
            raise ValueError(f"pace: the slowest, {self.pace[0]:g}, must be below the fastest, {self.pace[1]:g}")
        return self
