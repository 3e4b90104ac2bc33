"""The adapt pipeline end to end at a small scale, run as a user runs it."""

import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from harken.records import read_parquet
from tests.small_run import DOMAIN_ROWS, GENERAL_ROWS, ROWS_PER_SHARD, small

ROOT = Path(__file__).resolve().parents[2]
METRICS = {"cer", "cer_cn", "cer_oth", "wer", "wer_cn", "wer_oth", "mer", "ier", "keyword_recall"}


def pipeline(overrides: list[str], job: str = "pipeline") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", f"jobs.{job}", "--config", "configs/demo.yaml"]
    for override in overrides:
        command += ["--set", override]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False)


def stages(output: Path) -> dict[str, int]:
    """The finished stages by folder name with the time of their marker."""
    return {marker.parent.name: marker.stat().st_mtime_ns for marker in output.glob("stages/*/stage.json")}


def kinds(folders: set[str]) -> set[str]:
    return {folder.rsplit("-", 1)[0] for folder in folders}


class Resources(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if (name == "src" or (name == "href" and tag == "link")) and value:
                self.found.append(value)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], str]:
    """One small run that the tests below look at: its output folder, its overrides, and what it printed."""
    folder = tmp_path_factory.mktemp("pipeline")
    overrides = small(folder)
    run = pipeline(overrides)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    return folder / "run", overrides, run.stdout


@pytest.mark.smoke
def test_the_summary_keeps_its_promise(finished: tuple[Path, list[str], str]) -> None:
    summary = json.loads((finished[0] / "summary.json").read_text(encoding="utf-8"))
    assert set(summary) == {"base", "adapted"}
    for metrics in summary.values():
        assert set(metrics) >= METRICS
        for interval in metrics.values():
            assert set(interval) == {"value", "low", "high"}
            if interval["value"] is not None:
                assert interval["low"] <= interval["value"] <= interval["high"]


@pytest.mark.smoke
def test_the_table_and_the_report_path_are_printed(finished: tuple[Path, list[str], str]) -> None:
    output, _, printed = finished
    assert str(output / "report.html") in printed.replace("\n", "")
    for name in ("CER", "WER", "MER", "IER"):
        assert name in printed


@pytest.mark.smoke
def test_the_figures_are_left_for_other_programs(finished: tuple[Path, list[str], str]) -> None:
    output = finished[0]
    summary, found = (
        json.loads((output / name).read_text(encoding="utf-8")) for name in ("summary.json", "evaluation.json")
    )
    assert set(found["sets"]) == {"domain", "general"}
    adapted = found["sets"]["domain"]["systems"]["adapted"]
    assert adapted["metrics"]["cer"] == summary["adapted"]["cer"]
    assert set(adapted["ier_by_segmenter"]) == set(found["segmenters"]) == {"jieba"}
    table = (output / "evaluation.csv").read_text(encoding="utf-8-sig").splitlines()
    assert any(line.startswith("domain,adapted,keyword_recall,SERIES,") for line in table)


@pytest.mark.smoke
def test_the_report_needs_nothing_else(finished: tuple[Path, list[str], str]) -> None:
    page = (finished[0] / "report.html").read_text(encoding="utf-8")
    resources = Resources()
    resources.feed(page)
    assert resources.found
    assert all(resource.startswith(("data:", "#")) for resource in resources.found)
    assert page.count("data:audio") == DOMAIN_ROWS + ROWS_PER_SHARD


@pytest.mark.smoke
def test_every_output_says_what_made_it(finished: tuple[Path, list[str], str]) -> None:
    for folder in (finished[0] / "stages").iterdir():
        assert (folder / "config.yaml").exists(), folder
        assert json.loads((folder / "provenance.json").read_text(encoding="utf-8"))["git_revision"]


@pytest.mark.smoke
def test_the_evaluated_rows_are_there(finished: tuple[Path, list[str], str]) -> None:
    part = next((finished[0] / "stages").glob("evaluate-*/parts/part-00000.parquet"))
    rows = read_parquet(part)
    assert [row["set"] for row in rows] == ["domain"] * DOMAIN_ROWS + ["general"] * GENERAL_ROWS
    assert all(row["base_hypothesis"] is not None and row["adapted_hypothesis"] is not None for row in rows)


@pytest.mark.smoke
def test_the_portraits_are_in_a_table_and_in_the_report(finished: tuple[Path, list[str], str]) -> None:
    output, _, printed = finished
    rows = read_parquet(output / "portraits.parquet")
    assert [row["system"] for row in rows] == [
        system for system in ("reference", "base", "adapted") for _ in range(DOMAIN_ROWS)
    ]
    assert any(row["suggestions"] for row in rows)
    assert "Label F1" in printed
    assert 'id="portraits"' in (output / "report.html").read_text(encoding="utf-8")


@pytest.mark.smoke
def test_a_second_run_skips_everything_and_loads_neither_ray_nor_torch(
    finished: tuple[Path, list[str], str],
) -> None:
    output, overrides, _ = finished
    before = stages(output)
    code = (
        "import sys; from jobs.cli import run_job; from jobs.pipeline import main; "
        "from harken.settings import PipelineSettings; "
        f"code = run_job(main, PipelineSettings, '', {arguments(overrides)!r}); "
        "print('LOADED', sorted({'ray', 'torch', 'transformers'} & set(sys.modules))); sys.exit(code)"
    )
    again = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert "LOADED []" in again.stdout
    assert stages(output) == before


def arguments(overrides: list[str]) -> list[str]:
    return ["--config", "configs/demo.yaml", *(word for override in overrides for word in ("--set", override))]


@pytest.mark.slow
def test_a_changed_setting_reruns_what_it_touches(finished: tuple[Path, list[str], str], tmp_path: Path) -> None:
    source, overrides, _ = finished
    output = tmp_path / "run"
    shutil.copytree(source, output)
    before = stages(output)
    changed = [f"run.output={output}" if override.startswith("run.output") else override for override in overrides]
    run = pipeline([*changed, "evaluate.bootstrap_samples=60"])
    assert run.returncode == 0, run.stderr[-3000:]
    assert kinds(set(stages(output)) - set(before)) == {"portraits", "evaluate"}
    run = pipeline([*changed, "judge.threshold=2.0"])
    assert run.returncode == 0, run.stderr[-3000:]
    new = kinds(set(stages(output)) - set(before))
    heard = {"hypotheses-domain-adapted", "hypotheses-general-adapted"}
    assert new == {"verdicts", "finetune", *heard, "portraits-adapted", "portraits", "evaluate"}


@pytest.mark.parametrize(
    ("override", "parts"),
    [
        ("keywords.path=absent.csv", ["absent.csv", "exist"]),
        ("labels.seeds=absent.jsonl", ["absent.jsonl", "exist"]),
        ("speech.voices.speakers=[cmn+nobody]", ["cmn+nobody"]),
        ("model=examples/luxury", ["examples/luxury"]),
        ("keywords.categories=[BRAND]", ["SERIES"]),
        ("evaluate.domain=absent.jsonl", ["absent.jsonl"]),
        ("keywords.pronunciations=absent.csv", ["absent.csv"]),
        ("portraits.products=absent.csv", ["absent.csv"]),
        ("portraits.labels=examples/luxury/keywords.csv", ["keywords.csv", "label"]),
        ("portraits.columns.brand=BRANT", ["BRANT", "BRAND"]),
        ("labels.cuont=3", ["labels.cuont", "labels.count"]),
        ("run.output=/proc/nowhere", ["/proc"]),
    ],
)
def test_bad_input_is_one_clear_error_before_anything_runs(tmp_path: Path, override: str, parts: list[str]) -> None:
    run = pipeline([f"run.output={tmp_path / 'run'}", override])
    assert run.returncode == 2, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    for part in parts:
        assert part in run.stderr
    assert not (tmp_path / "run" / "stages").exists()


def test_an_empty_keyword_file_and_a_bare_seed_are_named(tmp_path: Path) -> None:
    empty, bare = tmp_path / "empty.csv", tmp_path / "bare.jsonl"
    empty.write_text("term,category\n", encoding="utf-8")
    bare.write_text('{"id": "s1", "text": "今天天气很好"}\n', encoding="utf-8")
    run = pipeline([f"run.output={tmp_path / 'run'}", f"keywords.path={empty}"], "labels")
    assert run.returncode == 2
    assert "empty.csv" in run.stderr
    run = pipeline([f"run.output={tmp_path / 'run'}", f"labels.seeds={bare}"], "labels")
    assert run.returncode == 2
    assert "s1" in run.stderr
    assert "今天天气很好" in run.stderr
