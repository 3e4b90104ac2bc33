"""What a person sees while a stage runs: a bar with ETA on a terminal, a line now and then in a log."""

import sys
import time
from collections import Counter
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

# A log that is read later needs a sign of life, not one line per shard.
SECONDS_BETWEEN_LINES = 10.0

console = Console(highlight=False)


def note(message: str) -> None:
    """One line that stays."""
    console.print(message, markup=False, soft_wrap=True)
    sys.stdout.flush()


class StageProgress:
    """Progress of one stage in shards, with the rows per second and the failures by cause so far."""

    def __init__(self, name: str, total: int, done: int = 0, unit: str = "shards") -> None:
        self.name, self.total, self.done, self.unit = name, total, done, unit
        self.started = self.last_line = time.monotonic()
        self.made = 0
        self.rows = 0
        self.causes: Counter[str] = Counter()
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("ETA"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[detail]}"),
            console=console,
            disable=not console.is_terminal,
        )

    def __enter__(self) -> "StageProgress":
        self.bar.start()
        self.task = self.bar.add_task(self.name, total=self.total, completed=self.done, detail="")
        if self.done:
            note(f"{self.name}: resuming, {self.done} of {self.total} {self.unit} are there")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, failure: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def advance(self, rows: int, causes: Mapping[str, int] | None = None, detail: str = "") -> None:
        """One more unit is done, holding ``rows`` rows."""
        self.made += 1
        self.rows += rows
        self.causes.update(causes or {})
        failed = ", ".join(f"{name} {count}" for name, count in self.causes.most_common(3))
        elapsed = max(time.monotonic() - self.started, 1e-6)
        parts = [f"{self.rows / elapsed:.1f} rows/s", detail, f"failed: {failed}" if failed else ""]
        text = ", ".join(part for part in parts if part)
        self.bar.update(self.task, completed=self.done + self.made, detail=text)
        now = time.monotonic()
        finished = self.done + self.made == self.total
        if not console.is_terminal and (now - self.last_line > SECONDS_BETWEEN_LINES or finished):
            self.last_line = now
            remaining = elapsed / self.made * (self.total - self.done - self.made)
            note(f"{self.name}: {self.done + self.made}/{self.total} {self.unit}, {text}, ETA {remaining:.0f} s")
