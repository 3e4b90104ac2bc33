"""What is in an LLM's answer: the schema it is checked against, and what can be saved of a broken one."""

import json
import re
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError


class Numbered(BaseModel):
    """One item of an answer; ``number`` counts from 1 in the order of the request."""

    model_config = ConfigDict(extra="forbid")

    number: int


class Label(Numbered):
    """One label of an answer."""

    text: str
    keywords: list[str]


class LabelAnswer(BaseModel):
    """A whole answer."""

    model_config = ConfigDict(extra="forbid")

    labels: list[Label]


EXAMPLE = '{"labels": [{"number": 1, "text": "...", "keywords": ["..."]}, {"number": 2, ...}]}'

RESPONSE_FORMATS: dict[str, dict[str, Any] | None] = {
    "json_schema": {
        "type": "json_schema",
        "json_schema": {"name": "labels", "strict": True, "schema": LabelAnswer.model_json_schema()},
    },
    "json_object": {"type": "json_object"},
    "text": None,
}

_THOUGHTS = re.compile(r"<think>.*?</think>", re.DOTALL)
_OPENING = re.compile(r"[\[{]")
_COMMA_BEFORE_END = re.compile(r",\s*([}\]])")


Item = TypeVar("Item", bound=Numbered)


def read_labels(content: str) -> dict[int, Label]:
    """The labels of an answer by number; empty when nothing in it fits the schema.

    Example:
        >>> read_labels('Sure: {"labels": [{"number": 1, "text": "喜欢老花", "keywords": ["老花"]}, {"numb')[1].text
        '喜欢老花'
    """
    return read_items(content, "labels", Label)


def read_items(content: str, key: str, item: type[Item]) -> dict[int, Item]:
    """The items of an answer ``{key: [...]}`` by their ``number``; empty when nothing in it fits the schema.

    Fences, prose around the JSON, trailing commas, a missing outer object and a missing number (the place in the
    list counts) are mended. Of an answer that breaks off, the items that are whole are taken.
    """
    content = _THOUGHTS.sub("", content)
    for text in (content, _COMMA_BEFORE_END.sub(r"\1", content)):
        for value in _values(text):
            items = _items(value, key, item)
            if items:
                return items
    # No whole answer at the start: one further on, or every object that is an item by itself.
    pieces = [value for value in _values(content, inner=True) if isinstance(value, dict)]
    for value in pieces:
        if key in value:
            return _items(value, key, item)
    return _items(pieces, key, item)


def _values(text: str, *, inner: bool = False) -> Iterator[Any]:
    """The JSON values in a text; ``inner`` takes only those after the first opening bracket."""
    decoder = json.JSONDecoder(strict=False)
    position = 0
    if inner:
        opening = _OPENING.search(text)
        position = opening.end() if opening else len(text)
    while match := _OPENING.search(text, position):
        try:
            value, position = decoder.raw_decode(text, match.start())
        except (json.JSONDecodeError, RecursionError):
            position = match.end()
            if not inner:
                # What follows lies inside a broken value and is not an answer of its own.
                return
            continue
        yield value


def _items(value: Any, key: str, item: type[Item]) -> dict[int, Item]:
    if isinstance(value, dict):
        value = value.get(key, [value])
    if not isinstance(value, list):
        return {}
    items: dict[int, Item] = {}
    for place, entry in enumerate(value, start=1):
        if not isinstance(entry, dict):
            continue
        known = {name: entry[name] for name in item.model_fields if name in entry}
        try:
            found = item.model_validate({"number": place} | known)
        except ValidationError:
            continue
        items.setdefault(found.number, found)
    return items
