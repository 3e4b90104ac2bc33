"""Grids: what the cells share, what is refused, and a small one run as a user runs it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from harken.config import check, load_config
from harken.errors import HarkenError
from harken.grid_settings import GridSettings
from harken.report.grid_console import difference
from jobs.cells import Cells
from jobs.grid import result_stage
from tests.harken.report.document import Document
from tests.small_run import DOMAIN_ROWS, GENERAL_ROWS, head, small

ROOT = Path(__file__).resolve().parents[2]
METRICS = {"cer", "cer_cn", "cer_oth", "wer", "mer", "ier", "keyword_recall", "insertion_rate", "loop_rate"}


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def demo(*overrides: str) -> Cells:
    return Cells(load_config("configs/grid-demo.yaml", overrides, GridSettings))


def test_every_cell_of_the_demo_shares_what_it_has_in_common() -> None:
    cells = {cell.name: cell for cell in demo("set=[labels.count=280, finetune.epochs=4]").cells}
    a, b, both, paper = (cells[name].plan for name in ("house A", "house B", "A + B", "A + B, paper"))
    assert a.training[0].speech.stage != b.training[0].speech.stage
    assert [run.verdicts for run in both.training] == [a.training[0].verdicts, b.training[0].verdicts]
    assert len({plan.finetune.fingerprint for plan in (a, b, both, paper)}) == 4
    # Another judge, the same labels and speech, and what was heard of it.
    assert paper.training[0].verdicts != a.training[0].verdicts
    heard = [run.hypotheses(run.speech, "base") for run in (paper.training[0], a.training[0])]
    assert heard[0] == heard[1]
    # The general sentences are spoken in the variant's voices, whatever voices its training sets have.
    assert a.replay is not None
    assert cells["real 100"].plan.replay == a.replay


def test_a_sweep_makes_a_row_of_every_value_and_a_curve_with_the_variants_own() -> None:
    cells = demo("set=[labels.count=280, finetune.epochs=4]")
    by_name = {cell.name: cell for cell in cells.cells}
    own, two = by_name["real 100"].plan, by_name["real 100, epochs 2"].plan
    assert two.settings.finetune.epochs == 2
    assert [run.verdicts for run in two.training] == [run.verdicts for run in own.training]
    assert two.finetune != own.finetune
    assert [(point.variant, point.value, point.cell.name) for point in cells.points] == [
        ("real 100", 2, "real 100, epochs 2"),
        ("real 100", 4, "real 100"),
        ("real 100", 12, "real 100, epochs 12"),
    ]


def test_a_sweep_of_several_variants_names_them_and_does_a_value_that_one_has_once() -> None:
    cells = demo("sweeps={rate: {of: [house A, house B], key: finetune.learning_rate, values: [2.7e-3, 1.0e-4]}}")
    assert [(point.variant, point.value, point.cell.name) for point in cells.points] == [
        (house, value, f"{house}, rate {value:g}") for house in ("house A", "house B") for value in (1e-4, 2.7e-3)
    ]
    by_name = {cell.name: cell.plan for cell in cells.cells}
    assert by_name["house A, rate 0.0027"].finetune == by_name["house A"].finetune


def test_the_example_sweeps_the_ratio_of_real_to_synthetic() -> None:
    cells = Cells(load_config("configs/grid-sweep.yaml", [], GridSettings))
    assert [point.cell.plan.settings.finetune.real.per_synthetic for point in cells.points] == [0.1, 0.25, 0.5]
    assert len({cell.plan.finetune.fingerprint for cell in cells.cells if cell.trained}) == 5


def test_a_set_keeps_its_own_settings_in_every_variant() -> None:
    cells = {cell.name: cell for cell in demo("variants.A + B + real 100.set=[labels.count=7]").cells}
    houses = cells["A + B + real 100"].plan.training
    assert [run.settings.labels.count for run in houses] == [7, 7, 100]


def test_the_results_depend_on_every_cell_and_on_how_it_is_measured() -> None:
    found = {
        result_stage(demo(*overrides)).fingerprint
        for overrides in ([], ["variants.house A.set=[finetune.epochs=1]"], ["comparisons=[]"], ["tests={}"])
    }
    assert len(found) == 4
    where = "set=[labels.count=280, speech.workers=1]"
    assert result_stage(demo(where)).fingerprint == result_stage(demo()).fingerprint


def test_several_models_make_rows_of_their_own() -> None:
    cells = demo("models={small: models/nano, large: openai/whisper-large-v2}").cells
    names = [cell.name for cell in cells]
    assert names[0] == "small"
    assert {"large", "small-A + B", "large-A + B"} <= set(names)
    by_name = {cell.name: cell.plan for cell in cells}
    small, large = by_name["small-A + B"], by_name["large-A + B"]
    assert small.training[0].speech.stage == large.training[0].speech.stage
    assert small.training[0].verdicts != large.training[0].verdicts


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("variants.A + B.train_on=[house C]", ["house C", "A + B"]),
        ("comparisons=[[base, nobody]]", ["nobody"]),
        ("sweeps.one={of: base, key: finetune.epochs, values: [1]}", ["sweeps.one", "base"]),
        ("sweeps.one={of: house A, key: finetune.epohcs, values: [1]}", ["finetune.epohcs", "finetune.epochs"]),
        ("sweeps.one={of: house A, key: finetune.epochs, values: [1.5]}", ["finetune.epochs", "1.5"]),
        ("sweeps.one={of: house A, key: finetune.epochs, values: [2, 2]}", ["sweeps.one.values", "twice"]),
        ("sweeps.one={of: house A, key: model, values: [2]}", ["sweeps.one.key", "model"]),
        ("sweeps.one={of: house A, key: run.seed, values: [2]}", ["run.seed", "alike"]),
        ("sweeps.one={of: house A, key: finetune.workers, values: [1, 3]}", ["sweeps.one.key", "changes nothing"]),
        ("sweeps.one={of: real 100, key: labels.count, values: [5, 9]}", ["labels.count", "changes nothing"]),
        ("sweeps.real 100={of: real 100, key: finetune.epochs, values: [3]}\nvariants.real 100 3=[]", ["real 100 3"]),
        ("variants.base=[]", ["base"]),
        ("variants.one=[run.output=elsewhere]", ["run.output", "output"]),
        ("variants.one=[evaluate.bootstrap_samples=3]", ["evaluate.bootstrap_samples", "alike"]),
        ("variants.one=[labels.cuont=3]", ["labels.cuont", "labels.count"]),
        ("variants.a/b=[]", ["a/b"]),
        ("tests.general={manifest: x.jsonl}", ["general"]),
        ("tests.field.voices.speakers=[cmn+f1]", ["cmn+f1", "unheard"]),
        (
            "variants.one=[finetune.real.manifest=examples/luxury/real_notes.jsonl, "
            "'finetune.real.voices={speakers: [cmn+Diogo]}']",
            ["cmn+Diogo", "one", "unheard"],
        ),
        ("varaints={}", ["varaints", "variants"]),
    ],
)
def test_bad_settings_are_one_clear_error(override: str, parts: list[str]) -> None:
    with pytest.raises(HarkenError) as refused:
        demo(*override.split("\n"))
    for part in parts:
        assert part in str(refused.value)


def test_a_list_of_overrides_is_a_variant() -> None:
    tree = {"config": "configs/demo.yaml", "output": "x", "variants": {"plain": [], "short": ["finetune.epochs=1"]}}
    settings = check(tree, GridSettings, "test")
    assert settings.variants["short"].set == ("finetune.epochs=1",)
    cells = Cells(settings).cells
    assert [cell.name for cell in cells] == ["base", "plain", "short"]
    assert cells[1].plan.training == (cells[1].plan,)


def test_a_difference_is_marked_by_its_interval() -> None:
    assert difference({"value": -0.1, "low": -0.2, "high": -0.05}) == "-0.100 [-0.200, -0.050]*"
    assert difference({"value": -0.1, "low": -0.2, "high": 0.0}) == "-0.100 [-0.200, +0.000]~"
    assert difference({"value": None, "low": None, "high": None}) == "n/a"


def grid(path: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "jobs.grid", "--config", str(path)]
    for override in overrides:
        command += ["--set", override]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=800, check=False)


def small_grid(folder: Path) -> Path:
    """A grid over the small pipeline: own labels, given ones, and a variant whose training cannot begin."""
    output, *overrides = small(folder)
    given = head(ROOT / "examples/luxury/real_notes.jsonl", folder / "given.jsonl", 6)
    tree = {
        "config": "configs/demo.yaml",
        "output": output.removeprefix("run.output="),
        "set": [*overrides, "labels.count=8", "finetune.epochs=1", "judge.threshold=9"],
        "sets": {
            "written": [],
            "given": ["labels.writer=given", f"labels.seeds={given}", "labels.count=5"],
        },
        "variants": {
            "both": {"train_on": ["written", "given"]},
            "broken": {"train_on": ["written"], "set": ["finetune.lora.targets=[nothing]"]},
        },
        "comparisons": [["broken", "both"]],
        "sweeps": {"epochs": {"of": "both", "key": "finetune.epochs", "values": [2]}},
    }
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump(tree), encoding="utf-8")
    return path


def markers(output: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in output.glob("stages/*/stage.json")}


@pytest.mark.slow
def test_a_grid_goes_on_past_a_failure_and_is_finished_later(tmp_path: Path) -> None:
    path, output = small_grid(tmp_path), tmp_path / "run"
    run = grid(path)
    assert run.returncode == 2, run.stdout[-3000:] + run.stderr[-3000:]
    assert "Traceback" not in run.stderr
    assert "'broken'" in run.stderr
    assert "broken: failed: finetune.lora.targets" in run.stdout

    found = json.loads((output / "grid.json").read_text(encoding="utf-8"))
    assert [(cell["name"], cell["status"]) for cell in found["cells"]] == [
        ("base", "ok"),
        ("both", "ok"),
        ("broken", "failed"),
        ("epochs 2", "ok"),
    ]
    assert found["cells"][1]["training"]["sets"] == {"written": 8, "given": 5}
    assert {name: figures["utterances"] for name, figures in found["sets"].items()} == {
        "domain": DOMAIN_ROWS,
        "general": GENERAL_ROWS,
    }
    for figures in found["sets"].values():
        assert list(figures["systems"]) == ["base", "both", "epochs 2"]
        assert set(figures["systems"]["both"]["metrics"]) >= METRICS
    assert [(pair["this"], pair["than"], pair["test"]) for pair in found["comparisons"]] == [
        ("both", "base", "domain"),
        ("both", "base", "general"),
        ("epochs 2", "base", "domain"),
        ("epochs 2", "base", "general"),
    ]
    assert found["pairs"]["base"]["both"]["value"] == -found["pairs"]["both"]["base"]["value"]
    assert [(point["test"], point["value"], point["row"]) for point in found["sweeps"]] == [
        (test, value, row) for test in ("domain", "general") for value, row in ((1, "both"), (2, "epochs 2"))
    ]
    for word in ("both", "broken: failed", "CER_cn", "SERIES", "words (jieba)"):
        assert word in run.stdout

    with (output / "grid.csv").open(encoding="utf-8-sig") as lines:
        table = list(csv.DictReader(lines))
    (cer,) = [row for row in table if (row["set"], row["system"], row["metric"]) == ("domain", "both", "cer")]
    assert float(cer["value"]) == found["sets"]["domain"]["systems"]["both"]["metrics"]["cer"]["value"]
    assert cer["p"]
    page = Document((output / "grid.html").read_text(encoding="utf-8"))
    assert len(page.all("svg")) > 4
    assert "broken" in page.one("training").text

    before = markers(output)
    again = grid(path, "variants.broken.set=[]")
    assert again.returncode == 0, again.stderr[-3000:]
    after = markers(output)
    assert before.items() <= after.items()
    made = {name.rsplit("-", 1)[0] for name in set(after) - set(before)}
    assert made == {"finetune", "hypotheses-domain-adapted", "hypotheses-general-adapted", "grid"}
    third = grid(path, "variants.broken.set=[]")
    assert third.returncode == 0
    assert "skipped" in third.stdout
    assert markers(output) == after
