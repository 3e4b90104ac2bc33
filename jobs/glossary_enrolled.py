"""What a store has been told of its terms' sound already, so that an update speaks nothing twice.

Beside the store's own files lies voices.json: a fingerprint of the voices that spoke all of its recordings, as old as
the last build or update. Recordings of other voices, or of nobody knows which, are not taken over.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from actors.entries import EntryDraft
from compression.glossary.glossary import Glossary, open_glossary
from compression.glossary.store import GlossaryStore
from harken.errors import HarkenError
from harken.glossary_settings import GlossarySettings
from harken.records import Row, fingerprint, write_json
from jobs.glossary_stages import REVISIONS
from jobs.keyword_sets import speech_content

VOICES = "voices.json"


class Enrolled:
    """The recordings of a store that a run would make in the same way.

    Raises:
        HarkenError: the store holds values of other bits, or recordings of other voices than the run's.
    """

    def __init__(self, run: GlossarySettings, store: GlossaryStore) -> None:
        if store.description.bits != run.bits:
            remedy = f"The configuration asks for {run.bits}: build it anew."
            raise HarkenError(f"bits of {store.folder}", store.description.bits, remedy)
        if voices_of(store.folder) != voices_fingerprint(run):
            remedy = "The configuration's voices have not spoken all of it: build it anew."
            raise HarkenError("recordings of the glossary", str(store.folder), remedy)
        self._glossary: Glossary | None = open_glossary(store.folder) if store.manifest.segments else None
        # Not the manifest's: that of a removal, say, is newer than recordings that were replaced before it.
        self._made = (store.folder / VOICES).stat().st_mtime
        self._newest: tuple[int, dict[str, Any] | None] = -1, None
        self.fingerprint = fingerprint("enrolled", store.manifest.model_dump(mode="json"))

    def has(self, draft: EntryDraft, row: Row) -> bool:
        """Whether a recording of a draft (a row of `to_speak` or `to_read`) is in the store as it would be made."""
        term = self.term(draft.entry.id)
        if term is None or row["voice"] not in term["voices"]:
            return False
        if draft.audio:
            # A file may have been replaced by another of its name.
            return Path(row["audio_path"]).stat().st_mtime <= self._made
        return _reading(term["spellings"]) == (draft.reading, draft.language)

    def term(self, entry_id: int) -> dict[str, Any] | None:
        """Phonemes, spellings and voices of an entry; None where the store has no such entry."""
        # Every recording of an entry asks for it.
        if self._newest[0] != entry_id:
            self._newest = entry_id, self._read(entry_id)
        return self._newest[1]

    @property
    def entry_ids(self) -> list[int]:
        """The live entries."""
        return list(self._rows)

    def _read(self, entry_id: int) -> dict[str, Any] | None:
        index = self._rows.get(entry_id)
        if index is None or self._glossary is None:
            return None
        segment, first = next(
            (segment, first) for segment, first in reversed(self._glossary.located()) if first <= index
        )
        return segment.term(index - first)

    @cached_property
    def _rows(self) -> dict[int, int]:
        if self._glossary is None:
            return {}
        live = np.concatenate(
            [
                segment.live(partition) + first
                for segment, first in self._glossary.located()
                for partition in self._glossary.partitions
            ]
        )
        return dict(zip(self._glossary.entry_ids[live].tolist(), live.tolist(), strict=True))


def voices_fingerprint(run: GlossarySettings) -> str:
    """What decides how a reading sounds, the models that listen apart: those stand in the store's description."""
    engines = {name: speech_content(engine.speech) for name, engine in run.engines.items()}
    return fingerprint("voices", REVISIONS["speech"], REVISIONS["enrolments"], engines, run.run.seed)


def voices_of(folder: Path) -> str | None:
    """The fingerprint of the voices that spoke all recordings of a store; None where nobody noted it."""
    path = folder / VOICES
    return str(json.loads(path.read_text(encoding="utf-8"))["fingerprint"]) if path.is_file() else None


def note_voices(run: GlossarySettings, folder: Path, all_of_it: bool) -> None:
    """Note, beside a store, that the run's voices spoke `all_of_it` or else have spoken a part of it."""
    if all_of_it:
        write_json(folder / VOICES, {"fingerprint": voices_fingerprint(run)})
    elif voices_of(folder) != voices_fingerprint(run):
        (folder / VOICES).unlink(missing_ok=True)


def _reading(spellings: list[dict[str, Any]]) -> tuple[str, str]:
    """What was spoken of an entry, as `actors.entries` chooses it."""
    return min((spelling["spoken"] or spelling["text"], spelling["language"]) for spelling in spellings)
