"""How far a training is: workers write it beside their output, and the driver shows it, wherever they run."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from harken.records import write_json
from jobs.progress import StageProgress, note

PROGRESS = "progress.json"
SECONDS_BETWEEN_NOTES = 0.5


@dataclass(frozen=True)
class TrainingProgress:
    """A training at one of its steps; ``resumed_at`` is the step at which this attempt began."""

    step: int
    total_steps: int
    resumed_at: int
    rows_per_step: int
    detail: str
    process: int = field(default_factory=os.getpid)


def write_progress(folder: Path, progress: TrainingProgress) -> None:
    """Note where the training is; one worker calls it."""
    write_json(folder / PROGRESS, asdict(progress))


@contextmanager
def shown_progress(name: str, folder: Path) -> Iterator[None]:
    """Show in the driver what the workers write beside their output."""
    (folder / PROGRESS).unlink(missing_ok=True)
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(name, folder / PROGRESS, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(name: str, path: Path, over: threading.Event) -> None:
    while not path.exists():
        if over.wait(SECONDS_BETWEEN_NOTES):
            return
    progress = _read(path)
    shown = resumed_at = progress.resumed_at
    with StageProgress(name, total=progress.total_steps, done=resumed_at, unit="steps") as bar:
        while True:
            last_look = over.is_set()
            progress = _read(path)
            if progress.resumed_at != resumed_at:
                resumed_at = progress.resumed_at
                note(f"{name}: a worker was lost; going on from step {resumed_at}")
            for _ in range(progress.step - shown):
                bar.advance(progress.rows_per_step, detail=f"step {progress.step}, {progress.detail}")
            shown = max(shown, progress.step)
            if last_look:
                return
            over.wait(SECONDS_BETWEEN_NOTES)


def _read(path: Path) -> TrainingProgress:
    return TrainingProgress(**json.loads(path.read_text(encoding="utf-8")))
