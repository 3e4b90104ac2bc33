"""From readings of terms to entries: what sounds the same is one entry, however many spellings it has."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from harken.glossary_terms import spelling_key
from harken.records import Row, fingerprint


@dataclass(frozen=True, slots=True, order=True)
class Spelling:
    """A term that an entry stands for."""

    term: str
    category: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """One sound with all its spellings, sorted: the same however the list of terms is ordered.

    Attributes:
        reading: what a voice is given, or empty: the entry is recorded.
        language: of the reading.
        phonemes: of the reading; empty where they are not known, as of an entry that is recorded.
        audio: paths of recordings.
    """

    spellings: tuple[Spelling, ...]
    reading: str = ""
    language: str = ""
    phonemes: tuple[str, ...] = ()
    audio: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What makes it the same entry in any glossary: its phonemes, or its spelling where they are not known."""
        if self.phonemes:
            return fingerprint("entry", self.phonemes)
        kind = "read" if self.reading else "recorded"
        first = self.spellings[0]
        return fingerprint("entry", kind, spelling_key(first.term), first.language, self.reading)

    @property
    def terms(self) -> tuple[str, ...]:
        """Its spellings as texts, each once."""
        return tuple(dict.fromkeys(spelling.term for spelling in self.spellings))


# How two readings are found to be the same, and by what.
_Identity = tuple[str, tuple[str, ...]]


@dataclass(slots=True)
class _Members:
    spellings: set[Spelling] = field(default_factory=set)
    readings: set[tuple[str, str]] = field(default_factory=set)
    audio: set[str] = field(default_factory=set)


def group_entries(rows: Iterable[Row]) -> list[Entry]:
    """The entries of rows ``{"term", "category", "language", "audio", "readings"}``, in the order in which they begin.

    A term has an entry for every reading (``{"text", "phonemes"}``), and one of its own for its recordings: nobody
    knows how those sound.
    """
    found: dict[_Identity, _Members] = {}
    for row in rows:
        spelling = Spelling(row["term"], row["category"], row["language"])
        for reading in row["readings"]:
            # A reading that espeak cannot tell from nothing is only like itself.
            alone = (spelling_key(row["term"]), row["language"], reading["text"])
            phonemes = tuple(reading["phonemes"])
            members = found.setdefault(("heard", phonemes) if phonemes else ("read", alone), _Members())
            members.spellings.add(spelling)
            members.readings.add((reading["text"], row["language"]))
        if row["audio"]:
            members = found.setdefault(("recorded", (spelling_key(row["term"]), row["language"])), _Members())
            members.spellings.add(spelling)
            members.audio.update(row["audio"])
    return [_entry(identity, members) for identity, members in found.items()]


def _entry(identity: _Identity, members: _Members) -> Entry:
    spellings = tuple(sorted(members.spellings))
    if members.audio:
        return Entry(spellings, audio=tuple(sorted(members.audio)))
    reading, language = min(members.readings)
    kind, sound = identity
    return Entry(spellings, reading, language, sound if kind == "heard" else ())

