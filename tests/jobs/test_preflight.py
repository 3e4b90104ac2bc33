"""What is checked before the first stage."""

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from harken.config import load_config
from harken.errors import HarkenError
from harken.settings import PipelineSettings
from jobs.preflight import preflight

ROOT = Path(__file__).resolve().parents[2]


def settings_with(tmp_path: Path, *overrides: str) -> PipelineSettings:
    return load_config(ROOT / "configs/demo.yaml", [f"run.output={tmp_path / 'run'}", *overrides], PipelineSettings)


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_the_demo_passes(tmp_path: Path) -> None:
    preflight(settings_with(tmp_path))


def test_a_recording_that_is_not_there_is_named(tmp_path: Path) -> None:
    manifest = tmp_path / "test.jsonl"
    manifest.write_text('{"id": "t1", "text": "喜欢老花", "audio": "clips/t1.wav"}\n', encoding="utf-8")
    with pytest.raises(HarkenError, match=r"t1.*clips/t1\.wav"):
        preflight(settings_with(tmp_path, f"evaluate.domain={manifest}"))


def test_a_disk_too_small_for_the_run_is_told_before_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(10**9, 10**9, 10**6))
    with pytest.raises(HarkenError, match="GB free"):
        preflight(settings_with(tmp_path))


def test_a_submitted_job_must_not_write_into_its_temporary_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "runtime_resources" / "working_dir_files"
    copy.mkdir(parents=True)
    settings = load_config(ROOT / "configs/demo.yaml", [], PipelineSettings)
    monkeypatch.chdir(copy)
    with pytest.raises(HarkenError, match=r"run\.output.*temporary copy"):
        preflight(settings)


@pytest.mark.parametrize("voices", ["speech.voices", "evaluate.voices"])
def test_a_damaged_recording_of_noise_is_told_before_the_run(tmp_path: Path, voices: str) -> None:
    (tmp_path / "noises").mkdir()
    (tmp_path / "noises" / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(HarkenError, match=r"noise recording.*broken\.wav"):
        preflight(settings_with(tmp_path, f"{voices}.augmentation.noise_folder={tmp_path / 'noises'}"))


def test_phonemes_that_the_voices_do_not_know_are_told_before_the_run(tmp_path: Path) -> None:
    lexicon = tmp_path / "lexicon.csv"
    lexicon.write_text("term,spoken\nkelly,[[k'Ωli]]\n", encoding="utf-8")
    with pytest.raises(HarkenError, match=r"pronunciation of 'kelly'"):
        preflight(settings_with(tmp_path, f"keywords.pronunciations={lexicon}"))


def test_a_second_judge_that_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match="no-such-folder"):
        preflight(settings_with(tmp_path, f"judge.second={{model: {tmp_path / 'no-such-folder'}}}"))


def test_a_language_without_sounds_needs_the_paper_judge(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match="'paper' does without"):
        preflight(settings_with(tmp_path, "decoding.language=tl"))
    preflight(settings_with(tmp_path, "decoding.language=tl", "judge.method=paper"))
