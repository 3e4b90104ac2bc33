"""What `python -m serve` shows: the lines that the service's processes write into their log, as they come."""

import sys
import threading
from pathlib import Path
from typing import TextIO

_BEAT_SECONDS = 0.2


class LogFollower:
    """Copies what is added to a file from now on, line by line, until `stop`."""

    def __init__(self, path: Path, output: TextIO | None = None) -> None:
        self._path = path
        self._output = output or sys.stdout
        self._begin = path.stat().st_size if path.is_file() else 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Show what is there, and no more."""
        self._ended.set()
        self._thread.join()

    def _follow(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            self._show()
        self._show()

    def _show(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._begin)
                found = file.read()
        except FileNotFoundError:
            return
        # The last line may be half written.
        whole = found[: found.rfind(b"\n") + 1]
        self._begin += len(whole)
        if whole:
            self._output.write(whole.decode("utf-8", errors="replace"))
            self._output.flush()
