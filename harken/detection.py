"""A term that was heard in an utterance: what a search of the glossary tells whoever biases a transcript by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Detection:
    """One term, where it was said, how sure that is, and which stage's evidence makes it so.

    Attributes:
        term: as it is to be written.
        start: seconds from the beginning of the audio that was searched.
        end: seconds, one past the last frame.
        probability: that the term was said there, 0 to 1, calibrated over glossaries.
        spellings: all ways to write what sounds like this, `term` first.
        evidence: each stage's own score by the stage's name ("span", "path", "verifier").
        category: of the term in its glossary, or empty.
        spoken: a text that is read as the term is said ("el vee" for LV), or empty: as `term` is read.

    >>> Detection("Kelly", 1.2, 1.64, 0.97, ("Kelly",), {"span": 0.81, "path": 5.2, "verifier": 3.9}).seconds
    0.44
    """

    term: str
    start: float
    end: float
    probability: float
    spellings: tuple[str, ...] = ()
    evidence: Mapping[str, float] = field(default_factory=dict)
    category: str = ""
    spoken: str = ""

    @property
    def seconds(self) -> float:
        """How long it lasts, rounded to a millisecond."""
        return round(self.end - self.start, 3)

    def shifted(self, seconds: float) -> "Detection":
        """The same, so much later."""
        return replace(self, start=self.start + seconds, end=self.end + seconds)
