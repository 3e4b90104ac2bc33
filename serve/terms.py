"""Terms as clients send them: one by one, or a stream of JSON Lines, TSV or CSV; made harmless before they are kept."""

import csv
import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator

from harken.keywords import matched_form

LONGEST_TERM = 256
_LONGEST_CATEGORY = 64
_LONGEST_LINE = 16_384
_LONGEST_VALUE_TOLD = 80
_SPECIAL_TOKEN = re.compile(r"<\|[^<>|]*\|>")
_LANGUAGE = re.compile(r"([a-z]{2,3})?")

Layout = Literal["jsonl", "tsv", "csv"]
LAYOUTS: dict[str, Layout] = {
    "application/jsonl": "jsonl",
    "application/x-ndjson": "jsonl",
    "application/json-lines": "jsonl",
    "text/tab-separated-values": "tsv",
    "text/csv": "csv",
}
"""Content types of imports."""


class Term(BaseModel):
    """A term of a glossary."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)

    term: str = Field(
        min_length=1, max_length=LONGEST_TERM, description="as it is to be written", examples=["Speedy 20"]
    )
    category: str = Field("", max_length=_LONGEST_CATEGORY, description="what kind of thing it is", examples=["SERIES"])
    spoken: str = Field(
        "", max_length=LONGEST_TERM, description="how it is said, where that is not how it is read", examples=[""]
    )
    language: str = Field(
        "",
        max_length=3,
        description="of its speech, as Whisper's code; empty: by its script",
        json_schema_extra={"pattern": f"^{_LANGUAGE.pattern}$"},
    )

    @field_validator("term", "category", "spoken")
    @classmethod
    def _is_harmless(cls, text: str, field: ValidationInfo) -> str:
        return sanitised(text, _LONGEST_CATEGORY if field.field_name == "category" else LONGEST_TERM)

    @field_validator("term")
    @classmethod
    def _can_be_found(cls, term: str) -> str:
        if not matched_form(term):
            raise ValueError("it has no letter, digit or ideograph")
        return term

    @field_validator("language")
    @classmethod
    def _is_a_code(cls, language: str) -> str:
        if not _LANGUAGE.fullmatch(language):
            raise ValueError("it is a code such as zh or en")
        return language

    @property
    def form(self) -> str:
        """What makes two spellings one term of a glossary: 'Speedy 20' and 'speedy20' are."""
        return matched_form(self.term)


@dataclass(frozen=True)
class Problem:
    """Why a line of an import is no term."""

    line: int
    message: str


def sanitise(text: str) -> str:
    """NFKC without control and format characters, special tokens (``<|...|>``) and doubled spaces.

    Width and compatibility forms are folded first, as ``＜｜zh｜＞`` would be a special token afterwards.
    """
    text = unicodedata.normalize("NFKC", text)
    text = "".join(" " if character.isspace() else character for character in text)
    text = "".join(character for character in text if unicodedata.category(character)[0] != "C")
    # What is left when one is taken out may be another.
    while (shorter := _SPECIAL_TOKEN.sub("", text)) != text:
        text = shorter
    return " ".join(text.split())


def sanitised(text: str, longest: int) -> str:
    """The same, unless it is too long then: some single characters are whole phrases in their compatibility form.

    Raises:
        ValueError: it is longer than `longest` characters.
    """
    cleaned = sanitise(text)
    if len(cleaned) > longest:
        raise ValueError(f"it is longer than {longest} characters in its compatibility form (NFKC)")
    return cleaned


def read_terms(lines: Iterable[bytes], layout: Layout) -> Iterator[tuple[int, Term] | Problem]:
    """The terms of an import with their line numbers, and a `Problem` for every line that holds none.

    JSON Lines hold objects with the fields of `Term`. TSV and CSV have them as columns under a header; a first line
    that is no header has the term in its first column and the category, if any, in its second. Blank lines and a
    byte-order mark are passed over.
    """
    decoded = _decoded(lines)
    return _json_terms(decoded) if layout == "jsonl" else _table_terms(decoded, "\t" if layout == "tsv" else ",")


def explain(failure: ValidationError) -> str:
    """The first problem of a value in one phrase, with the value where it is short."""
    problem = failure.errors(include_url=False, include_context=False)[0]
    where = ".".join(str(part) for part in problem["loc"])
    message = problem["msg"].removeprefix("Value error, ")
    value = repr(problem["input"]) if isinstance(problem["input"], str | int | float) else ""
    if 0 < len(value) <= _LONGEST_VALUE_TOLD:
        message = f"{value} is not accepted ({message[0].lower()}{message[1:]})"
    return f"{where}: {message}" if where else message


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    """The lines of a file, none much longer than `read_terms` accepts, so that one without breaks fills no memory."""
    return iter(lambda: file.readline(_LONGEST_LINE + 1), b"")


def _decoded(lines: Iterable[bytes]) -> Iterator[tuple[int, str] | Problem]:
    for number, line in enumerate(lines, start=1):
        if len(line) > _LONGEST_LINE:
            yield Problem(number, f"it is longer than {_LONGEST_LINE:,} bytes")
            continue
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
        except UnicodeDecodeError as failure:
            yield Problem(number, f"it is not UTF-8 ({failure.reason})")
            continue
        if "\0" in text:
            yield Problem(number, "it holds a NUL character")
        elif text.strip():
            yield number, text


def _json_terms(lines: Iterable[tuple[int, str] | Problem]) -> Iterator[tuple[int, Term] | Problem]:
    for line in lines:
        if isinstance(line, Problem):
            yield line
            continue
        number, text = line
        try:
            yield _term(number, json.loads(text))
        except (ValueError, RecursionError) as failure:
            yield Problem(number, f"it is not valid JSON ({failure})")


def _table_terms(lines: Iterable[tuple[int, str] | Problem], delimiter: str) -> Iterator[tuple[int, Term] | Problem]:
    names: list[str] | None = None
    for line in lines:
        if isinstance(line, Problem):
            yield line
            continue
        number, text = line
        try:
            cells = next(csv.reader([text], delimiter=delimiter, strict=True))
        except csv.Error as failure:
            yield Problem(number, f"it is not valid: {failure}")
            continue
        if names is None:
            header = [cell.strip().lower() for cell in cells]
            # A table without a header has terms first; behind them, these words are one that misses its main column.
            if "term" not in header and set(header[1:]) & set(Term.model_fields):
                yield Problem(number, f"no column is called 'term': {text[:_LONGEST_VALUE_TOLD]!r}")
                return
            names = header if "term" in header else ["term", "category"]
            unknown = [name for name in names if name not in Term.model_fields]
            if unknown:
                yield Problem(number, f"unknown column {unknown[0]!r}: use {', '.join(Term.model_fields)}")
                return
            if names is header:
                continue
        if len(cells) > len(names):
            yield Problem(number, f"it has {len(cells)} cells for {len(names)} columns")
        else:
            yield _term(number, dict(zip(names, cells, strict=False)))


def _term(number: int, fields: object) -> tuple[int, Term] | Problem:
    try:
        return number, Term.model_validate(fields)
    except ValidationError as failure:
        return Problem(number, explain(failure))
