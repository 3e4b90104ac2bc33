"""Which pairs of a keyword and an utterance the spotter is trained on."""

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from harken.config import Fraction, Section


class SamplerSettings(Section):
    """The pairs that every utterance gets in every epoch: terms said in it, and terms that are not.

    'prefix', 'suffix', 'phonemes' and 'containment' count negatives that are easily taken for a term that was said.
    """

    positives: PositiveInt = Field(2, description="recordings of terms that the utterance says")
    random: NonNegativeInt = Field(1, description="terms drawn from the whole inventory")
    prefix: NonNegativeInt = Field(1, description="neighbours of a said term in the sorted inventory")
    suffix: NonNegativeInt = Field(1, description="the same, sorted by the spelling read backwards")
    phonemes: NonNegativeInt = Field(1, description="terms a few phonemes away from a said term")
    containment: NonNegativeInt = Field(1, description="terms that begin or end with a said term, or the reverse")
    sigma: PositiveFloat = Field(5.0, description="standard deviation, in ranks, of prefix and suffix neighbours")
    phoneme_distance: PositiveInt = Field(2, description="phonemes that may differ at most in 'phonemes'")
    natural_share: Fraction = Field(
        0.5, description="share of keyword recordings that are cut from utterances instead of synthesized"
    )
    seed: int = 0

    @model_validator(mode="after")
    def _negatives_are_there(self) -> "SamplerSettings":
        if not (self.random or self.prefix or self.suffix or self.phonemes or self.containment):
            raise ValueError("every pair would be positive: give at least one of random, prefix, suffix, phonemes")
        return self


def paper_sampler() -> SamplerSettings:
    """The second paper's code: one positive and three negatives an utterance, recordings half and half."""
    return SamplerSettings(positives=1, phonemes=0, containment=0)
