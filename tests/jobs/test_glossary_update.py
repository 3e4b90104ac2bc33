"""`jobs.glossary update`: only what is new is spoken, and the store is what a build of the same list makes."""

import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from compression.glossary.glossary import Glossary, open_glossary
from harken.audio import SAMPLE_RATE
from harken.errors import HarkenError
from harken.glossary_settings import GlossarySettings
from harken.records import read_parquet
from jobs.glossary import add, build, compact
from jobs.glossary_enrolled import VOICES
from jobs.glossary_update import update
from tests.small_glossary import glossary_run, save_models

HEADER = "term,category,language,spoken,audio"
# 绣花 and 秀花 sound the same, 提包 is in 手提包, 我们 is a common word, and nobody here speaks Finnish.
SAME = ("绣花,,,,", "手提包,,,,", "我们,,,,")
OLD = (*SAME, "老花,SERIES,,,", "NASA,ORG,en,,", "mine,,,,mine.wav|other.wav", "ghost,,fi,,")
NEW = (*SAME, "老花,TYPE,,,", "mine,,,,mine.wav", "秀花,,,,", "提包,,,,", "speedy 20,,,,")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_models(tmp_path_factory.mktemp("models") / "models")


def run_of(folder: Path, models: Path, lines: tuple[str, ...], *more: str) -> GlossarySettings:
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(("mine.wav", "other.wav"), start=2):
        if not (folder / name).exists():
            times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
            soundfile.write(folder / name, 0.3 * np.sin(2 * np.pi * 150 * number * times * (1 + times)), SAMPLE_RATE)
    listed(folder, lines)
    return glossary_run(folder, folder / "terms.csv", f"spotter={models}", *more)


def listed(folder: Path, lines: tuple[str, ...]) -> None:
    (folder / "terms.csv").write_text("\n".join((HEADER, *lines)) + "\n", encoding="utf-8")


def live(glossary: Glossary) -> list[int]:
    entries = np.concatenate([glossary.entries[glossary.enrolments(partition)] for partition in range(8)])
    return sorted(set(entries.tolist()), key=lambda entry: int(glossary.entry_ids[entry]))


def contents(run: GlossarySettings) -> dict[int, tuple[Any, np.ndarray]]:
    """By entry id the terms' rows with all that they say, and all frames of the recordings."""
    glossary = open_glossary(run.store_folder)
    found = {}
    for index in live(glossary):
        segment, first = next(one for one in reversed(glossary.located()) if one[1] <= index)
        enrolments, _ = glossary.enrolments_of([index])
        found[int(glossary.entry_ids[index])] = segment.term(index - first), glossary.frames(enrolments)[0]
    return found


def spoken(run: GlossarySettings) -> list[str]:
    """The texts of all recordings that were made since the stages were deleted."""
    parts = (run.run.output / "stages").glob("entries-*/spoken-*.parquet")
    return sorted(row["text"] for part in parts for row in read_parquet(part))


def forget_stages(run: GlossarySettings) -> None:
    shutil.rmtree(run.run.output / "stages")


def test_an_updated_store_is_that_of_a_build_and_only_what_is_new_was_spoken(tmp_path: Path, models: Path) -> None:
    run = run_of(tmp_path / "updated", models, OLD)
    build(run)
    before = contents(run)
    forget_stages(run)
    listed(tmp_path / "updated", NEW)
    update(run)
    rebuilt = run_of(tmp_path / "rebuilt", models, NEW)
    build(rebuilt)
    after, expected = contents(run), contents(rebuilt)
    assert {identity: term for identity, (term, _) in after.items()} == {
        identity: term for identity, (term, _) in expected.items()
    }
    for identity, (_, frames) in expected.items():
        # What is spoken in another batch may differ in the last bit that is kept.
        assert frames.shape == after[identity][1].shape
        assert np.abs(frames - after[identity][1]).mean() < 0.01
    # The reading of 绣花 is that of its first spelling, which is now another.
    assert spoken(run) == ["speedy 20"] * 2 + ["提包"] * 2 + ["秀花"] * 2
    kept = {term["spellings"][0]["text"]: identity for identity, (term, _) in after.items()}
    for term in ("老花", "手提包"):
        assert np.array_equal(before[kept[term]][1], after[kept[term]][1])
    assert len(after[kept["mine"]][1]) == 1
    report = json.loads((run.run.output / "report.json").read_text(encoding="utf-8"))
    assert report["findings"]["contains"]["shown"][0]["spellings"] == ["手提包"]
    compact(run)
    assert {identity: term for identity, (term, _) in contents(run).items()} == {
        identity: term for identity, (term, _) in expected.items()
    }


def test_nothing_new_changes_nothing_and_a_new_recording_of_a_name_is_read(tmp_path: Path, models: Path) -> None:
    run = run_of(tmp_path / "run", models, OLD)
    build(run)
    version = open_glossary(run.store_folder).manifest.version
    forget_stages(run)
    update(run)
    assert open_glossary(run.store_folder).manifest.version == version
    assert spoken(run) == []
    soundfile.write(tmp_path / "run" / "mine.wav", np.random.default_rng(0).normal(size=8000) * 0.1, SAMPLE_RATE)
    later = (run.store_folder / VOICES).stat().st_mtime + 5
    os.utime(tmp_path / "run" / "mine.wav", (later, later))
    # As if terms had been removed since.
    os.utime(run.store_folder / "manifest.json", (later + 5, later + 5))
    before = contents(run)
    update(run)
    assert spoken(run) == ["mine"]
    after = contents(run)
    changed = [identity for identity in before if not np.array_equal(before[identity][1], after[identity][1])]
    assert [before[identity][0]["spellings"][0]["text"] for identity in changed] == ["mine"]


def test_recordings_of_other_voices_are_not_taken_over(tmp_path: Path, models: Path) -> None:
    run = run_of(tmp_path / "run", models, OLD[:2])
    build(run)
    update(run)
    other = run_of(tmp_path / "run", models, OLD[:2], "run.seed=7")
    with pytest.raises(HarkenError, match="build it anew"):
        update(other)
    with pytest.raises(HarkenError, match="bits"):
        update(run_of(tmp_path / "run", models, OLD[:2], "bits=8"))
    more = tmp_path / "more.txt"
    more.write_text("香水\n", encoding="utf-8")
    add(other, str(more))
    for mixed in (run, other):
        with pytest.raises(HarkenError, match="build it anew"):
            update(mixed)
