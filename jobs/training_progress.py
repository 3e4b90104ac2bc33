"""How far a fine-tuning is: workers write it beside their output, and the driver shows it, wherever they run."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from harken.finetuning.learner import Progress
from harken.finetuning.task import FinetuneTask
from harken.records import write_json
from jobs.progress import StageProgress, note

PROGRESS = "progress.json"
SECONDS_BETWEEN_NOTES = 0.5


def write_progress(task: FinetuneTask, progress: Progress, resumed_at: int, rate: float) -> None:
    """Note where the run is; one worker calls it."""
    record = {
        "step": progress.step,
        "total_steps": progress.total_steps,
        "resumed_at": resumed_at,
        "process": os.getpid(),
        "loss": progress.loss,
        "dev_cer": progress.dev_cer,
        "utterances_per_second": rate,
    }
    write_json(task.directory / PROGRESS, record)


@contextmanager
def shown_progress(task: FinetuneTask) -> Iterator[None]:
    """Show the workers' progress in the driver: they write it beside their output, wherever they run."""
    over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(task, over), daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _watch(task: FinetuneTask, over: threading.Event) -> None:
    path = task.directory / PROGRESS
    while not path.exists():
        if over.wait(SECONDS_BETWEEN_NOTES):
            return
    record = json.loads(path.read_text(encoding="utf-8"))
    shown = resumed_at = record["resumed_at"]
    with StageProgress("finetune", total=record["total_steps"], done=resumed_at, unit="steps") as bar:
        while True:
            last_look = over.is_set()
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["resumed_at"] != resumed_at:
                resumed_at = record["resumed_at"]
                note(f"finetune: a worker was lost; going on from step {resumed_at}")
            detail = f"step {record['step']}, loss {record['loss']:.3f}, dev CER {record['dev_cer']:.3f}"
            for _ in range(record["step"] - shown):
                bar.advance(task.settings.batch_size, detail=detail)
            shown = max(shown, record["step"])
            if last_look:
                return
            over.wait(SECONDS_BETWEEN_NOTES)
