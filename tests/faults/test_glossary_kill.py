"""kill -9 while a glossary is enrolled: the rerun keeps what was finished and makes the store that nobody disturbed."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from compression.glossary.glossary import open_glossary
from tests.faults.driver import PATIENCE_SECONDS, ROOT, kill_when, parts
from tests.small_glossary import glossary_run

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600)]

TERMS = ["老花", "绣花", "香水", "皮带", "钱包", "手表", "项链", "大衣", "外套", "鞋子", "手提包", "speedy"]


def start(config: Path, log: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "jobs.glossary", "build", "--config", str(config)]
    with log.open("ab") as output:
        return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)


def configured(folder: Path, workers: int) -> Path:
    """A configuration of its own in a folder, two terms a part."""
    folder.mkdir()
    terms = folder / "terms.txt"
    terms.write_text("\n".join(TERMS) + "\n", encoding="utf-8")
    resources = dict.fromkeys(("reader_workers", "speech_workers", "encoder_workers"), workers)
    run = glossary_run(folder, terms, f"resources={resources | {'rows_per_shard': 2}}", "cluster.cpus=2")
    config = folder / "glossary.yaml"
    config.write_text(yaml.safe_dump(run.model_dump(mode="json"), allow_unicode=True), encoding="utf-8")
    return config


def stored(folder: Path) -> dict[str, bytes]:
    """What each term's first recording is stored as."""
    glossary = open_glossary(folder / "run" / "store")
    rows = range(len(glossary.entry_ids))
    owned = {glossary.entry(row).term: glossary.enrolments_of([row])[0][:1] for row in rows}
    return {term: glossary.frames(rows)[0].tobytes() for term, rows in owned.items()}


def killed_and_finished(folder: Path, workers: int, stages: tuple[str, ...]) -> None:
    config, output, log = configured(folder, workers), folder / "run", folder / "log"
    for stage in stages:
        process = start(config, log)
        kill_when(process, lambda stage=stage: len(parts(output, stage)) >= 2, f"two parts of {stage}")
        kept = parts(output, stage)
    process = start(config, log)
    assert process.wait(timeout=PATIENCE_SECONDS) == 0, log.read_text(encoding="utf-8")[-4000:]
    assert kept.items() <= parts(output, stages[-1]).items()
    assert set(stored(folder)) == set(TERMS)


@pytest.mark.slow
def test_a_killed_build_goes_on_with_ray(tmp_path: Path) -> None:
    killed_and_finished(tmp_path / "killed", 1, ("readings", "speech-mandarin", "enrolments-mandarin"))
    undisturbed = configured(tmp_path / "undisturbed", 0)
    assert start(undisturbed, tmp_path / "log").wait(timeout=PATIENCE_SECONDS) == 0
    assert stored(tmp_path / "killed") == stored(tmp_path / "undisturbed")


@pytest.mark.smoke
def test_a_killed_build_goes_on(tmp_path: Path) -> None:
    killed_and_finished(tmp_path / "killed", 0, ("speech-mandarin",))
