"""Which of the words in a set's texts are its keywords."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from harken.config import Section


class InventorySettings(Section):
    """The keyword inventory of a set: a given glossary, or the content words of its texts."""

    given: Path | None = Field(
        None,
        description="the glossary instead of found words: CSV (term,category), text of one term a line, or a "
        "*.tagged.* text of ACL 60/60",
    )
    criterion: Literal["part of speech", "frequency"] | None = Field(
        None, description="what makes a content word; null: part of speech for Chinese, frequency for all others"
    )
    terms: PositiveInt | None = Field(None, description="terms drawn of each language; null: all")
    least_count: PositiveInt = Field(1, description="a term is said at least so often in the texts")
    most_common: NonNegativeInt = Field(
        100, description="frequency: so many of the most common words are left out, as function words"
    )
    least_letters: PositiveInt = Field(4, description="of a word of letters")
    most_letters: PositiveInt = 24
    least_ideographs: PositiveInt = Field(2, description="of a word of Han characters")
    most_ideographs: PositiveInt = 8
    seed: int = 0

    @model_validator(mode="after")
    def _agree(self) -> "InventorySettings":
        if self.given is not None and self.criterion is not None:
            raise ValueError("given and criterion exclude each other: a given glossary is taken as it is")
        for kind in ("letters", "ideographs"):
            least, most = getattr(self, f"least_{kind}"), getattr(self, f"most_{kind}")
            if least > most:
                raise ValueError(f"least_{kind} is {least}, above most_{kind}, {most}")
        return self
