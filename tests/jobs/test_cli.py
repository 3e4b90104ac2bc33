"""The face every job shares: exit codes and how failures are told."""

from pathlib import Path

import pytest

from harken.config import Section
from harken.errors import HarkenError
from jobs.cli import find_harken_error, run_job


class Settings(Section):
    count: int = 1


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "run.yaml"
    path.write_text("count: 3\n", encoding="utf-8")
    return str(path)


def test_a_finished_job_exits_with_zero_and_saw_the_overrides(config: str) -> None:
    seen: list[int] = []
    assert run_job(lambda settings: seen.append(settings.count), Settings, "", ["--config", config]) == 0
    assert (
        run_job(lambda settings: seen.append(settings.count), Settings, "", ["--config", config, "--set", "count=5"])
        == 0
    )
    assert seen == [3, 5]


def test_bad_input_is_one_line_and_code_two(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    def job(settings: Settings) -> None:
        raise HarkenError("voice", "nobody", "Choose another.")

    assert run_job(job, Settings, "", ["--config", config]) == 2
    assert capsys.readouterr().err.strip() == "error: voice: 'nobody'. Choose another."


def test_a_bug_is_shown_in_full(config: str) -> None:
    def job(settings: Settings) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_job(job, Settings, "", ["--config", config])


def test_an_interrupt_says_that_nothing_is_lost(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    def job(settings: Settings) -> None:
        raise KeyboardInterrupt

    assert run_job(job, Settings, "", ["--config", config]) == 130
    assert "kept" in capsys.readouterr().err


def test_an_unknown_key_is_told_like_any_bad_input(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_job(lambda settings: None, Settings, "", ["--config", config, "--set", "cuont=5"]) == 2
    assert "'count'" in capsys.readouterr().err


def test_the_root_of_a_wrapped_failure_is_found() -> None:
    root = HarkenError("a", "b", "c")
    try:
        try:
            raise root
        except HarkenError as failure:
            raise ValueError("in between") from failure
    except ValueError as failure:
        wrapped = RuntimeError("outermost")
        wrapped.cause = failure  # type: ignore[attr-defined]
        assert find_harken_error(wrapped) is root
    assert find_harken_error(RuntimeError("nothing inside")) is None


def test_switches_reach_the_job_by_name(config: str) -> None:
    seen: list[tuple[bool, bool]] = []

    def job(settings: Settings, dry_run: bool, retry_failed: bool) -> None:
        seen.append((dry_run, retry_failed))

    switches = {"dry_run": "only tell", "retry_failed": "again"}
    run_job(job, Settings, "", ["--config", config], switches)
    run_job(job, Settings, "", ["--config", config, "--retry-failed"], switches)
    assert seen == [(False, False), (False, True)]


def test_an_option_with_a_value_reaches_the_job_and_may_choose_the_schema(config: str) -> None:
    class Other(Settings):
        name: str = "other"

    seen: list[tuple[type, str | None]] = []

    def job(settings: Settings, words: str | None) -> None:
        seen.append((type(settings), words))

    options = {"values": {"words": "a file"}, "schemas": {"words": Other}}
    assert run_job(job, Settings, "", ["--config", config], **options) == 0
    assert run_job(job, Settings, "", ["--config", config, "--words", "w.txt"], **options) == 0
    assert seen == [(Settings, None), (Other, "w.txt")]
