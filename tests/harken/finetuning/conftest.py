from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harken.finetuning.task import FinetuneTask
from tests.tiny_finetuning import tiny_task
from tests.tiny_whisper import save_tiny_whisper


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_whisper(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def make_task(tiny_model: Path, tmp_path: Path) -> Callable[..., FinetuneTask]:
    """Makes a small task; keyword arguments override settings."""

    def make(**changes: Any) -> FinetuneTask:
        return tiny_task(tiny_model, tmp_path, **changes)

    return make
