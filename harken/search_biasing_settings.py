"""The biased columns of an evaluation: which glossary is searched with which spotter, and how what is found biases."""

from pathlib import Path

from pydantic import Field, model_validator

from harken.biasing.settings import BiasingSettings
from harken.cascade_settings import CascadeSettings
from harken.config import Section
from harken.vad_settings import VadSettings


class SearchBiasingSettings(Section):
    """What makes the systems ``biased`` and ``adapted_biased`` of ``base`` and ``adapted``.

    Detections always come from the un-tuned model's encoder, as spotter and glossary do.
    """

    spotter: Path = Field(description="folder of the LHF or LH spotter on the encoder of `model`")
    search: Path | None = Field(None, description="folder of the search model; None: search/ in the spotter's folder")
    store: Path | None = Field(None, description="folder of a glossary that was made with these models")
    recipe: Path | None = Field(
        None,
        description="in place of a store: the configuration of jobs.glossary by which one is made. Voices, curation, "
        "bits and workers are its; models, terms and folders are the run's",
    )
    terms: Path | None = Field(None, description="list that the recipe is for; None: the run's own keywords")
    cascade: CascadeSettings = CascadeSettings()
    vad: VadSettings | None = Field(
        VadSettings(),
        description="windows of speech, as the service cuts them; null: whole recordings, cut at pauses as for the "
        "columns without biasing, so that nothing but the biasing differs",
    )
    rules: BiasingSettings = Field(BiasingSettings(), description="mechanisms and guards")

    @model_validator(mode="after")
    def _there_is_one_glossary(self) -> "SearchBiasingSettings":
        if (self.store is None) == (self.recipe is None):
            raise ValueError("give store, a glossary that exists, or recipe, by which one is made: one of them")
        if self.terms is not None and self.recipe is None:
            raise ValueError("terms has no effect without recipe: a store has its own")
        return self

    @property
    def search_folder(self) -> Path:
        """Where the search model is."""
        return self.search or self.spotter / "search"
