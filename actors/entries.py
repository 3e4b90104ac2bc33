"""From readings of terms to a glossary's entries: what sounds the same is one, however many spellings it has."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from compression.glossary.entry import Entry, Spelling
from harken.glossary_settings import RECORDINGS
from harken.glossary_terms import spelling_key
from harken.records import Row, fingerprint


@dataclass(frozen=True)
class EntryDraft:
    """An entry, and what is to be enrolled for it: a reading that voices are given, or recordings.

    Attributes:
        reading: empty for an entry that is recorded.
        language: of the reading.
        audio: paths of recordings.
    """

    entry: Entry
    reading: str = ""
    language: str = ""
    audio: tuple[str, ...] = ()

    @property
    def phonemes(self) -> tuple[str, ...]:
        """One by one; none where they are not known."""
        return tuple(self.entry.phonemes.split())

    @property
    def texts(self) -> tuple[str, ...]:
        """Its spellings."""
        return tuple(spelling.text for spelling in self.entry.spellings)

    def to_speak(self, engine: str, recordings: int, seed: int) -> list[Row]:
        """Rows for a `Speaker`, ``{"id", "text", "reading", "voice"}``: a recording each, which the id decides.

        The id depends on the entry, the engine and the seed alone, so that a term has the same recordings in every
        glossary.
        """
        if not self.reading:
            return []
        voices = [f"{engine} {take}" for take in range(recordings)]
        return [self._row(voice, seed) | {"reading": self.reading} for voice in voices]

    def to_read(self) -> list[Row]:
        """Rows for a `RecordingReader`, ``{"id", "text", "audio_path", "voice"}``: the user's own recordings."""
        return [self._row(f"{RECORDINGS} {Path(path).name}", path) | {"audio_path": path} for path in self.audio]

    def _row(self, voice: str, *further: object) -> Row:
        identity = fingerprint("recording", self.entry.id, self.reading, voice, *further)
        return {"id": identity, "text": self.texts[0], "voice": voice}


# How two readings are found to be the same, and by what.
_Identity = tuple[str, tuple[str, ...]]


@dataclass(slots=True)
class _Members:
    spellings: dict[str, Spelling] = field(default_factory=dict)
    readings: set[tuple[str, str]] = field(default_factory=set)
    audio: set[str] = field(default_factory=set)


def group_entries(rows: Iterable[Row], source: str = "") -> list[EntryDraft]:
    """The entries of rows ``{"term", "category", "language", "audio", "readings"}``, in the order in which they begin.

    A term has an entry for every reading (``{"text", "phonemes"}``), and one of its own for its recordings: nobody
    knows how those sound. Which of several like readings is spoken does not depend on the order of the rows.

    Args:
        source: what the list of terms is called.
    """
    found: dict[_Identity, _Members] = {}
    for row in rows:
        alone = (spelling_key(row["term"]), row["language"])
        for reading in row["readings"]:
            phonemes = tuple(reading["phonemes"])
            # A reading that espeak cannot tell from nothing is only like itself.
            members = found.setdefault(("heard", phonemes) if phonemes else ("read", alone), _Members())
            members.readings.add((reading["text"], row["language"]))
            spoken = "" if reading["text"] == row["term"] else reading["text"]
            _spell(members, row, spoken, source)
        if row["audio"]:
            members = found.setdefault(("recorded", alone), _Members())
            members.audio.update(row["audio"])
            _spell(members, row, "", source)
    return [_draft(*identity, members) for identity, members in found.items()]


def _spell(members: _Members, row: Row, spoken: str, source: str) -> None:
    members.spellings.setdefault(row["term"], Spelling(row["term"], row["category"], row["language"], spoken, source))


def _draft(kind: str, sound: tuple[str, ...], members: _Members) -> EntryDraft:
    spellings = tuple(members.spellings[text] for text in sorted(members.spellings))
    entry = Entry(" ".join(sound) if kind == "heard" else "", spellings)
    if members.audio:
        return EntryDraft(entry, audio=tuple(sorted(members.audio)))
    return EntryDraft(entry, *min(members.readings))
