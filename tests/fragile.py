"""An actor that dies on some rows; a module of its own, so that a child process imports little."""

import os
import signal
from pathlib import Path

from harken.records import OK, Row


class Fragile:
    """Dies on the rows of ``deadly``; a file per try tells how often. ``once``: only while its file is not there."""

    def __init__(self, deadly: tuple[int, ...], tries: str, once: bool = False, dies_at_once: bool = False) -> None:
        if dies_at_once:
            os.kill(os.getpid(), signal.SIGKILL)
        self.deadly, self.tries, self.once = deadly, Path(tries), once

    def __call__(self, rows: list[Row]) -> list[Row]:
        print("noise that must not get between the answers")
        for row in rows:
            if row["index"] in self.deadly:
                known = len(list(self.tries.iterdir()))
                if not (self.once and known):
                    (self.tries / f"{known}-{row['index']}").touch()
                    os.kill(os.getpid(), signal.SIGSEGV)
        return [row | {"process": os.getpid(), "status": OK, "error": None} for row in rows]


class Unbuildable:
    """Dies while it is built, or raises; a file per try tells how often. ``deaths``: only that many times."""

    def __init__(self, tries: str, raises: bool = False, deaths: int | None = None) -> None:
        known = len(list(Path(tries).iterdir()))
        (Path(tries) / f"{known}-built-in-{os.getpid()}").touch()
        if raises:
            raise ValueError("weights of another model")
        if deaths is None or known < deaths:
            os.kill(os.getpid(), signal.SIGSEGV)

    def __call__(self, rows: list[Row]) -> list[Row]:
        return [row | {"process": os.getpid(), "status": OK, "error": None} for row in rows]
