"""What is written beside every output."""

import json
import subprocess
from pathlib import Path

import pytest

from harken.digests import file_digest, model_digest
from harken.errors import HarkenError
from harken.provenance import git_revision, provenance


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=t", "-c", "user.email=t@example.org", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_the_record_names_versions_and_is_json() -> None:
    record = json.loads(json.dumps(provenance()))
    assert record["versions"]["numpy"]
    assert record["command"]


def test_the_revision_tells_a_changed_checkout_apart(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    (tmp_path / "a").write_text("1", encoding="utf-8")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "-q", "-m", "one")
    commit = git(tmp_path, "rev-parse", "HEAD")
    assert git_revision(tmp_path) == commit
    (tmp_path / "a").write_text("2", encoding="utf-8")
    assert git_revision(tmp_path) == f"{commit}+changes"


def test_outside_git_the_submitter_may_name_the_revision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.delenv("HARKEN_REVISION", raising=False)
    assert git_revision(tmp_path) == "unknown"
    monkeypatch.setenv("HARKEN_REVISION", "abc123")
    assert git_revision(tmp_path) == "abc123"


def test_a_digest_follows_the_content_not_the_time(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("one", encoding="utf-8")
    first = file_digest(path)
    path.write_text("one", encoding="utf-8")
    assert file_digest(path) == first
    path.write_text("two", encoding="utf-8")
    assert file_digest(path) != first


def test_a_model_digest_follows_every_file_that_matters(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"1")
    first = model_digest(str(tmp_path))
    (tmp_path / "README.md").write_text("notes", encoding="utf-8")
    (tmp_path / "figures.json").write_text("{}", encoding="utf-8")
    assert model_digest(str(tmp_path)) == first
    (tmp_path / "model.safetensors").write_bytes(b"2")
    assert model_digest(str(tmp_path)) != first
    assert model_digest("openai/whisper-large-v2") == "openai/whisper-large-v2"


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match="absent"):
        file_digest(tmp_path / "absent")
