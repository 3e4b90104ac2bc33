from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harken.config import check
from harken.finetuning.task import AudioRows, FinetuneTask
from harken.settings import FinetuneSettings
from tests.tiny_speech import tone_rows, write_parts
from tests.tiny_whisper import save_tiny_whisper

TEXTS = [f"{noun}{colour}" for noun in ("包", "鞋", "bag") for colour in ("红", "黑", "green", "白")]

MakeTask = Callable[..., FinetuneTask]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_whisper(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def make_task(tiny_model: Path, tmp_path: Path) -> MakeTask:
    """A task on tones; keyword arguments override settings."""
    synthetic = write_parts(tmp_path / "synthetic", tone_rows(TEXTS * 2, "s"))
    replay = write_parts(tmp_path / "replay", tone_rows(["你好", "谢谢", "再见", "早安", "晚安"], "r", seconds=0.7))

    def make(**changes: Any) -> FinetuneTask:
        settings: dict[str, Any] = {
            "epochs": 2,
            "batch_size": 6,
            "learning_rate": 0.01,
            "dev_fraction": 0.2,
            "checkpoint_every_steps": 3,
            "lora": {"rank": 4, "alpha": 8.0, "dropout": 0.1},
            "replay": {"per_synthetic": 0.4},
        }
        settings.update(changes)
        return FinetuneTask(
            model=str(tiny_model),
            language="zh",
            directory=tmp_path / "finetune",
            settings=check(settings, FinetuneSettings, "test"),
            synthetic=AudioRows(synthetic),
            replay=AudioRows(replay),
            seed=3,
        )

    return make
