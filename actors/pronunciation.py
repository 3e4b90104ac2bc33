"""What a voice is given to read: the label with hard terms respelled, while the label itself stays."""

import csv
from collections.abc import Mapping
from pathlib import Path

from harken.errors import HarkenError
from harken.keywords import Keyword, KeywordMatcher

COLUMNS = ("term", "spoken")


def load_pronunciations(path: str | Path) -> dict[str, str]:
    """Read a CSV with the columns term,spoken, such as ``speedy 20,speedy 二十``.

    Raises:
        HarkenError: missing file, missing columns, an empty cell, a repeated term.
    """
    path = Path(path)
    spoken: dict[str, str] = {}
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
                if term in spoken:
                    raise HarkenError(place, term, "This term already has a pronunciation above.")
                spoken[term] = reading
    except FileNotFoundError:
        raise HarkenError("pronunciation file", str(path), "It does not exist.") from None
    except (OSError, UnicodeDecodeError) as failure:
        raise HarkenError("pronunciation file", str(path), f"It cannot be read as UTF-8 text ({failure}).") from None
    return spoken


class Pronouncer:
    """Replaces the terms that have a pronunciation; matching is that of keywords (case, width, spacing)."""

    def __init__(self, pronunciations: Mapping[str, str]) -> None:
        self.pronunciations = dict(pronunciations)
        self.matcher = KeywordMatcher([Keyword(term, "") for term in pronunciations])

    def respell(self, text: str) -> str:
        """``text`` with every term that has a pronunciation replaced by it."""
        pieces, position = [], 0
        for mention in self.matcher.find(text):
            pieces += [text[position : mention.start], self.pronunciations[mention.term]]
            position = mention.end
        return "".join([*pieces, text[position:]])
