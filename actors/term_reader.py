"""How each term of a glossary is said: its readings, and the phonemes by which two terms are the same to the ear."""

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from actors.acronyms import acronym_readings
from actors.phoneme_reader import espeak_voice, read_phonemes
from actors.pronunciation import Pronouncer
from actors.tts.espeak import languages
from actors.tts.phonemes import disarm, groups, outside
from compression.inventory import Phonemes
from harken.keywords import matched_form
from harken.records import OK, Row

READING_TYPE = pa.struct([("text", pa.string()), ("phonemes", pa.list_(pa.string()))])
READINGS_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("id", "term", "category", "language")]
    + [("audio", pa.list_(pa.string())), ("readings", pa.list_(READING_TYPE))]
    + [(name, pa.string()) for name in ("status", "error")]
)

# Glides and lengths that come and go with the spelling of one sound.
_PASSING = frozenset({";", ":"})
_SWITCH = re.compile(r"_\^_\S+")
_NO_PHONEME = frozenset("',%=|-_ ")


class TermReader:
    """Rows ``{"id", "term", "category", "language", "spoken", "audio"}`` in, rows of `READINGS_SCHEMA` out.

    A term is read as its column `spoken` says, else as `pronunciations` have it, else as it is written and, with
    `acronyms`, letter by letter as well. Two readings that sound the same are one. A term that has recordings and
    states no reading has none: the recordings are how it sounds.

    `phonemes` are empty where espeak-ng does not know the language or finds nothing to read.
    """

    def __init__(self, pronunciations: Mapping[str, Sequence[str]], acronyms: bool) -> None:
        self.pronouncer = Pronouncer(pronunciations)
        self.whole = {matched_form(term): tuple(readings) for term, readings in pronunciations.items()}
        self.acronyms = acronyms

    def __call__(self, rows: list[Row]) -> list[Row]:
        texts = [self.readings(row) for row in rows]
        phonemes = self._phonemes(
            [(row["language"], text) for row, found in zip(rows, texts, strict=True) for text in found]
        )
        results = []
        for row, found in zip(rows, texts, strict=True):
            alike: dict[object, Row] = {}
            for text in found:
                sound = phonemes[row["language"], text]
                alike.setdefault(sound or text, {"text": text, "phonemes": list(sound)})
            kept = {name: row[name] for name in ("id", "term", "category", "language", "audio")}
            results.append(kept | {"readings": list(alike.values()), "status": OK, "error": None})
        return results

    def readings(self, row: Row) -> tuple[str, ...]:
        """The texts that a voice is given, in which only stated phonemes stand between double brackets."""
        term = row["term"]
        if row["spoken"]:
            return tuple(row["spoken"])
        if row["audio"]:
            return ()
        known = self.whole.get(matched_form(term))
        if known:
            return known
        # What a longer term says of a known one, such as a size behind a name.
        respelled = self.pronouncer.respell(term, row["id"])
        plain = disarm(term)
        if respelled != plain or not self.acronyms:
            return (respelled,)
        return acronym_readings(plain, row["language"]) or (plain,)

    def _phonemes(self, texts: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Phonemes]:
        by_language: dict[str, set[str]] = {}
        for language, text in texts:
            by_language.setdefault(language, set()).add(text)
        found: dict[tuple[str, str], Phonemes] = {}
        for language, distinct in by_language.items():
            voice = espeak_voice(language)
            read = read_phonemes(map(outside, distinct), voice) if voice.lower() in languages() else {}
            for text in distinct:
                sounds = read.get(outside(text), ())
                stated = (sign for group in groups(text) for sign in _SWITCH.sub("", group[2:-2]))
                found[language, text] = (
                    *(sound for sound in sounds if sound not in _PASSING),
                    *(sign for sign in stated if sign not in _NO_PHONEME),
                )
        return found
