"""A log file of bounded size that the processes of the service share."""

import fcntl
import os
from logging import LogRecord
from logging.handlers import WatchedFileHandler
from pathlib import Path


class LogFileHandler(WatchedFileHandler):
    """Adds lines to a file; whoever finds it full puts it aside, and all go on in the new one.

    Python's own `RotatingFileHandler` serves one process: the others would go on in the file that it has renamed.

    Args:
        most: bytes, about: the line with which they are reached is still written.
        kept: files put aside that stay, `path`.1 the newest.
    """

    def __init__(self, path: Path, most: int, kept: int) -> None:
        # Each line is one write to the end of the file, so that lines of several processes do not mix.
        super().__init__(path, encoding="utf-8")
        self._path, self._most, self._kept = path, most, kept

    def emit(self, record: LogRecord) -> None:
        """Write a line, into a new file where the other is full."""
        try:
            if self._is_full():
                self._put_aside()
        except OSError:
            # A log that cannot be bounded is better than none.
            self.handleError(record)
        super().emit(record)

    def _is_full(self) -> bool:
        try:
            return self._path.stat().st_size >= self._most
        except FileNotFoundError:
            return False

    def _put_aside(self) -> None:
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            # Another process may have done it meanwhile.
            if not self._is_full():
                return
            for number in range(self._kept, 0, -1):
                newer = self._aside(number - 1) if number > 1 else self._path
                if newer.exists():
                    newer.replace(self._aside(number))
            if not self._kept:
                self._path.unlink()
        finally:
            os.close(folder)

    def _aside(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}")
