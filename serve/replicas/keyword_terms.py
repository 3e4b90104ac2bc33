"""Terms that come with a request: spoken and enrolled when first sent, remembered, searched in this replica."""

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import torch
from torch import Tensor

from actors.enroller import Recording, recordings_of
from actors.entries import EntryDraft, group_entries
from actors.pronunciation import load_pronunciations
from actors.recording_encoder import RecordingEncoder
from actors.speaker import Speaker
from actors.term_reader import TermReader
from compression.cascade.search import Cascade
from compression.frames import Frames
from compression.glossary.memory import MemoryGlossary
from compression.search_model import SearchModel
from compression.spotter import Spotter
from harken.cascade_settings import CascadeSettings
from harken.glossary_settings import GlossarySettings
from harken.records import Row, fingerprint
from harken.whisper import Whisper

Value = TypeVar("Value")
_Takes = tuple[tuple[str, Recording], ...]


class KeywordTerms:
    """Makes small glossaries of keywords, as the builds of big ones do: the same readings, voices and models.

    Args:
        recipe: how terms are read and spoken; its folders and resources are not used.
        held: enrolled entries that are remembered.
        threads: PyTorch's CPU threads of this process.

    Raises:
        HarkenError: an engine that cannot speak here, or a file that is missing.
    """

    def __init__(
        self,
        recipe: GlossarySettings,
        whisper: Whisper,
        spotter: Spotter,
        search_model: SearchModel,
        cascade: CascadeSettings,
        held: int,
        threads: int,
    ) -> None:
        self._recipe = recipe
        self._spotter = spotter
        self._search_model = search_model
        self._cascade = cascade
        stated = load_pronunciations(recipe.terms.pronunciations) if recipe.terms.pronunciations else {}
        self._reader = TermReader(stated, recipe.terms.acronyms)
        own = spotter.settings
        longest = own.verifier.keyword_seconds
        self._encoder = RecordingEncoder(whisper, own.layers, own.enrolment, "keyword", longest, threads=threads)
        self._speakers = {
            name: Speaker(engine.speech, engine.speech.voices, {}) for name, engine in recipe.engines.items()
        }
        self._readings: _Remembered[Row] = _Remembered(held)
        self._takes: _Remembered[_Takes] = _Remembered(held)
        self._searching: _Remembered[Cascade | None] = _Remembered(max(1, held // 64))
        # espeak-ng speaks one text at a time, and two requests often bring the same terms.
        self._making = threading.Lock()

    def searching(self, keywords: Sequence[str]) -> Cascade | None:
        """A search for these terms; None when none of them can be spoken."""
        terms = tuple(sorted(set(keywords)))
        with self._making:
            if terms not in self._searching:
                self._searching[terms] = self._make(terms)
            return self._searching[terms]

    def _make(self, terms: Sequence[str]) -> Cascade | None:
        drafts = group_entries(self._read(terms))
        self._enrol([draft for draft in drafts if draft.reading and _key(draft) not in self._takes])
        takes = [(draft.entry, self._takes[_key(draft)]) for draft in drafts if draft.reading]
        enrolled = [(entry, made) for entry, made in takes if made]
        if not enrolled:
            return None
        enrolments = [recording.of(entry.id, voice) for entry, made in enrolled for voice, recording in made]
        glossary = MemoryGlossary([entry for entry, _ in enrolled], enrolments)
        return Cascade(self._spotter, self._search_model, glossary, self._cascade)

    def _read(self, terms: Sequence[str]) -> list[Row]:
        unread = [term for term in terms if term not in self._readings]
        blank = {"category": "", "language": self._recipe.terms.language, "spoken": [], "audio": []}
        rows = self._reader([{"id": term, "term": term, **blank} for term in unread])
        for term, row in zip(unread, rows, strict=True):
            self._readings[term] = row
        return [self._readings[term] for term in terms]

    def _enrol(self, drafts: Iterable[EntryDraft]) -> None:
        """Speak and enrol entries; one whose recordings all failed is remembered as such."""
        spoken: list[tuple[str, str, Row]] = []
        keys = [_key(draft) for draft in drafts]
        for name, speaker in self._speakers.items():
            takes = range(self._recipe.engines[name].recordings)
            rows = [
                {
                    "id": fingerprint("recording", (draft.entry.id, draft.reading), f"{name} {take}", self._seed),
                    "text": draft.texts[0],
                    "reading": draft.reading,
                    "key": _key(draft),
                    "voice": f"{name} {take}",
                }
                for draft in drafts
                if self._recipe.speaks(name, draft.language)
                for take in takes
            ]
            spoken += [(row["key"], row["voice"], result) for row, result in zip(rows, speaker(rows), strict=True)]
        outcomes = self._encoder.encode([row for _, _, row in spoken])
        whole = {row: outcome for row, outcome in enumerate(outcomes) if isinstance(outcome, Tensor)}
        recordings = self._record(list(whole.values()))
        made: dict[str, list[tuple[str, Recording]]] = {key: [] for key in keys}
        for row, recording in zip(whole, recordings, strict=True):
            key, voice, _ = spoken[row]
            made[key].append((voice, recording))
        for key, found in made.items():
            self._takes[key] = tuple(found)

    def _record(self, encoded: Sequence[Tensor]) -> list[Recording]:
        if not encoded:
            return []
        with torch.inference_mode():
            kept = self._spotter.compress(Frames.stack(list(encoded)))[0].unstack()
        return recordings_of([frames.float().cpu() for frames in kept], self._search_model, self._recipe.bits)

    @property
    def _seed(self) -> int:
        return self._recipe.run.seed


def _key(draft: EntryDraft) -> str:
    return fingerprint("entry", draft.entry.id, draft.reading)


class _Remembered(OrderedDict[object, Value], Generic[Value]):
    """As many values as it may hold; that used longest ago makes way. For use under a lock."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def __getitem__(self, key: object) -> Value:
        self.move_to_end(key)
        return super().__getitem__(key)

    def __setitem__(self, key: object, value: Value) -> None:
        super().__setitem__(key, value)
        self.move_to_end(key)
        while len(self) > self._most:
            self.popitem(last=False)
