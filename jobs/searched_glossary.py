"""The glossary that an evaluation searches: one that exists, or one that is made for the run.

Nothing heavy is imported here: a plan asks for fingerprints alone.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harken.config import load_config
from harken.digests import file_digest, manifest_digest, model_digest
from harken.errors import HarkenError
from harken.glossary_settings import STORE, GlossarySettings
from harken.glossary_terms import read_glossary
from harken.records import fingerprint
from harken.settings import PipelineSettings, SearchBiasingSettings
from harken.stages import Stage

# Raised by one when the same settings make another glossary.
REVISION = 1
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class SearchedGlossary:
    """Where a glossary is or will be.

    Attributes:
        folder: of the store.
        digest: of all that decides what a search of it finds, spotter and search model included.
        stage: that makes it; None: it exists.
        recipe: by which it is made.
        given: the version of one that exists; terms may be added while it is searched.
    """

    folder: Path
    digest: str
    stage: Stage | None = None
    recipe: GlossarySettings | None = None
    given: int | None = None

    @property
    def version(self) -> int:
        """The version to be searched; of one that is made it is known once the stage is complete."""
        if self.given is not None:
            return self.given
        assert self.stage is not None
        return int(self.stage.record()["version"])

    def complete(self) -> bool:
        """Whether it can be searched."""
        return self.stage is None or (self.stage.complete() and self.folder.is_dir())


def searched_glossary(settings: PipelineSettings) -> SearchedGlossary:
    """The glossary of the section `biasing`.

    Raises:
        HarkenError: a file that is missing or broken: of the spotter, the search model, the store or the recipe.
    """
    biasing = settings.biasing
    assert biasing is not None
    models = [*_files(biasing.spotter, "spotter"), *_files(biasing.search_folder, "search")]
    if biasing.store is not None:
        manifest = biasing.store / MANIFEST
        if not manifest.is_file():
            remedy = f"It holds no {MANIFEST}: give the folder that jobs.glossary build made, or biasing.recipe."
            raise HarkenError("biasing.store", str(biasing.store), remedy)
        digest = fingerprint("glossary", REVISION, file_digest(manifest), models)
        return SearchedGlossary(biasing.store, digest, given=_version(manifest))
    recipe = _recipe(settings, biasing, settings.run.output / "glossary")
    content = [model_digest(settings.model), models, *_content(recipe)]
    digest = fingerprint("glossary", REVISION, content, recipe.bits, settings.run.seed)
    stage = Stage.under(settings.run.output, "glossary", digest, 0)
    folder = stage.directory / STORE
    recipe = recipe.model_copy(update={"store": folder})
    return SearchedGlossary(folder, digest, stage, recipe)


def _recipe(settings: PipelineSettings, biasing: SearchBiasingSettings, output: Path) -> GlossarySettings:
    """The recipe with the run's models, keywords and folders."""
    keywords = settings.keywords
    values: dict[str, Any] = {
        "model": settings.model,
        "spotter": str(biasing.spotter),
        "search": str(biasing.search_folder),
        "run.output": str(output),
        "run.seed": settings.run.seed,
        "cluster": settings.cluster.model_dump(mode="json"),
        "store": None,
        "terms.path": str(biasing.terms or keywords.path),
        "terms.language": settings.decoding.language,
        "terms.pronunciations": str(keywords.pronunciations) if keywords.pronunciations else None,
    }
    overrides = [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    assert biasing.recipe is not None
    return load_config(biasing.recipe, overrides, GlossarySettings)


def _content(recipe: GlossarySettings) -> list[object]:
    """All that decides which entries a glossary has and how they are spoken; not where its stages run."""
    from jobs.keyword_sets import speech_content

    curation, terms = recipe.curation, recipe.terms
    files = (terms.pronunciations, curation.common_words, curation.allowed)
    engines = [
        (name, engine.languages, engine.recordings, speech_content(engine.speech))
        for name, engine in sorted(recipe.engines.items())
    ]
    rules = curation.model_dump(mode="json", exclude={"common_words", "allowed", "listed"})
    said = (terms.language, terms.skip_bad, terms.acronyms)
    # A recording that was replaced is another one; it counts by size and time.
    listed = manifest_digest(terms.path, read_glossary(terms.path, terms.skip_bad).recordings)
    return [said, rules, engines, listed, [file_digest(path) if path else None for path in files]]


def _files(folder: Path, stem: str) -> list[str]:
    """Digests of a model's two files."""
    return [file_digest(folder / f"{stem}.{suffix}") for suffix in ("json", "safetensors")]


def _version(manifest: Path) -> int:
    try:
        return int(json.loads(manifest.read_text(encoding="utf-8"))["version"])
    except (OSError, ValueError, KeyError, TypeError) as failure:
        raise HarkenError(
            "manifest of a glossary", str(manifest), f"It cannot be read ({failure}): make the glossary anew."
        ) from None
