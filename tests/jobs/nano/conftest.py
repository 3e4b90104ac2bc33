"""A nano run small enough to train in a test."""

from pathlib import Path

import pytest

from harken.config import load_config
from jobs.nano.settings import NanoConfig

ROOT = Path(__file__).resolve().parents[3]


def tiny_overrides(folder: Path) -> list[str]:
    return [
        f"output_directory={folder / 'run'}",
        f"model_directory={folder / 'model'}",
        f"text.domain={ROOT / 'examples' / 'luxury' / 'keywords.csv'}",
        "corpus={shards: 2, shard_size: 30, processes: 2, test_size: 4, silence: 0.1}",
        "model={width: 32, heads: 2, encoder_layers: 1, decoder_layers: 2, feed_forward: 64}",
        "training={minutes: 0.05, processes: 2, frames_per_batch: 600, ctc_only_minutes: 0.01,"
        " guided_attention_minutes: 0.01, checkpoint_minutes: 0.03, evaluate_every: 1}",
    ]


@pytest.fixture
def config(tmp_path: Path) -> NanoConfig:
    return load_config(ROOT / "configs" / "nano.yaml", tiny_overrides(tmp_path), NanoConfig)
