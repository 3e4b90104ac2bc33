"""Files that are written once: their length is compared at every opening, their content when it is asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import Field, NonNegativeInt

from harken.config import Section
from harken.errors import HarkenError

_BYTES_AT_ONCE = 2**22


class FileRecord(Section):
    """A file as it was written."""

    bytes: NonNegativeInt = Field(description="Its length.")
    sha256: str = Field(description="Its digest.")


def file_record(path: Path) -> FileRecord:
    """A file's length and digest, of all its bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_BYTES_AT_ONCE):
            digest.update(part)
    return FileRecord(bytes=path.stat().st_size, sha256=digest.hexdigest())


def check_size(path: Path, record: FileRecord) -> None:
    """Refuse a file that is missing or has another length than was written.

    Raises:
        HarkenError: it does.
    """
    remedy = "Restore the glossary from a copy, or build it again."
    try:
        found = path.stat().st_size
    except OSError:
        raise HarkenError("file of a glossary", str(path), f"It is missing. {remedy}") from None
    if found != record.bytes:
        told = f"It has {found} bytes and was written with {record.bytes}: it is damaged."
        raise HarkenError("file of a glossary", str(path), f"{told} {remedy}")


def check_content(path: Path, record: FileRecord) -> None:
    """Refuse a file of which any byte differs from what was written; this reads all of it.

    Raises:
        HarkenError: it is missing or damaged.
    """
    check_size(path, record)
    if file_record(path).sha256 != record.sha256:
        remedy = "Its content is not what was written: restore the glossary from a copy, or build it again."
        raise HarkenError("file of a glossary", str(path), remedy)


def flush(path: Path) -> None:
    """Have a file's or folder's content on the disk before anything refers to it."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def disk_errors_told(path: Path) -> Iterator[None]:
    """Say of an error of the operating system in the block that `path` cannot be written.

    Raises:
        HarkenError: instead of an OSError.
    """
    try:
        yield
    except OSError as failure:
        remedy = f"It cannot be written ({failure.strerror or failure}): free or change the disk and try again."
        raise HarkenError("part of a glossary", str(path), remedy) from failure
