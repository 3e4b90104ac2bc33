"""A command in a process of its own, followed line by line from elsewhere in the cluster."""

import ctypes
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from harken.errors import HarkenError

_ROOT = Path(__file__).resolve().parents[1]
_LAST_LINES = 20
# Of a job that says itself what its input lacks.
_BAD_INPUT = 2
_SECONDS_TO_END = 10.0
_DIE_WITH_PARENT = 1
# Found before the fork, after which little is safe to do.
_LIBRARY = ctypes.CDLL(None) if sys.platform == "linux" else None


class RunLostError(HarkenError):
    """A run that did not end of itself: the same again goes on from the stages that it has completed."""


def follow(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[str]:
    """Run a command in the project's root and give its output as it comes; it ends with whoever follows it.

    Raises:
        HarkenError: it ended with another code than 0; the remedy is what it said last.
        RunLostError: the same, where it did not refuse its input but was killed or broke.
    """
    last: deque[str] = deque(maxlen=_LAST_LINES)
    process = subprocess.Popen(
        command,
        cwd=_ROOT,
        env={**os.environ, **environment, "PYTHONPATH": str(_ROOT), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )
    try:
        assert process.stdout is not None
        for line in process.stdout:
            last.append(line.rstrip())
            yield line.rstrip()
        if process.wait():
            kind = HarkenError if process.returncode == _BAD_INPUT else RunLostError
            raise kind("glossary build", f"exit code {process.returncode}", _reason(last))
    finally:
        _end(process)


def _reason(lines: Sequence[str]) -> str:
    told = [line.removeprefix("error:").strip() for line in lines if line.startswith("error:")]
    return told[-1] if told else "\n".join(lines)


def _end(process: "subprocess.Popen[str]") -> None:
    if process.poll() is not None:
        return
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _end_with_parent() -> None:
    # A worker of Ray's that is killed has no time to end its children (Linux; elsewhere they run to their end).
    if _LIBRARY is not None:
        _LIBRARY.prctl(_DIE_WITH_PARENT, signal.SIGKILL)
