"""What a glossary is made of: entries (a pronunciation and how it is written) and their enrolments (recordings)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harken.errors import HarkenError
from harken.text import normalise


@dataclass(frozen=True)
class Spelling:
    """One way to write an entry, with what its list said of it.

    `spoken`: the text that was given to the synthesizer, when it is another. `source`: the list it came from.
    `flags`: what a curator should know ("short", "common", ...).
    """

    text: str
    category: str = ""
    language: str = ""
    spoken: str = ""
    source: str = ""
    flags: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.text.strip():
            raise HarkenError("spelling", self.text, "A term needs at least one character.")


@dataclass(frozen=True)
class Entry:
    """One pronunciation with all its spellings: homophones are one entry, since no recording tells them apart.

    `phonemes`: the sequence that identifies it; empty when it is unknown, and then its one spelling does.
    `spellings`: in any order; a glossary keeps them by text, each text once (the last given stays).
    """

    phonemes: str
    spellings: tuple[Spelling, ...]

    def __post_init__(self) -> None:
        if not self.spellings:
            raise HarkenError("entry", self.phonemes, "It needs at least one spelling.")
        if not self.phonemes and len(self.spellings) > 1:
            spellings = [spelling.text for spelling in self.spellings]
            raise HarkenError("entry without phonemes", spellings, "Only phonemes can say that these sound alike.")

    @property
    def id(self) -> int:
        """64 bits that are the same in every glossary."""
        return entry_id(self.phonemes, self.spellings[0].text)


@dataclass(frozen=True)
class Enrolment:
    """One recording of an entry.

    Attributes:
        entry_id: of its entry.
        voice: who or what spoke, and how; a second one of the same entry and voice replaces the first.
        frames: (layers, frames, size), as `Spotter.compress` keeps them.
        span: (D,), unit length, the whole recording's span embedding.
        statistics: (k,), its scores against the background.
    """

    entry_id: int
    voice: str
    frames: NDArray[np.floating]
    span: NDArray[np.floating]
    statistics: NDArray[np.floating]


def entry_id(phonemes: str, text: str) -> int:
    """The identity of a pronunciation: a hash of the phonemes, or of the normalised text when there are none."""
    identity = f"phonemes {phonemes}" if phonemes else f"text {normalise(text)}"
    return int.from_bytes(hashlib.sha256(identity.encode()).digest()[:8], "big")
