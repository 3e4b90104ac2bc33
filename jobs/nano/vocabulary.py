"""The general vocabulary and the sentence templates, read from the YAML files beside this module."""

from __future__ import annotations

from pathlib import Path

import yaml

_FOLDER = Path(__file__).parent
_VOCABULARY = yaml.safe_load((_FOLDER / "vocabulary.yaml").read_text(encoding="utf-8"))
_TEMPLATES = yaml.safe_load((_FOLDER / "templates.yaml").read_text(encoding="utf-8"))

WORDS: dict[str, tuple[str, ...]] = {name: tuple(text.split()) for name, text in _VOCABULARY["mandarin"].items()}
ENGLISH: dict[str, tuple[str, ...]] = {name: tuple(text.split()) for name, text in _VOCABULARY["english"].items()}
MIXED: tuple[str, ...] = tuple(_VOCABULARY["mixed"].split())
TRANSLITERATION: str = _VOCABULARY["transliteration"].replace(" ", "")

OPENINGS: tuple[str, ...] = tuple(_TEMPLATES["openings"])
CLAUSES: tuple[str, ...] = tuple(_TEMPLATES["clauses"])
EVERYDAY: tuple[str, ...] = tuple(_TEMPLATES["everyday"])
ENGLISH_SENTENCES: tuple[str, ...] = tuple(_TEMPLATES["english"])


def mandarin_words() -> list[str]:
    """Every Mandarin word of the general vocabulary, once, in order."""
    return list(dict.fromkeys(word for words in WORDS.values() for word in words))


def english_words() -> list[str]:
    """Every English word of the general vocabulary, once, in order, lower case."""
    return list(dict.fromkeys(word for words in (*ENGLISH.values(), MIXED) for word in words))
