"""A whole small run with all four columns, as a user runs it."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harken.records import read_parquet
from tests.jobs.test_pipeline import ROOT, arguments, kinds, pipeline, stages
from tests.small_run import DOMAIN_ROWS, GENERAL_ROWS, small

SYSTEMS = ["base", "adapted", "biased", "adapted_biased"]
BIASING = ["biasing.spotter=models/nano-spotter/LHF", "biasing.recipe=configs/glossary.yaml"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], str]:
    """The output folder of one run, its overrides, and what it printed."""
    folder = tmp_path_factory.mktemp("biased")
    overrides = [*small(folder), *BIASING, "evaluate.forgetting_limit=9"]
    run = pipeline(overrides)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-4000:]
    return folder / "run", overrides, run.stdout


def test_every_figure_is_there_for_every_system(finished: tuple[Path, list[str], str]) -> None:
    output, _, printed = finished
    summary, found = (
        json.loads((output / name).read_text(encoding="utf-8")) for name in ("summary.json", "evaluation.json")
    )
    assert list(summary) == SYSTEMS
    assert all("general_mer" in metrics for metrics in summary.values())
    assert summary["biased"]["keyword_recall"]["value"] > summary["base"]["keyword_recall"]["value"]
    for name, figures in found["sets"].items():
        assert list(figures["systems"]) == SYSTEMS
        assert list(figures["differences"]) == SYSTEMS[1:]
        than = {system: compared["than"] for system, compared in figures["comparisons"].items()}
        assert than == {"biased": "base", "adapted_biased": "adapted"}
        for counts in found["biasing"][name].values():
            assert counts["detected"] == counts["applied"] + counts["already right"] + counts["rejected"]
            assert counts["rejected"] == sum(counts["refused"].values())
    assert found["biasing"]["domain"]["biased"]["applied"] > 0
    table = (output / "evaluation.csv").read_text(encoding="utf-8-sig").splitlines()
    assert any(line.startswith("domain,biased,cer,,") for line in table)
    assert any(line.startswith("general,adapted_biased,mer,than adapted,") for line in table)
    for words in ("Adapted + biased", "of adapted", "Biased: forgetting gate"):
        assert words in printed


def test_the_rows_the_portraits_and_the_report_have_every_system(finished: tuple[Path, list[str], str]) -> None:
    output = finished[0]
    rows = read_parquet(next(output.glob("stages/evaluate-*/parts/part-00000.parquet")))
    assert len(rows) == DOMAIN_ROWS + GENERAL_ROWS
    assert all(row[f"{system}_hypothesis"] is not None for row in rows for system in SYSTEMS)
    portraits = read_parquet(output / "portraits.parquet")
    assert [row["system"] for row in portraits] == [
        system for system in ("reference", *SYSTEMS) for _ in range(DOMAIN_ROWS)
    ]
    page = (output / "report.html").read_text(encoding="utf-8")
    assert page.count('<mark class="biased"') > 1
    assert "from the glossary, probability 0." in page
    for words in ("Adapted + biased heard", "Base and with the glossary, domain set", "What became of the detected"):
        assert words in page


def test_a_second_run_makes_nothing_and_a_changed_search_only_what_it_touches(
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

    run = pipeline([*overrides, "biasing.cascade.probability=0.9"])
    assert run.returncode == 0, run.stderr[-3000:]
    touched = {f"hypotheses-{name}-{system}" for name in ("domain", "general") for system in SYSTEMS[2:]}
    portraits = {"portraits-biased", "portraits-adapted_biased", "portraits"}
    assert kinds(set(stages(output)) - set(before)) == touched | portraits | {"evaluate"}
