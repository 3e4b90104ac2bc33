"""Exports of a fine-tuned tiny model for other runtimes, each checked against the merged model."""

import json
from pathlib import Path

import pytest

from actors.judge import KEEP, VERDICT_SCHEMA
from harken.config import load_config
from harken.errors import GateError, HarkenError
from harken.finetuning.export import export
from harken.finetuning.learner import Learner
from harken.finetuning.selection import select
from harken.finetuning.workers import Workers
from harken.records import write_parquet
from harken.settings import PipelineSettings
from harken.whisper import load_whisper
from jobs.export_model import _check, export_model
from jobs.finetune import finetune_task
from jobs.plan import Plan
from tests.tiny_finetuning import TEXTS
from tests.tiny_speech import SCHEMA, tone_rows
from tests.tiny_whisper import save_tiny_whisper

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export-model")


def plan(folder: Path, *overrides: str) -> Plan:
    base = [
        f"run.output={folder / 'run'}",
        f"model={folder / 'tiny'}",
        f"labels.count={len(TEXTS)}",
        f"labels.rows_per_shard={len(TEXTS)}",
        "finetune={epochs: 2, batch_size: 6, learning_rate: 0.01, dev_fraction: 0.3, lora: {rank: 4}}",
        "decoding.max_new_tokens=12",
    ]
    return Plan(load_config(ROOT / "configs/demo.yaml", [*base, *overrides], PipelineSettings))


@pytest.fixture(scope="module")
def tuned(folder: Path) -> Path:
    """A run whose fine-tuning is complete."""
    save_tiny_whisper(folder / "tiny")
    made = plan(folder)
    rows = tone_rows(TEXTS, "row")
    write_parquet(made.speech.stage.part(0), rows, SCHEMA)
    blank = dict.fromkeys(VERDICT_SCHEMA.names)
    verdicts = [blank | {"id": row["id"], "status": "ok", "verdict": KEEP} for row in rows]
    write_parquet(made.verdicts.part(0), verdicts, VERDICT_SCHEMA)
    learner = Learner(finetune_task(made), Workers(), "cpu")
    list(learner.run())
    select(learner)
    export(learner, made.finetune.directory)
    made.finetune.finish(1.0)
    return folder


def test_adapter_and_merged_model_hear_the_same(tuned: Path) -> None:
    written = export_model(plan(tuned, "model_export.formats=[adapter,transformers]"))
    record = json.loads((written / "export.json").read_text())
    assert record["utterances"] == 4
    assert record["formats"]["adapter"]["cer"] == record["formats"]["transformers"]["cer"] == record["cer"]
    assert load_whisper(str(written / "transformers"), "cpu").window_seconds == 2
    assert (written / "adapter" / "adapter_config.json").is_file()
    with pytest.raises(HarkenError, match="It is there already"):
        export_model(plan(tuned, "model_export.formats=[adapter]"))


def test_ctranslate2_is_checked_and_says_what_faster_whisper_cannot(tuned: Path) -> None:
    pytest.importorskip("ctranslate2")
    target = tuned / "fast"
    export_model(plan(tuned, f"model_export.folder={target}", "model_export.quantization=float32"))
    record = json.loads((target / "export.json").read_text())
    assert abs(record["formats"]["ctranslate2"]["cer"] - record["cer"]) <= 0.05
    assert "faster-whisper cannot run a 2 s window" in record["formats"]["ctranslate2"]["remarks"][0]
    assert (target / "ctranslate2" / "model.bin").is_file()


def test_a_format_that_hears_worse_is_no_export() -> None:
    _check("ctranslate2", (101, 2000), (100, 2000), 0.0)
    _check("ctranslate2", (102, 2000), (100, 2000), 0.001)
    with pytest.raises(GateError, match=r"0\.0515.*0\.0500"):
        _check("ctranslate2", (103, 2000), (100, 2000), 0.001)


def test_an_unfinished_fine_tuning_is_named(folder: Path, tmp_path: Path) -> None:
    save_tiny_whisper(folder / "tiny")
    with pytest.raises(HarkenError, match=r"jobs\.finetune"):
        export_model(plan(folder, f"run.output={tmp_path}"))
