"""Small fine-tuning tasks on a tiny Whisper and tones."""

from pathlib import Path
from typing import Any

from harken.config import check
from harken.finetuning.task import AudioRows, FinetuneTask
from harken.settings import FinetuneSettings
from tests.tiny_speech import tone_rows, write_parts

TEXTS = [f"{noun}{colour}" for noun in ("包", "鞋", "bag") for colour in ("红", "黑", "green", "白")]
GENERAL_TEXTS = ["你好", "谢谢", "再见", "早安", "晚安"]


def tiny_task(model: Path, folder: Path, **changes: Any) -> FinetuneTask:
    """A task on 24 tones and 5 replay tones under `folder`; keyword arguments override settings."""
    settings: dict[str, Any] = {
        "epochs": 2,
        "batch_size": 6,
        "learning_rate": 0.01,
        "dev_fraction": 0.2,
        "checkpoint_every_steps": 3,
        "lora": {"rank": 4, "alpha": 8.0, "dropout": 0.1},
        "replay": {"per_synthetic": 0.4},
    }
    return FinetuneTask(
        model=str(model),
        language="zh",
        directory=folder / "finetune",
        settings=check(settings | changes, FinetuneSettings, "test"),
        synthetic=AudioRows(write_parts(folder / "synthetic", tone_rows(TEXTS * 2, "s"))),
        replay=AudioRows(write_parts(folder / "replay", tone_rows(GENERAL_TEXTS, "r", seconds=0.7))),
        seed=3,
    )
