"""Running a job as a user would, and killing it at a chosen moment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harken.records import read_parquet

ROOT = Path(__file__).resolve().parents[2]
# A pipeline takes about a minute; on a machine that others use as well, several.
PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class Finished:
    """How a job ended."""

    code: int
    output: str


def start(job: str, overrides: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start ``python -m jobs.JOB`` on the demo configuration in a process group of its own."""
    command = [sys.executable, "-m", f"jobs.{job}", "--config", "configs/demo.yaml"]
    for override in overrides:
        command += ["--set", override]
    with log.open("ab") as output:
        return subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output, start_new_session=True)


def run(job: str, overrides: list[str], log: Path) -> Finished:
    """Run a job to its end."""
    process = start(job, overrides, log)
    try:
        code = process.wait(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        kill(process)
        raise
    return Finished(code, log.read_text(encoding="utf-8", errors="replace"))


def kill(process: subprocess.Popen[bytes]) -> None:
    """kill -9 of the driver alone: Ray's processes have to notice by themselves."""
    os.kill(process.pid, signal.SIGKILL)
    process.wait()


def kill_when(process: subprocess.Popen[bytes], moment: Callable[[], bool], what: str) -> None:
    """Wait for ``moment`` and kill the driver; fails when the job ended before it came."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not moment():
        assert process.poll() is None, f"the job ended before: {what}"
        assert time.monotonic() < deadline, f"never came: {what}"
        time.sleep(0.01)
    kill(process)


def parts(output: Path, stage: str) -> dict[Path, tuple[int, int]]:
    """The committed parts of a stage with their inode and modification time: equal means untouched."""
    # The whole fingerprint is spelled out because 'speech-*' would match 'speech-domain-...' as well.
    found = sorted(output.glob(f"stages/{stage}-{'[0-9a-f]' * 16}/parts/part-*.parquet"))
    return {part: (part.stat().st_ino, part.stat().st_mtime_ns) for part in found}


def identities(output: Path, stage: str) -> list[str]:
    """The ids of all rows of a stage in order."""
    return [row["id"] for part in parts(output, stage) for row in read_parquet(part, ["id"])]
