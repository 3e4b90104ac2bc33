"""What biasing might change in one window: everything measured, nothing decided."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from harken.biasing.candidates import Candidate, Heard
from harken.biasing.guards import Assessed
from harken.detection import Detection
from harken.whisper import Hypothesis


@dataclass
class Proposals:
    """The candidates of one window with their assessments.

    Places are those in the window's list of `detections`.

    Attributes:
        hypothesis: of the unbiased decoding.
        heard: its text and the times of its units.
        biased: by mechanism ("prompt", "boost") the text that was decoded with that help.
        shortlist: places of the detections that are looked at, the most probable first.
        refused: why others are not, and why there is no candidate, by place.
        right: by place, the span of the text that mentions the term already.
        lead: white space before the text, as the model writes it.
        unbiasable: why no term can come into this text; "" mostly.
    """

    detections: Sequence[Detection]
    hypothesis: Hypothesis
    heard: Heard
    biased: dict[str, str] = field(default_factory=dict)
    shortlist: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    right: dict[int, tuple[int, int]] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)
    assessed: list[Assessed] = field(default_factory=list)
    lead: str = ""
    unbiasable: str = ""

    @property
    def looked_at(self) -> list[Detection]:
        """The detections of the shortlist."""
        return [self.detections[place] for place in self.shortlist]

    def leave_unbiased(self, reason: str) -> None:
        """Refuse all that is on the shortlist."""
        self.unbiasable = reason
        self.refused |= dict.fromkeys(self.shortlist, reason)
        self.shortlist = []
