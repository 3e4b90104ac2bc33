"""One utterance as it leaves Harken, and whether its voice's licence lets it."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from harken.records import Row, fingerprint

OWN_RECORDING = "own recording"
_SAFE = re.compile(r"[A-Za-z0-9_-]{1,100}")


@dataclass(frozen=True)
class Utterance:
    """A spoken text: ``audio`` is FLAC, ``duration`` in seconds, ``part`` the set it belongs to ('synthetic', ...)."""

    id: str
    part: str
    text: str
    audio: bytes
    sample_rate: int
    duration: float
    language: str
    speaker: str
    licence: str
    commercial_use: bool | None
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def stem(self) -> str:
        """The id where it is fit for a file name in any format, else a digest of it."""
        return self.id if _SAFE.fullmatch(self.id) else fingerprint(self.id)

    @property
    def file(self) -> str:
        """The audio file, relative to the dataset's folder."""
        return f"data/{self.part}/{self.stem}.flac"


def utterance(row: Row, part: str, language: str) -> Utterance:
    """A spoken row of the speech stage as an utterance. A row without a voice licence is the user's own recording."""
    details = {"text_spoken": row["text_spoken"]} if row["text_spoken"] else {}
    for column in ("style", "augmentation"):
        if row[column] and (value := json.loads(row[column])):
            details[column] = value
    return Utterance(
        id=row["id"],
        part=part,
        text=row["text"],
        audio=row["audio"],
        sample_rate=row["sample_rate"],
        duration=row["duration"],
        language=language,
        speaker=row["speaker"],
        licence=row["licence"] or OWN_RECORDING,
        commercial_use=row["commercial_use"] if row["licence"] else True,
        details=details,
    )


def objection(item: Utterance, use: str) -> str | None:
    """Why an utterance may not be exported for ``use`` ('commercial' or 'research'); None when it may."""
    if use == "research" or item.commercial_use:
        return None
    state = "does not allow" if item.commercial_use is False else "is not known to allow"
    return f"the voice's licence ({item.licence}) {state} commercial use"
