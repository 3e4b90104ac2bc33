"""What makes a version of a glossary, and what it is given."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class BuildTerm:
    """A term to be enrolled; `recordings` are FLAC files of it, mono at 16 kHz."""

    id: str
    term: str
    category: str
    spoken: str
    language: str
    recordings: tuple[Path, ...] = ()


@dataclass(frozen=True)
class BuildOrder:
    """What a version is made of.

    Attributes:
        folder: to be written; does not exist yet, and its parent does.
        previous: the folder of the version before, from which unchanged terms can be taken.
        count: of the terms, about.
        terms: can be iterated once.
    """

    glossary_id: str
    version: int
    folder: Path
    previous: Path | None
    count: int
    terms: Iterator[BuildTerm]


class Builder(Protocol):
    """Makes versions; its method runs in a thread of the service and is called again for a build cut short."""

    def build(self, order: BuildOrder, progress: Callable[[float], None]) -> None:
        """Write `order.folder`; tell `progress` 0 to 1 now and then, which raises when nobody wants the version.

        Raises:
            HarkenError: the glossary cannot be built; its message becomes the build's failure reason.
        """
        ...


class BuildCancelledError(Exception):
    """The glossary was deleted, another process has taken the build, or this one ends."""
