"""How speech is told from silence, and where windows are cut."""

from pydantic import Field, NonNegativeFloat, PositiveFloat

from harken.config import Fraction, Section


class VadSettings(Section):
    """When speech begins and ends. Times are in seconds."""

    threshold: Fraction = Field(0.5, description="probability from which on it is speech")
    release: Fraction = Field(0.35, description="probability below which speech ends")
    least_speech: NonNegativeFloat = Field(0.1, description="shorter bursts are none")
    least_silence: NonNegativeFloat = Field(0.25, description="shorter gaps are part of the speech")
    padding: NonNegativeFloat = Field(0.2, description="kept before and after speech")
    longest_pause: PositiveFloat = Field(1.0, description="a longer one is left out: the next window begins after it")
