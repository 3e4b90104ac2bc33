"""What `python -m serve` shows: the lines that the service's processes write into their log, as they come."""

import os
import sys
import threading
from pathlib import Path
from typing import BinaryIO, TextIO

_BEAT_SECONDS = 0.2


class LogFollower:
    """Copies what is added to a file from now on, line by line, until `stop`; a full one is followed by the next."""

    def __init__(self, path: Path, output: TextIO | None = None) -> None:
        self._path = path
        self._output = output or sys.stdout
        self._file: BinaryIO | None = None
        self._begun = b""
        if path.is_file():
            self._file = path.open("rb")
            self._file.seek(0, os.SEEK_END)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="log", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Show what is there, and no more."""
        self._ended.set()
        self._thread.join()
        if self._file is not None:
            self._file.close()

    def _follow(self) -> None:
        while not self._ended.wait(_BEAT_SECONDS):
            self._show()
        self._show()

    def _show(self) -> None:
        replaced = self._replacement()
        # What was written until the file was put aside is shown before anything of its successor.
        if self._file is not None:
            self._copy(self._file)
        if replaced is not None:
            if self._file is not None:
                self._file.close()
            self._file = replaced
            self._copy(replaced)

    def _replacement(self) -> BinaryIO | None:
        """The file that now has the name, where it is not the one that is being read."""
        try:
            file = self._path.open("rb")
        except FileNotFoundError:
            return None
        if self._file is not None and os.path.sameopenfile(file.fileno(), self._file.fileno()):
            file.close()
            return None
        return file

    def _copy(self, file: BinaryIO) -> None:
        # The last line may be half written.
        found = self._begun + file.read()
        whole = found[: found.rfind(b"\n") + 1]
        self._begun = found[len(whole) :]
        if whole:
            self._output.write(whole.decode("utf-8", errors="replace"))
            self._output.flush()
