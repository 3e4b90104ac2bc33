"""Shared by the tests of jobs: small settings, and one local Ray for the whole session."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from harken.config import load_config
from harken.settings import PipelineSettings

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def settings(tmp_path: Path) -> PipelineSettings:
    """The demo's settings with the output in a temporary folder."""
    return load_config(ROOT / "configs" / "demo.yaml", [f"run.output={tmp_path / 'run'}"], PipelineSettings)


@pytest.fixture(scope="session", autouse=True)
def local_ray_ends() -> Iterator[None]:
    """End the local Ray that a test started, if one did."""
    yield
    import ray

    if ray.is_initialized():
        ray.shutdown()
