"""The company's vocabulary: keywords, the CSV they come from, and where a text mentions them.

A mention is found whatever its case, width (NFKC), Chinese variant and accents (``hermes`` mentions Hermès; the
label keeps its own spelling). Spacing is tolerated where the term has a joint: at its own spaces and hyphens,
where letters meet digits and beside Han characters. ``speedy20``, ``Speedy 20`` and ``speedy　20`` are one term, but
``am i`` is not the brand ``ami``, ``255`` is not the bag ``2.55`` and 男，装修 holds no 男装.

Letters and digits need a boundary at both ends: ``prada`` is in 喜欢prada的, ``prada's`` and ``prada2``, and not in
``pradas``; give a plural or another spelling as a term of its own.
"""

import csv
import functools
import unicodedata
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from harken.errors import HarkenError
from harken.text import APOSTROPHES, character_class, is_word_boundary, remove_accents, simplify

COLUMNS = ("term", "category")

# How much may stand between two characters of a mention.
_NOTHING, _JOINT, _CLAUSE = range(3)
_CONNECTORS = frozenset("-‐‑‒–.·•・‧&/_+°™℠®©*" + APOSTROPHES)
# Latin letters that do not decompose into a base and an accent.
_BASE_LETTERS = str.maketrans({"ø": "o", "ł": "l", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe"})


@dataclass(frozen=True)
class Keyword:
    """One term of the vocabulary and its category, such as ``Keyword("speedy 20", "SERIES")``."""

    term: str
    category: str


@dataclass(frozen=True)
class Mention:
    """A keyword found in a text; ``text[start:end]`` is how it is spelled there."""

    term: str
    category: str
    start: int
    end: int


def load_keywords(path: str | Path, categories: Collection[str] | None = None, accents: bool = False) -> list[Keyword]:
    """Read a keyword list: CSV, UTF-8 with or without BOM, header ``term,category``; other columns are ignored.

    A term that stands there twice in one category, in whatever spelling of case, width or spacing, counts once.

    Args:
        categories: the known categories; None admits any.
        accents: two spellings that differ in an accent are two terms.

    Raises:
        HarkenError: the file is missing, empty or not UTF-8, a column is missing, there are no terms, or a line
            (named) has no term, no category, an unknown category or a term of another category.
    """
    path = Path(path)
    keywords: dict[str, tuple[Keyword, int]] = {}
    for line, term, category in _rows(path):
        place = f"keyword file {path}, line {line}"
        if not term:
            raise HarkenError(f"{place}, term", term, "It is empty: write the term or delete the line.")
        if not category:
            raise HarkenError(f"{place}, category", category, f"It is empty: give the category of {term!r}.")
        if categories is not None and category not in categories:
            raise HarkenError(f"{place}, category", category, f"Use one of {', '.join(sorted(categories))}.")
        key = _folded(term, accents).text
        if not key:
            raise HarkenError(f"{place}, term", term, "It has no letter, digit or ideograph: delete the line.")
        known, known_line = keywords.setdefault(key, (Keyword(term, category), line))
        if known.category != category:
            raise HarkenError(
                f"{place}, category of {term!r}",
                category,
                f"Line {known_line} has it as {known.category}: a term belongs to one category, delete one of them.",
            )
    if not keywords:
        raise HarkenError("keyword file", str(path), "It holds no terms below its header: add some.")
    return [keyword for keyword, _ in keywords.values()]


def matched_form(term: str, accents: bool = False) -> str:
    """The letters, digits and ideographs a term is found by: the same for all its spellings of case, width, spacing."""
    return _folded(term, accents).text


def find_mentions(text: str, keywords: Sequence[Keyword]) -> list[Mention]:
    """Find the keywords in one text; for many texts build one `KeywordMatcher`."""
    return KeywordMatcher(keywords).find(text)


class KeywordMatcher:
    """Finds keywords in texts; built once (linear in the terms), cheap per text, can be pickled.

    Args:
        accents: an accent makes another word: avô (grandfather) is no mention of avó (grandmother).

    Raises:
        HarkenError: a term without a letter, digit or ideograph, or one term in two categories.
    """

    def __init__(self, keywords: Sequence[Keyword], accents: bool = False) -> None:
        self.keywords = tuple(keywords)
        self.accents = accents
        self._terms: dict[str, tuple[Keyword, tuple[_Joint, ...]]] = {}
        lengths: dict[str, set[int]] = {}
        for keyword in self.keywords:
            folded = _folded(keyword.term, accents)
            if not folded.text:
                raise HarkenError("keyword", keyword.term, "It has no letter, digit or ideograph to be found by.")
            known, joints = self._terms.get(folded.text, (keyword, _joints(folded)))
            if known.category != keyword.category:
                remedy = f"It is in two categories, {known.category} and {keyword.category}: keep one."
                raise HarkenError("keyword", keyword.term, remedy)
            # Two spellings of one term: whatever either allows.
            joints = tuple(
                _Joint(min(a.least, b.least), max(a.most, b.most)) for a, b in zip(joints, _joints(folded), strict=True)
            )
            self._terms[folded.text] = (known, joints)
            lengths.setdefault(folded.text[0], set()).add(len(folded.text))
        self._lengths = {first: sorted(found, reverse=True) for first, found in lengths.items()}

    @property
    def categories(self) -> list[str]:
        """The categories of the keywords, sorted."""
        return sorted({keyword.category for keyword in self.keywords})

    def find(self, text: str) -> list[Mention]:
        """The mentions in ``text`` by position: the longest term first, then the leftmost, none overlapping."""
        folded = _folded(text, self.accents)
        candidates = sorted(self._candidates(folded), key=lambda found: (found[0] - found[1], found[0]))
        taken = bytearray(len(folded.text))
        mentions = []
        for start, end, keyword in candidates:
            if any(taken[start:end]):
                continue
            taken[start:end] = b"\1" * (end - start)
            mentions.append(_mention(text, folded, start, end, keyword))
        return sorted(mentions, key=lambda mention: mention.start)

    def find_all(self, text: str) -> list[Mention]:
        """Every mention in ``text`` by position, also those inside or across others: 手提包 mentions 提包 too."""
        folded = _folded(text, self.accents)
        candidates = sorted(self._candidates(folded), key=lambda found: found[:2])
        return [_mention(text, folded, *candidate) for candidate in candidates]

    def _candidates(self, folded: "_Folded") -> Iterator[tuple[int, int, Keyword]]:
        text, gaps = folded.text, folded.gaps
        for start, first in enumerate(text):
            lengths = self._lengths.get(first)
            if lengths is None or not _is_boundary(folded, start):
                continue
            for length in lengths:
                end = start + length
                entry = self._terms.get(text[start:end]) if end <= len(text) else None
                if entry is None:
                    continue
                keyword, joints = entry
                inside = zip(joints, gaps[start + 1 : end], strict=True)
                if all(joint.least <= gap <= joint.most for joint, gap in inside) and _is_boundary(folded, end):
                    yield start, end, keyword


class _Folded(NamedTuple):
    """A text as it is matched: its letters, digits and ideographs only."""

    text: str
    origins: list[int]  # index in the original text of each character
    gaps: list[int]  # what stands before each character: _NOTHING, _JOINT or _CLAUSE


class _Joint(NamedTuple):
    """What a mention may have between two neighbouring characters of the term."""

    least: int
    most: int


def _mention(text: str, folded: _Folded, start: int, end: int, keyword: Keyword) -> Mention:
    stop = folded.origins[end - 1] + 1
    while stop < len(text) and unicodedata.combining(text[stop]):
        stop += 1
    return Mention(keyword.term, keyword.category, folded.origins[start], stop)


def _folded(text: str, accents: bool = False) -> _Folded:
    letters: list[str] = []
    origins: list[int] = []
    gaps: list[int] = []
    gap = _NOTHING
    for index, character in enumerate(text):
        form, separation = _fold(character, accents)
        if not form:
            gap = max(gap, separation)
            continue
        for letter in form:
            letters.append(letter)
            origins.append(index)
            gaps.append(gap)
            gap = _NOTHING
    return _Folded("".join(letters), origins, gaps)


@functools.cache
def _fold(character: str, accents: bool) -> tuple[str, int]:
    """The matched form of one character; when it has none, how strongly it separates its neighbours."""
    category = unicodedata.category(character)
    if character in _CONNECTORS or category[0] == "Z" or character.isspace():
        return "", _JOINT
    if category[0] in "PS":
        form = unicodedata.normalize("NFKC", character)
        # Compatibility symbols can hold letters (㎡, ㈱); other punctuation ends a clause.
        if form == character or not any(map(str.isalnum, form)):
            return "", _JOINT if form in _CONNECTORS else _CLAUSE
    if category[0] == "C":
        return "", _NOTHING
    form = unicodedata.normalize("NFKC", character).casefold()
    if accents:
        # Decomposed, as an accent may stand in the text as a character of its own.
        form = unicodedata.normalize("NFD", simplify(form))
    else:
        form = simplify(remove_accents(form).translate(_BASE_LETTERS))
    return "".join(letter for letter in form if unicodedata.category(letter)[0] in "LNM"), _NOTHING


def _joints(folded: _Folded) -> tuple[_Joint, ...]:
    """Per neighbouring pair of a term's characters, the least and the most that may separate them in a text."""
    joints = []
    for (left, right), gap in zip(pairwise(folded.text), folded.gaps[1:], strict=True):
        kinds = character_class(left), character_class(right)
        if kinds == ("digit", "digit"):
            # Without the separation it would be another number.
            joints.append(_Joint(min(gap, _JOINT), gap))
        elif kinds == ("letter", "letter"):
            joints.append(_Joint(_NOTHING, gap))
        else:
            joints.append(_Joint(_NOTHING, max(gap, _JOINT)))
    return tuple(joints)


def _is_boundary(folded: _Folded, position: int) -> bool:
    """True unless ``position`` is inside a run of letters, of digits, or of one original character."""
    if not 0 < position < len(folded.text) or folded.gaps[position] != _NOTHING:
        return True
    if folded.origins[position - 1] == folded.origins[position]:
        return False
    return is_word_boundary(folded.text[position - 1], folded.text[position])


def _rows(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line number, term and category of every row that is not blank."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if not header:
                raise HarkenError("keyword file", str(path), f"It is empty: its first line is {','.join(COLUMNS)}.")
            missing = [name for name in COLUMNS if name not in header]
            if missing:
                remedy = f"The column {missing[0]!r} is missing: the first line is {','.join(COLUMNS)}, with commas."
                raise HarkenError(f"keyword file {path}, line 1", ",".join(header), remedy)
            term, category = (header.index(name) for name in COLUMNS)
            for row in reader:
                if not any(cell.strip() for cell in row) and len(row) < 2:
                    continue
                cells = [*row, *[""] * len(header)]
                yield reader.line_num, cells[term].strip(), cells[category].strip()
    except FileNotFoundError:
        raise HarkenError("keyword file", str(path), "It does not exist: give the path of a CSV file.") from None
    except UnicodeDecodeError as failure:
        raise HarkenError("keyword file", str(path), f"It is not UTF-8 text ({failure.reason}): save it so.") from None
    except csv.Error as failure:
        remedy = f"It is not valid CSV: {failure}."
        raise HarkenError(f"keyword file {path}, line {reader.line_num}", str(path), remedy) from None
    except OSError as failure:
        raise HarkenError("keyword file", str(path), f"It cannot be read: {failure.strerror}.") from None
