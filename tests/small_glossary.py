"""An untrained spotter and search model for the embedded Whisper, and a list of a few terms: a glossary to be made."""

from pathlib import Path

import torch
import torch.nn.functional as F

from compression.calibration import Calibration
from compression.cohort import Cohort
from compression.encoder import read_encoder_shape
from compression.frames import Frames
from compression.search_model import SearchModel, untrained_parts
from compression.spotter import Spotter
from compression.storage import save_spotter
from harken.config import load_config
from harken.glossary_settings import GlossarySettings
from harken.search_settings import SearchModelSettings, SpanSettings
from harken.spotter_settings import (
    CompressionSettings,
    EnrolmentSettings,
    ProjectionSettings,
    SpotterSettings,
    VerifierSettings,
)

ROOT = Path(__file__).resolve().parents[1]
NANO = ROOT / "models" / "nano"
CONFIG = ROOT / "configs" / "glossary.yaml"


def save_models(folder: Path, seed: int = 0) -> Path:
    """Write a spotter, and in its folder search/ a search model that lets nearly all through; returns the folder."""
    settings = SpotterSettings(
        encoder=read_encoder_shape(str(NANO)),
        enrolment=EnrolmentSettings(trim_db=25),
        compression=CompressionSettings(
            variant="LHF", layers=(2, 3), projection=ProjectionSettings(hidden=32, size=16), centred=False
        ),
        verifier=VerifierSettings(keyword_seconds=2.0, crop_seconds=3.2, blocks=(1, 1), widths=(4, 8)),
    )
    spotter = Spotter(settings, seed).eval()
    save_spotter(spotter, folder)
    generator = torch.Generator().manual_seed(seed)
    shape = (3, 2, 60, settings.encoder.width)
    with torch.inference_mode():
        background = Frames(torch.randn(shape, generator=generator), torch.full((3,), 60))
        utterances = spotter.compress(background)[0].unstack()
    search_settings = SearchModelSettings(spans=SpanSettings(hidden=24, size=16))
    search = SearchModel(
        search_settings,
        spotter.fingerprint(),
        *untrained_parts(search_settings, spotter, seed),
        F.normalize(torch.randn(4, 16, generator=generator), dim=-1),
        Cohort.pack(utterances),
        Calibration((0.5, 1.0, 1.0, 0.0), -4.0, -1.0, -20.0, 64, 32),
    )
    search.save(folder / "search")
    return folder


def glossary_run(folder: Path, terms: Path, *more: str) -> GlossarySettings:
    """configs/glossary.yaml with two voices a term and models of `save_models` in ``folder / "models"``; no workers."""
    models = folder / "models"
    if not models.exists():
        save_models(models)
    overrides = [
        f"run.output={folder / 'run'}",
        f"model={NANO}",
        f"spotter={models}",
        f"terms.path={terms}",
        f"terms.pronunciations={ROOT / 'examples/luxury/pronunciations.csv'}",
        "engines.mandarin.recordings=2",
        "engines.english.recordings=2",
        "resources={reader_workers: 0, speech_workers: 0, encoder_workers: 0, rows_per_shard: 4}",
        *more,
    ]
    return load_config(CONFIG, overrides, GlossarySettings)
