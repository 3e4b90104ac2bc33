"""One full run of `jobs.glossary`: the terms, who speaks them, what is kept of them and where."""

from pathlib import Path
from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator

from harken.cascade_settings import CascadeSettings
from harken.config import Section
from harken.settings import ClusterSettings, RunSettings
from harken.spotting_settings import EngineSettings

STORE = "store"
SEARCH_MODEL = "search"
RECORDINGS = "recordings"
"""What the user's own recordings are called among those of the engines."""


class TermSettings(Section):
    """The list of terms and how they are read."""

    path: Path = Field(description="CSV or TSV with a column term, JSONL, or a term a line (harken.glossary_terms)")
    language: str = Field("zh", description="Whisper's code, of terms that name none")
    skip_bad: bool = Field(False, description="leave bad lines out and report them, instead of refusing the list")
    pronunciations: Path | None = Field(None, description="CSV term,spoken for terms that a synthesizer misreads")
    acronyms: bool = Field(
        True, description="enrol a term with a run of capital letters twice: letter by letter, and read as a word"
    )


class CurationSettings(Section):
    """Which terms are flagged, and which are left out of the store."""

    least_phonemes: PositiveInt = Field(4, description="terms with fewer are flagged: they sound like too much else")
    most_common: NonNegativeInt = Field(
        2000, description="so many of the most frequent words of jieba's dictionary are blocked as terms; 0: none"
    )
    common_words: Path | None = Field(None, description="more words that are blocked as terms, one a line")
    allowed: Path | None = Field(None, description="terms that are never blocked, one a line")
    listed: PositiveInt = Field(200, description="of each finding in the report; the store's term table has all")


class EnrolmentResourceSettings(Section):
    """Where enrolment runs and how much at a time; no part of what comes out."""

    reader_workers: NonNegativeInt = Field(1, description="of readings; 0 works in the driver's process, without Ray")
    speech_workers: NonNegativeInt = Field(1, description="0 as above")
    encoder_workers: NonNegativeInt = Field(1, description="0 as above")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="of the encoder workers")
    encoder_gpus: float = Field(0.0, ge=0.0, description="share of a GPU Ray reserves for each encoder worker")
    rows_per_shard: PositiveInt = Field(500, description="what is lost at most when a worker is killed")


class GlossarySettings(Section):
    """A full run of `jobs.glossary`."""

    model: str = Field(description="the Whisper whose encoder listens: a folder or a hub id")
    spotter: Path = Field(description="folder of the LHF or LH spotter that compresses what it hears")
    search: Path | None = Field(None, description="folder of the search model; None: search/ in the spotter's folder")
    run: RunSettings
    cluster: ClusterSettings = ClusterSettings()
    store: Path | None = Field(None, description="folder of the glossary; None: store/ in run.output")
    terms: TermSettings
    curation: CurationSettings = CurationSettings()
    engines: dict[str, EngineSettings] = Field(
        min_length=1, description="every term is spoken by all engines of its language"
    )
    bits: Literal[8, 4] = Field(8, description="of a stored value")
    cascade: CascadeSettings = Field(CascadeSettings(), description="of `search`")
    resources: EnrolmentResourceSettings = EnrolmentResourceSettings()

    @field_validator("engines")
    @classmethod
    def _names_make_folders(cls, engines: dict[str, EngineSettings]) -> dict[str, EngineSettings]:
        for name in engines:
            if not name.replace("-", "").replace("_", "").isalnum() or name == RECORDINGS:
                raise ValueError(f"the name {name!r} stands in folders: use letters, digits, - and _, not {RECORDINGS}")
        return engines

    @property
    def store_folder(self) -> Path:
        """Where the glossary is."""
        return self.store or self.run.output / STORE

    @property
    def search_folder(self) -> Path:
        """Where the search model is."""
        return self.search or self.spotter / SEARCH_MODEL

    def speaks(self, engine: str, language: str) -> bool:
        """Whether an engine speaks the terms of a language."""
        languages = self.engines[engine].languages
        return not languages or language in languages
