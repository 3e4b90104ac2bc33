import io
import logging
import multiprocessing
import time
from pathlib import Path

import pytest

from serve.console import LogFollower
from serve.log_file import LogFileHandler

LINES, PROCESSES, MOST = 400, 3, 2_000


def write(path: Path, kept: int, part: int) -> None:
    """What a process of the service does."""
    log = logging.Logger("test")
    log.addHandler(LogFileHandler(path, MOST, kept))
    for number in range(LINES):
        log.info("%d-%d %s", part, number, "文" * 10)


def files(path: Path) -> list[Path]:
    """The log and those put aside, oldest first."""
    return sorted(path.parent.glob(f"{path.name}*"), key=lambda file: -int(file.suffix[1:] or 0))


@pytest.mark.parametrize("kept", [1000, 2, 0])
def test_processes_share_a_log_that_does_not_grow(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "service"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=write, args=(path, kept, part)) for part in range(PROCESSES)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    found = files(path)
    lines = [file.read_text(encoding="utf-8").splitlines() for file in found]
    told = [line.split()[0] for file in lines for line in file]
    assert all(line.endswith("文" * 10) for file in lines for line in file)
    assert len(told) == len(set(told))
    # A process that has looked before another put the file aside writes one line more.
    assert all(file.stat().st_size <= MOST + PROCESSES * 60 for file in found)
    if kept == 1000:
        assert len(told) == LINES * PROCESSES
        assert len(found) > 10
    else:
        assert len(found) <= kept + 1


def test_what_is_shown_goes_on_after_a_log_was_put_aside(tmp_path: Path) -> None:
    path, shown = tmp_path / "service", io.StringIO()
    handler = LogFileHandler(path, MOST, kept=1)
    follower = LogFollower(path, shown)
    for number in range(40):
        handler.handle(logging.makeLogRecord({"msg": f"{number} {'x' * 100}"}))
        while number % 10 == 9 and shown.getvalue().count("\n") <= number:
            time.sleep(0.01)
    follower.stop()
    handler.close()
    assert [int(line.split()[0]) for line in shown.getvalue().splitlines()] == list(range(40))
    assert path.with_name("service.1").exists()
