"""The terms of a glossary as people write them down: CSV, TSV, JSONL or one a line, cleaned and each once.

A table's first line names its columns: ``term`` and, where there is more to say, ``category``, ``language`` (Whisper's
code), ``spoken`` (how it is said, for a term that a voice misreads) and ``audio`` (the user's own recordings, relative
to the file). Several readings or recordings stand in one cell with ``|`` between them, in lists in JSONL, or on lines
of their own.
"""

import csv
import json
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harken.errors import HarkenError
from harken.keywords import matched_form

COLUMNS = ("term", "category", "language", "spoken", "audio")
LONGEST_TERM = 256
SEPARATOR = "|"

_DELIMITERS = {".csv": ",", ".tsv": "\t"}
# Signs that are no part of a name; NFKC would make letters of them (Speedy™ would be SpeedyTM).
_SIGNS = dict.fromkeys(map(ord, "™℠®©"))
# They change how some scripts are written; other format characters are left over from copying.
_JOINERS = "\u200c\u200d"
# Control characters, halves of characters, private ones, unknown ones, line breaks.
_REFUSED = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_BAD_LINES_KEPT = 1000


@dataclass(frozen=True, slots=True)
class GlossaryTerm:
    """One term: how it is written, and what the user knows of how it sounds.

    Attributes:
        term: cleaned (`clean_term`).
        category: of the business, or empty.
        language: Whisper's code, or empty for the glossary's own.
        spoken: readings that replace the spelling for a voice; ``[[...]]`` holds phonemes.
        audio: paths of recordings of the term alone.
    """

    term: str
    category: str = ""
    language: str = ""
    spoken: tuple[str, ...] = ()
    audio: tuple[str, ...] = ()


@dataclass(frozen=True)
class BadLine:
    """A line that is no term, and why; `cause` is what bad lines are counted by."""

    line: int
    cause: str
    value: str


@dataclass
class GlossaryList:
    """The terms of a file in its order, each spelling of case, width and white space once in each language.

    `duplicates` counts the lines whose term stands above them already; what they know of its sound is kept.
    """

    terms: list[GlossaryTerm] = field(default_factory=list)
    duplicates: int = 0
    bad: Counter[str] = field(default_factory=Counter)
    bad_lines: list[BadLine] = field(default_factory=list)

    @property
    def recordings(self) -> list[Path]:
        """The recordings that the list names, in its order."""
        return [Path(name) for term in self.terms for name in term.audio]


def read_glossary(path: Path, skip_bad: bool = False) -> GlossaryList:
    """Read a glossary; the name's ending tells its form: .csv, .tsv, .jsonl, anything else a plain list.

    Args:
        skip_bad: count and list bad lines (the first thousand) instead of refusing the file.

    Raises:
        HarkenError: the file is missing or holds no terms, a table lacks its column ``term``, or, unless
            `skip_bad`, a line is bad; the error names the line.
    """
    found = GlossaryList()
    places: dict[tuple[str, str], int] = {}
    for line, fields in _lines(path):
        try:
            term = _term(fields, path.parent)
        except HarkenError as failure:
            if not skip_bad:
                raise HarkenError(f"{path}, line {line}, {failure.thing}", failure.value, failure.remedy) from None
            found.bad[failure.thing] += 1
            if len(found.bad_lines) < _BAD_LINES_KEPT:
                found.bad_lines.append(BadLine(line, failure.thing, str(failure.value)[:80]))
            continue
        place = places.setdefault((spelling_key(term.term), term.language), len(found.terms))
        if place == len(found.terms):
            found.terms.append(term)
        else:
            found.duplicates += 1
            found.terms[place] = _joined(found.terms[place], term)
    if not found.terms:
        raise HarkenError("glossary", str(path), "It holds no terms: write one a line, or a table with a column term.")
    return found


def clean_term(text: str) -> str:
    """The spelling of a term in NFKC, with single spaces and without signs and characters that nobody sees.

    Raises:
        HarkenError: it is empty or too long, has no letter, digit or ideograph, or holds control characters or one
            of Whisper's special tokens; `thing` says which of these.

    Example:
        >>> clean_term(" Ｓｐｅｅｄｙ™   20")
        'Speedy 20'
    """
    kept = "".join(
        character
        for character in text.strip().translate(_SIGNS)
        if character in _JOINERS or unicodedata.category(character) != "Cf"
    )
    # Of white space the spaces alone: a tab or a line break inside a term is a mistake of the file.
    spelling = " ".join(part for part in unicodedata.normalize("NFKC", kept).split(" ") if part)
    if not spelling:
        raise HarkenError("empty term", text[:80], "Write the term or delete the line.")
    if len(spelling) > LONGEST_TERM:
        remedy = f"It has {len(spelling)} characters of at most {LONGEST_TERM}: a term is a name, not a text."
        raise HarkenError("term too long", spelling[:80], remedy)
    unprintable = next((character for character in spelling if unicodedata.category(character) in _REFUSED), None)
    if unprintable is not None:
        remedy = f"It holds U+{ord(unprintable):04X}, which no term is written with: delete it (is the file UTF-8?)."
        raise HarkenError("control character", spelling[:80], remedy)
    if "<|" in spelling or "|>" in spelling:
        raise HarkenError("special token", spelling[:80], "A term must not hold <| or |>, Whisper's own marks.")
    if not matched_form(spelling):
        raise HarkenError("nothing to say", spelling[:80], "It has no letter, digit or ideograph: delete the line.")
    return spelling


def spelling_key(term: str) -> str:
    """What two spellings of one term share that differ in case or white space only.

    >>> spelling_key("Speedy 20") == spelling_key("speedy  20")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", term).casefold().split())


def _term(fields: Mapping[str, object], folder: Path) -> GlossaryTerm:
    problem = fields.get("problem")
    if problem is not None:
        raise HarkenError("unreadable line", fields["text"], str(problem))
    for column in COLUMNS[:3]:
        if not isinstance(fields.get(column, ""), str):
            raise HarkenError(f"{column} is no text", fields[column], f"Give {column} as a string.")
    recordings = []
    for name in _several(fields, "audio"):
        recording = folder / name
        if not recording.is_file():
            raise HarkenError("missing recording", str(recording), "It does not exist: its path begins at the list.")
        recordings.append(str(recording))
    return GlossaryTerm(
        clean_term(str(fields["term"])),
        str(fields.get("category", "")).strip(),
        str(fields.get("language", "")).strip(),
        tuple(map(clean_reading, _several(fields, "spoken"))),
        tuple(recordings),
    )


def clean_reading(text: str) -> str:
    """A reading as `clean_term` cleans it.

    Raises:
        HarkenError: as `clean_term`, or brackets of phonemes that do not match.
    """
    reading = clean_term(text)
    if reading.count("[[") != reading.count("]]"):
        raise HarkenError("phonemes not closed", reading, "Write phonemes as [[...]], without brackets inside.")
    return reading


def _several(fields: Mapping[str, object], column: str) -> list[str]:
    value = fields.get(column) or ""
    parts = value.split(SEPARATOR) if isinstance(value, str) else value
    if not isinstance(parts, list) or not all(isinstance(part, str) for part in parts):
        raise HarkenError(f"{column} is no text", value, f"Give {column} as a string or a list of strings.")
    return [part.strip() for part in parts if part.strip()]


def _joined(first: GlossaryTerm, second: GlossaryTerm) -> GlossaryTerm:
    return GlossaryTerm(
        first.term,
        first.category or second.category,
        first.language,
        tuple(dict.fromkeys(first.spoken + second.spoken)),
        tuple(dict.fromkeys(first.audio + second.audio)),
    )


def _lines(path: Path) -> Iterator[tuple[int, Mapping[str, object]]]:
    """The fields of each line that is not blank, with its number; ``problem`` where it cannot be read."""
    suffix = path.suffix.lower()
    read = {".csv": _table_lines, ".tsv": _table_lines, ".jsonl": _json_lines}.get(suffix, _plain_lines)
    try:
        # Bytes that are no UTF-8 become surrogates, so that their line can be named.
        with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="\n") as lines:
            yield from read(path, ((number, line.rstrip("\r\n")) for number, line in enumerate(lines, start=1)))
    except FileNotFoundError:
        raise HarkenError("glossary", str(path), "It does not exist: check the path in the configuration.") from None
    except OSError as failure:
        raise HarkenError("glossary", str(path), f"It cannot be read ({failure.strerror}).") from None


def _plain_lines(_path: Path, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, Mapping[str, object]]]:
    return ((number, {"term": line}) for number, line in lines if line.strip())


def _json_lines(_path: Path, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, Mapping[str, object]]]:
    for number, line in lines:
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as failure:
            yield number, _unreadable(line, f"It is not valid JSON: {failure.msg}.")
            continue
        if isinstance(value, dict) and "term" in value:
            yield number, {name: found for name, found in value.items() if name in COLUMNS and found is not None}
        else:
            yield number, _unreadable(line, 'Every line must be a JSON object with a "term".')


def _table_lines(path: Path, lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, Mapping[str, object]]]:
    delimiter = _DELIMITERS[path.suffix.lower()]
    header: Sequence[str] | None = None
    for number, line in lines:
        if not line.strip():
            continue
        # A line is read on its own: no term holds a line break, and an open quote must not swallow the rest.
        try:
            cells = next(csv.reader([line], delimiter=delimiter, strict=True))
        except csv.Error as failure:
            yield number, _unreadable(line, f"It is no line of a table ({failure}): check its quotes.")
            continue
        if header is None:
            header = [cell.strip().lower() for cell in cells]
            if "term" not in header:
                remedy = f"Its first line must name the columns: {','.join(COLUMNS)}; term is needed."
                raise HarkenError(f"header of {path}", line[:80], remedy)
        elif len(cells) > len(header):
            yield number, _unreadable(line, f"It has {len(cells)} cells below {len(header)} columns: quote its commas.")
        else:
            named = dict(zip(header, cells, strict=False))
            yield number, {"term": ""} | {name: cell for name, cell in named.items() if name in COLUMNS}


def _unreadable(line: str, problem: str) -> Mapping[str, object]:
    return {"problem": problem, "text": line[:80]}
