"""Child processes as a benchmark sees them: started in a group of their own, sampled, and ended by their ids."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[1]
SECONDS_BETWEEN_SAMPLES = 1.0
# What Ray calls the processes in which actors and tasks run.
WORKER_TITLE = "ray::"
# What works in the place of a worker that has done its share of rows.
WORKER_CHILD = "-m jobs.isolation"
# A raylet that lost its driver ends by itself within this time; what is left then is ended.
SECONDS_TO_END_ALONE = 10.0


@dataclass(frozen=True)
class Sample:
    """Resident memory in bytes at one moment of one session (a session is one start of the program)."""

    session: float  # Unix time of the session's start
    time: float
    program: int
    worker: int  # the largest of its worker processes
    workers: int  # all of them; what they share is counted once for each


def end_children_on_termination() -> None:
    """Let SIGTERM end this program as Ctrl-C does, with what it has started."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def start(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start ``python ARGUMENTS`` in the project's folder and a process group of its own; its output goes to ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    # As Ray does for its workers, so that every measured program has one thread a process.
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


def watch(arguments: Sequence[str], folder: Path) -> None:
    """Run ``python ARGUMENTS`` to its end and append what it held in memory to ``folder/samples.jsonl``.

    Raises:
        RuntimeError: it ended with another status than 0; the last lines of its log are in the message.
    """
    folder.mkdir(parents=True, exist_ok=True)
    began = time.time()
    process = start(arguments, folder / "log")
    family = Family(process.pid)
    try:
        with (folder / "samples.jsonl").open("a", encoding="utf-8") as samples:
            while process.poll() is None:
                samples.write(json.dumps(asdict(_sample(family, began))) + "\n")
                samples.flush()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=SECONDS_BETWEEN_SAMPLES)
            # The last line tells when the session ended.
            samples.write(json.dumps(asdict(Sample(began, time.time(), 0, 0, 0))) + "\n")
    except BaseException:
        family.kill()
        process.wait()
        raise
    if process.returncode != 0:
        raise RuntimeError(f"{' '.join(arguments)} ended with {process.returncode}:\n{tail(folder / 'log')}")


def read_samples(folder: Path) -> list[Sample]:
    """What `watch` wrote, over all sessions."""
    lines = (folder / "samples.jsonl").read_text(encoding="utf-8").splitlines()
    return [Sample(**json.loads(line)) for line in lines]


def tail(log: Path, lines: int = 30) -> str:
    """The end of a log."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


class Family:
    """A process and all its descendants, remembered after their parents are gone."""

    def __init__(self, pid: int) -> None:
        self.head = psutil.Process(pid)
        self._known: dict[int, psutil.Process] = {pid: self.head}

    def members(self) -> list[psutil.Process]:
        """The descendants that were ever seen and still run, the process itself first."""
        try:
            found = self.head.children(recursive=True)
        except psutil.NoSuchProcess:
            found = []
        self._known |= {child.pid: child for child in found if child.pid not in self._known}
        # psutil compares the time of creation too, so that a reused id is not taken for the process.
        return [process for process in self._known.values() if process.is_running() and _alive(process)]

    def workers(self, title: str) -> list[psutil.Process]:
        """The members that Ray gave a title that begins so."""
        return [process for process in self.members() if _title(process).startswith(title)]

    def kill(self) -> None:
        """End every member at once, as the loss of the machine would."""
        for process in self.members():
            _kill(process)

    def kill_head(self) -> None:
        """kill -9 of the head's process group, then of the members that do not end by themselves when it is gone."""
        members = self.members()
        with suppress(ProcessLookupError):
            os.killpg(self.head.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(members, timeout=SECONDS_TO_END_ALONE)
        for process in alive:
            _kill(process)
        psutil.wait_procs(alive, timeout=SECONDS_TO_END_ALONE)


def _sample(family: Family, session: float) -> Sample:
    program, workers = 0, []
    for process in family.members():
        resident = _resident(process)
        if process.pid == family.head.pid:
            program = resident
        elif (title := _title(process)).startswith(WORKER_TITLE) or title.endswith(WORKER_CHILD):
            workers.append(resident)
    return Sample(session, time.time(), program, max(workers, default=0), sum(workers))


def _resident(process: psutil.Process) -> int:
    try:
        resident: int = process.memory_info().rss
    except psutil.Error:
        return 0
    return resident


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return
