"""The whole service on a local Ray with the embedded Whisper, an untrained spotter, and a free port."""

import socket
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
from harken.search_settings import SearchModelSettings, SpanSettings
from harken.spotter_settings import (
    CompressionSettings,
    EnrolmentSettings,
    ProjectionSettings,
    SpotterSettings,
    VerifierSettings,
)
from serve.graph_settings import GraphSettings

ROOT = Path(__file__).resolve().parents[1]
NANO = ROOT / "models" / "nano"
PATIENCE = 600.0


def save_models(folder: Path, seed: int = 0) -> Path:
    """Write a spotter and, in search/, a search model that goes by paths alone and lets nearly all of them through."""
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
    with torch.inference_mode():
        noise = torch.randn(3, 2, 60, settings.encoder.width, generator=generator)
        background = spotter.compress(Frames(noise, torch.full((3,), 60)))[0].unstack()
    spans = SearchModelSettings(spans=SpanSettings(hidden=24, size=16))
    SearchModel(
        spans,
        spotter.fingerprint(),
        *untrained_parts(spans, spotter, seed),
        F.normalize(torch.randn(4, 16, generator=generator), dim=-1),
        Cohort.pack(background),
        Calibration((1.0, 0.0, 0.0, 0.0), 0.0, -1.0, -1000.0, 64, 32),
    ).save(folder / "search")
    return folder


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


CONFIG = ROOT / "configs" / "serve.yaml"


def service_overrides(folder: Path) -> list[str]:
    """What makes configs/serve.yaml a service with its data and untrained models in a folder, and time for machines
    that do much else."""
    models = folder / "models"
    if not models.exists():
        save_models(models)
    return [
        f"service.data={folder / 'data'}",
        f"service.listen.port={free_port()}",
        f"service.request_seconds={PATIENCE}",
        f"models.nano.folder={NANO}",
        f"glossary.spotter={models}",
        f"glossary.deadline_seconds={PATIENCE / 2}",
        f"builds.config={ROOT / 'configs/glossary.yaml'}",
        "transcriber.threads=1",
        # The untrained search is sure of nothing.
        "glossary.cascade.probability=0",
    ]


def service_settings(folder: Path, *more: str) -> GraphSettings:
    """The same as settings; `more` are overrides."""
    return load_config(CONFIG, [*service_overrides(folder), *more], GraphSettings)
