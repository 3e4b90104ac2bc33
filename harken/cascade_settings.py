"""How a glossary is searched: what each stage lets through, and what becomes of what is left."""

from typing import Literal

from pydantic import Field, PositiveInt

from harken.config import Fraction, Section

CascadeMode = Literal["cascade", "exhaustive", "paper"]


class CascadeSettings(Section):
    """Overrides of the search model's calibration, and what the merge of shards does.

    Caps hold in each of a glossary's partitions, so that a search has one result whatever number of shards runs it.
    """

    mode: CascadeMode = Field(
        "cascade",
        description="'cascade': each stage sees what the one before let through; 'exhaustive': the second stage sees "
        "every term; 'paper': the verifier does (second paper, section 2.1)",
    )
    probes: PositiveInt | None = Field(
        16, description="lists of the span index that each window looks at; null: all, an exact scan"
    )
    span_threshold: float | None = Field(
        None, ge=-1.0, le=1.0, description="cosine from which the first stage lets a term through; null: the model's"
    )
    span_cap: PositiveInt | None = Field(
        None, description="terms that the first stage lets through per partition; null: the model's"
    )
    path_threshold: float | None = Field(
        None, description="z-normed path score from which the second stage lets a term through; null: the model's"
    )
    path_cap: PositiveInt | None = Field(
        None, description="terms that the second stage lets through per partition; null: the model's"
    )
    occurrences: PositiveInt = Field(
        2, description="places of one utterance at which a term is looked for by the verifier, the best first"
    )
    probability: Fraction = Field(0.5, description="from which a term counts as said")
    overlap: float = Field(
        0.5, gt=0.0, le=1.0, description="share of the shorter one's frames from which only the likelier of two stays"
    )
    detections: PositiveInt | None = Field(None, description="at most so many, the likeliest; null: all")
