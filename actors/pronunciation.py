"""What a voice is given to read: the label with hard terms respelled, while the label itself stays."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from actors.tts.phonemes import disarm, groups, is_well_formed
from harken.errors import HarkenError
from harken.keywords import Keyword, KeywordMatcher
from harken.records import generator

COLUMNS = ("term", "spoken")


def load_pronunciations(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read a CSV with the columns term,spoken, such as ``speedy 20,speedy 二十``; term -> its readings.

    A term with several readings has several lines: ``speedy 20,speedy 二十`` and ``speedy 20,speedy twenty``. What
    stands between double brackets is phonemes in the notation of the backend: ``kelly,[[_^_en k'Eli]]``.

    Raises:
        HarkenError: missing file, missing columns, an empty cell, a reading that its term already has, brackets
            that do not match.
    """
    path = Path(path)
    readings: dict[str, tuple[str, ...]] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines)
            if not set(COLUMNS) <= set(reader.fieldnames or ()):
                raise HarkenError("pronunciation file", str(path), "Its first line must be: term,spoken")
            for row in reader:
                term, reading = (row["term"] or "").strip(), (row["spoken"] or "").strip()
                place = f"{path}, line {reader.line_num}"
                if not term or not reading:
                    raise HarkenError(place, row, "Both term and spoken must be filled in.")
                if not is_well_formed(reading):
                    raise HarkenError(place, reading, "Write phonemes as [[...]], without brackets inside.")
                if reading in readings.get(term, ()):
                    raise HarkenError(place, term, "This term already has this pronunciation above.")
                readings[term] = (*readings.get(term, ()), reading)
    except FileNotFoundError:
        raise HarkenError("pronunciation file", str(path), "It does not exist.") from None
    except (OSError, UnicodeDecodeError) as failure:
        raise HarkenError("pronunciation file", str(path), f"It cannot be read as UTF-8 text ({failure}).") from None
    return readings


class Pronouncer:
    """Replaces the terms that have a pronunciation; matching is that of keywords (case, width, spacing).

    Of a term's readings one is drawn per row and term, so that a row says a term the same way every time and a
    corpus has all of them. Two spellings of one term (``LV`` and ``lv``) share their readings.
    """

    def __init__(self, pronunciations: Mapping[str, Sequence[str]]) -> None:
        self.matcher = KeywordMatcher([Keyword(term, "") for term in pronunciations])
        self.readings: dict[str, list[str]] = {}
        for term, readings in pronunciations.items():
            known = self.readings.setdefault(self.matcher.find(term)[0].term, [])
            known.extend(reading for reading in readings if reading not in known)

    def respell(self, text: str, identity: str) -> str:
        """``text`` with every term that has a pronunciation replaced by the reading drawn for row ``identity``.

        Double brackets in the result hold the phonemes of a reading, never those that ``text`` itself had.
        """
        pieces, position = [], 0
        for mention in self.matcher.find(text):
            reading = generator(identity, "pronunciation", mention.term).choice(self.readings[mention.term])
            # A bracket right before phonemes would open them too early.
            reading = f" {reading} " if groups(reading) else reading
            pieces += [disarm(text[position : mention.start]), reading]
            position = mention.end
        return "".join([*pieces, disarm(text[position:])])
