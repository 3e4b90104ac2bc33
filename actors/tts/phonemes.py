"""Phonemes inside a text: ``喜欢[[sp'i:di]]系列``, between double brackets, in the notation of the backend."""

import re
from collections.abc import Callable

_GROUP = re.compile(r"(\[\[.*?\]\])")
_DOUBLE = re.compile(r"(\[(?=\[)|\](?=\]))")


def groups(text: str) -> list[str]:
    """The groups of phonemes in a text, each with its brackets."""
    return _GROUP.findall(text)


def outside(text: str) -> str:
    """The text without its phonemes."""
    return _GROUP.sub(" ", text)


def respell_outside(text: str, respell: Callable[[str], str]) -> str:
    """``text`` respelled everywhere but in its phonemes."""
    return "".join(piece if _GROUP.fullmatch(piece) else respell(piece) for piece in _GROUP.split(text))


def is_well_formed(reading: str) -> bool:
    """False for a bracket that is not closed, brackets inside others, and a group with nothing in it."""
    inside = [group[2:-2] for group in groups(reading)]
    rest = outside(reading)
    return "[[" not in rest and "]]" not in rest and all(part.strip() and "[[" not in part for part in inside)


def disarm(text: str) -> str:
    """``text`` with no double bracket in it, for texts whose brackets are only brackets."""
    return _DOUBLE.sub(r"\1 ", text)
