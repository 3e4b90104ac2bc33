"""How the service has terms read, spoken and enrolled: the configuration of builds with the service's own models."""

import json
from pathlib import Path

from harken.config import load_config
from harken.glossary_settings import GlossarySettings
from serve.graph_settings import GraphSettings


def build_recipe(settings: GraphSettings, store: Path | None = None, terms: Path | None = None) -> GlossarySettings:
    """The configuration of `jobs.glossary` that makes the glossary in `store` of the list `terms`.

    Args:
        store: None for whoever only speaks and enrols; the run's other files go beside it, into work/.

    Raises:
        HarkenError: the configuration is missing or broken.
    """
    places: dict[str, Path | str] = {
        "model": _absolute(settings.models[settings.default_model].folder),
        "spotter": settings.glossary.spotter.absolute(),
        "search": settings.glossary.search_folder.absolute(),
    }
    if store is not None and terms is not None:
        places |= {"store": store, "run.output": store.parent / "work" / "run", "terms.path": terms}
    overrides = [f"{key}={json.dumps(str(value), ensure_ascii=False)}" for key, value in places.items()]
    if settings.builds.workers is not None:
        kinds = ("reader_workers", "speech_workers", "encoder_workers")
        overrides += [f"resources.{kind}={settings.builds.workers}" for kind in kinds]
    return load_config(settings.builds.config, overrides, GlossarySettings)


def _absolute(model: str) -> str:
    """A folder's absolute path; a hub id as it is."""
    return str(Path(model).absolute()) if Path(model).is_dir() else model
