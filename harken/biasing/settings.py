"""How a transcript is biased: which mechanisms, how strongly, and what a span has to show before its words change."""

from typing import Literal

from pydantic import Field, FiniteFloat, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from harken.config import Fraction, Section

MECHANISMS = ("prompt", "boost", "substitution")
"""What may propose that a term stands in a text."""


class EvidenceSettings(Section):
    """Log-odds that a text is better for a term: a logistic model of what the guards measure.

    Fitted by ``python -m benchmarks.biasing.fit`` on the embedded model and what a search finds.
    """

    constant: FiniteFloat = 2.5
    distance: FiniteFloat = Field(0.0, description="per unit of phonetic distance, 0 equal to 1 nothing in common")
    gain: FiniteFloat = Field(0.66, description="per nat and token that the text gains by the term, mostly below 0")
    probability: FiniteFloat = Field(0.99, description="per unit of the log-odds of the detection's own probability")
    beside: FiniteFloat = Field(-1.84, description="per word that was said beside the detection and would be lost")


class BoundarySettings(Section):
    """Log-odds, up to a constant, that a span is the best one for a detection: of all spans the best fitting is taken.

    Fitted together with `EvidenceSettings`.
    """

    distance: FiniteFloat = Field(-2.01, description="per unit of phonetic distance")
    gain: FiniteFloat = Field(0.39, description="per nat and token that the text gains")
    beside: FiniteFloat = Field(-2.25, description="per word that was said beside the detection and would be lost")


class BiasingSettings(Section):
    """CB-Whisper. Each mechanism proposes spans of the unbiased text; the guards decide which become terms."""

    prompt: bool = Field(True, description="decode with the terms as a prompt; models that follow prompts gain by it")
    boost: bool = Field(
        True, description="decode with the terms' tokens raised while the decoder listens to their span"
    )
    substitution: bool = Field(True, description="put the term in the place of the words heard in its time span")
    terms: PositiveInt = Field(5, description="per window, the most probable ones")
    least_probability: Fraction = Field(0.3, description="of a detection that is looked at")
    prompt_style: Literal["plain", "spoken"] = Field(
        "plain", description="'plain' is '(kw1 kw2)', 'spoken' the second paper's sentence"
    )
    prompt_tokens: PositiveInt = Field(
        100, description="terms beyond are left out; never over half the decoder's positions"
    )
    boost_weight: PositiveFloat = Field(6.0, description="nats per token of a term")
    slack: NonNegativeFloat = Field(0.35, description="seconds by which a span may miss its detection's start and end")
    least_overlap: Fraction = Field(0.5, description="of span and detection in time, as a share of the shorter one")
    most_distance: Fraction = Field(0.75, description="between the sounds of the term and of the words it replaces")
    least_gain: FiniteFloat = Field(-10.0, description="nats per token that a text may lose by the term")
    least_evidence: FiniteFloat = Field(0.75, description="log-odds a term needs")
    evidence: EvidenceSettings = EvidenceSettings()
    boundary: BoundarySettings = BoundarySettings()

    @property
    def mechanisms(self) -> tuple[str, ...]:
        """Those that are on."""
        return tuple(name for name in MECHANISMS if getattr(self, name))

    @model_validator(mode="after")
    def _something_is_on(self) -> "BiasingSettings":
        if not self.mechanisms:
            raise ValueError("no mechanism is on: set prompt, boost or substitution, or give no detections")
        return self
