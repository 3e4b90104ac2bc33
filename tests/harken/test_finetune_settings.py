"""The two recipes, and that a resolved configuration can be read again."""

from pathlib import Path

import pytest
import yaml

from harken.config import check, dump_yaml, load_config
from harken.finetune_settings import FinetuneSettings
from harken.settings import PipelineSettings

ROOT = Path(__file__).resolve().parents[2]


def recipe(name: str) -> FinetuneSettings:
    return load_config(ROOT / "configs" / f"{name}.yaml", [], PipelineSettings).finetune


def test_the_papers_recipe() -> None:
    paper = recipe("paper")
    assert (paper.epochs, paper.batch_size, paper.learning_rate) == (5, 4, 1e-3)
    assert (paper.schedule, paper.warmup_steps, paper.weight_decay) == ("linear", 50, 0.0)
    assert (paper.lora.variant, paper.lora.rank, paper.lora.alpha, paper.lora.dropout) == ("lora", 32, 64, 0.05)
    assert paper.masks.probability == 0.0
    assert paper.replay.per_synthetic == 0.0
    assert paper.real.manifest is None
    assert paper.keyword_weight == 1.0
    assert paper.selection.weights == "last"


def test_the_default_recipe() -> None:
    default = FinetuneSettings()
    assert default.learning_rate == 1e-4
    assert set(default.lora.targets) == {"q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"}
    assert default.warmup_fraction == 0.1
    assert default.bucketing
    assert default.masks.probability == 1.0


@pytest.mark.parametrize("name", ["demo", "paper"])
def test_a_resolved_recipe_is_the_recipe(name: str) -> None:
    settings = recipe(name)
    assert check(yaml.safe_load(dump_yaml(settings)), FinetuneSettings, "resolved") == settings
