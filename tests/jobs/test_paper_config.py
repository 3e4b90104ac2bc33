"""The paper's configuration is whole: it says what the paper says, and everything but weights and keys is there."""

from pathlib import Path

import pytest

from harken.config import load_config
from harken.settings import PipelineSettings
from jobs.labels import main as write_labels
from jobs.plan import Plan
from jobs.preflight import preflight

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def paper(*overrides: str) -> PipelineSettings:
    return load_config("configs/paper.yaml", overrides, PipelineSettings)


def test_it_says_what_the_paper_says() -> None:
    settings = paper()
    labels, finetune = settings.labels, settings.finetune
    assert settings.model == "openai/whisper-large-v2"
    assert (labels.writer, labels.sampling, labels.count) == ("llm", "paper", 10_000)
    assert (labels.sentences_per_prompt, labels.keywords_per_category) == (5, 8)
    assert (settings.speech.backend, settings.speech.max_seconds) == ("chattts", 30)
    assert settings.judge.threshold == 0.15
    assert (finetune.epochs, finetune.batch_size, finetune.learning_rate) == (5, 4, 1e-3)


def test_every_input_is_there_and_every_option_fits_its_backend(tmp_path: Path) -> None:
    # The embedded model stands for the weights; fewer labels need less of the disk.
    preflight(paper(f"run.output={tmp_path}", "model=models/nano", "labels.count=500"))


def test_its_stages_are_planned_without_a_key_or_weights(tmp_path: Path) -> None:
    names = [stage.name for stage in Plan(paper(f"run.output={tmp_path}")).stages()]
    assert names[:3] == ["drafts", "labels", "speech"]
    assert names[-1] == "evaluate"
    assert not list(tmp_path.iterdir())


def test_a_dry_run_tells_what_its_labels_would_cost_and_asks_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DEEPSEEK_API_KEY", raising=False)
    write_labels(paper(f"run.output={tmp_path}"), dry_run=True)
    assert "10000 labels in 10000 requests" in capsys.readouterr().out.replace(",", "")
    assert not list(tmp_path.iterdir())
