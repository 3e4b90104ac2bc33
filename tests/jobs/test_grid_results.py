"""A grid whose stages are finished already: it makes nothing again, measures every cell and compares them."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from actors.judge import VERDICT_SCHEMA
from actors.speaker import SPEECH_SCHEMA
from actors.transcriber import HYPOTHESIS_SCHEMA
from harken.config import check
from harken.grid_settings import GridSettings
from harken.records import OK, write_json, write_parquet
from harken.stages import Stage
from jobs.cells import Cell, Cells
from jobs.grid import main
from tests.harken.report.document import Document

ROOT = Path(__file__).resolve().parents[2]
TAUGHT = ["想看birkin", "喜欢老花", "偏好小羊皮", "想要托特包"]
TESTED = ["喜欢birkin", "偏好老花", "喜欢老花"]
HEARD = {
    "base": ["喜欢比尔金", "偏好老化", "喜欢老花"],
    "taught": TESTED,
    "taught longer": ["喜欢birkin", "偏好老花花花花花", ""],
    "epochs 1": ["喜欢birkin", "偏好老化", "喜欢老花"],
}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GridSettings:
    monkeypatch.chdir(ROOT)
    for name, texts in (("taught", TAUGHT), ("tested", TESTED)):
        lines = (json.dumps({"id": f"{name}-{place}", "text": text}) for place, text in enumerate(texts))
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    given = ["labels.writer=given", f"labels.seeds={tmp_path / 'taught.jsonl'}", "labels.count=4"]
    tree = {
        "config": "configs/demo.yaml",
        "output": str(tmp_path / "grid"),
        "set": [
            f"evaluate.domain={tmp_path / 'tested.jsonl'}",
            "evaluate.general=null",
            "evaluate.bootstrap_samples=60",
            "finetune.replay.manifest=null",
            "finetune.epochs=4",
        ],
        "sets": {"notes": given},
        "variants": {
            "taught": {"train_on": ["notes"]},
            "taught longer": {"train_on": ["notes"], "set": ["finetune.epochs=9"]},
        },
        "comparisons": [["taught", "taught longer"], ["epochs 1", "taught"]],
        "sweeps": {"epochs": {"of": "taught", "key": "finetune.epochs", "values": [1]}},
    }
    return check(tree, GridSettings, "test")


def leave(stage: Stage, rows: Sequence[dict[str, Any]], schema: pa.Schema, **figures: Any) -> None:
    """What the stage's job would leave: its parts and its marker."""
    size = -(-len(rows) // max(stage.shards, 1))
    for shard in range(stage.shards):
        part = [dict.fromkeys(schema.names) | {"status": OK} | row for row in rows[shard * size : (shard + 1) * size]]
        write_parquet(stage.part(shard), part, schema)
    stage.finish(1.0, figures)


def spoken(name: str, texts: Sequence[str]) -> list[dict[str, Any]]:
    return [{"id": f"{name}-{n}", "text": text, "speaker": "a", "duration": 1.0} for n, text in enumerate(texts)]


def finish(cell: Cell, cells: Cells) -> None:
    """Leave what every stage of a cell would leave; the labels are made by their own job."""
    heard = [{"id": f"tested-{place}", "hypothesis": text} for place, text in enumerate(HEARD[cell.name])]
    for speech in cells.tests.values():
        leave(speech.stage, spoken("tested", TESTED), SPEECH_SCHEMA)
        leave(cell.hypotheses(speech), heard, HYPOTHESIS_SCHEMA)
    if not cell.trained:
        return
    (run,) = cell.plan.training
    leave(run.speech.stage, spoken("taught", TAUGHT), SPEECH_SCHEMA)
    unheard = [{"id": f"taught-{place}", "hypothesis": ""} for place in range(len(TAUGHT))]
    leave(run.hypotheses(run.speech, "base"), unheard, HYPOTHESIS_SCHEMA)
    kept = [row | {"verdict": "keep" if place else "reject"} for place, row in enumerate(unheard)]
    leave(run.verdicts, [{"id": row["id"], "verdict": row["verdict"]} for row in kept], VERDICT_SCHEMA)
    folder = cell.plan.finetune.directory
    write_json(folder / "curve.json", [{"step": 0, "dev_cer": 0.5}, {"step": 6, "dev_cer": 0.25}])
    write_json(folder / "facts.json", {"steps": 12})
    cell.plan.adapted_model().mkdir()
    leave(cell.plan.finetune, [], VERDICT_SCHEMA, facts={"steps": 12})


def test_finished_stages_are_measured_and_compared_and_not_made_again(
    settings: GridSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    cells = Cells(settings)
    for cell in cells.cells:
        finish(cell, cells)
    main(settings)
    printed = capsys.readouterr().out
    assert "speech: skipped" in printed
    assert "finetune: skipped" in printed

    found = json.loads((settings.output / "grid.json").read_text(encoding="utf-8"))
    systems = found["sets"]["domain"]["systems"]
    assert {name: parts["metrics"]["cer"]["value"] for name, parts in systems.items()} == {
        "base": pytest.approx(7 / 16),
        "taught": 0.0,
        "taught longer": pytest.approx(8 / 16),
        "epochs 1": pytest.approx(1 / 16),
    }
    assert systems["taught longer"]["metrics"]["loop_rate"]["value"] == pytest.approx(1 / 3)
    assert systems["taught"]["keyword_recall_by_category"]["LINES"] == {"recall": 1.0, "right": 2, "mentions": 2}
    taught = found["cells"][1]
    assert (taught["training"]["kept"], taught["training"]["spoken"]) == (3, 4)
    # 喜欢老花 is taught and tested: a given label that the judge of this test let pass.
    assert taught["training"]["said in tests"] == 1
    assert taught["curve"] == [{"epoch": 0.0, "cer": 0.5}, {"epoch": 2.0, "cer": 0.25}]
    assert [(pair["than"], pair["this"], pair["metrics"]["cer"]["value"]) for pair in found["comparisons"][-2:]] == [
        ("taught", "taught longer", pytest.approx(8 / 16)),
        ("epochs 1", "taught", pytest.approx(-1 / 16)),
    ]
    assert [(point["value"], point["row"], point["cer"]["value"]) for point in found["sweeps"]] == [
        (1, "epochs 1", pytest.approx(1 / 16)),
        (4, "taught", 0.0),
    ]
    assert "1 of its training sentences are also in a test set" in printed

    page = (settings.output / "grid.html").read_text(encoding="utf-8")
    heard = Document(page).one("worst").text
    # The best row has no error left, so its worst are the first ones.
    assert [heard.count(text) for text in ("tested-0", "tested-2", "taught longer")] == [1, 1, 0]
    (settings.output / "grid.html").unlink()
    main(settings)
    assert "grid: skipped, all 4 cells are there" in capsys.readouterr().out
    assert (settings.output / "grid.html").read_text(encoding="utf-8") == page


def test_a_row_that_does_not_pass_the_gate_on_general_speech_is_named(
    settings: GridSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # What the rows hear of the domain set stands for general sentences here: 7, 0, 8 and 1 of 16 characters wrong.
    general = [*settings.set, f"evaluate.general={tmp_path / 'tested.jsonl'}"]
    cells = Cells(settings.model_copy(update={"set": tuple(general)}))
    for cell in cells.cells:
        finish(cell, cells)
    main(cells.grid)
    found = json.loads((settings.output / "grid.json").read_text(encoding="utf-8"))
    assert list(found["forgot"]) == ["taught longer"]
    assert "0.438 -> 0.500 (+14.3%, at most +10%)" in found["forgot"]["taught longer"]
    assert "taught longer: forgetting gate FAILED" in capsys.readouterr().out
