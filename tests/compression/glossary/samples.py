"""Entries, enrolments and windows made of a seed: the store holds whatever a model gave it."""

import numpy as np
from numpy.typing import NDArray

from compression.glossary.entry import Enrolment, Entry, Spelling
from compression.glossary.manifest import Description, Models

MODELS = Models(encoder="encoder-1", spotter="spotter-1", search="search-1")
DESCRIPTION = Description(models=MODELS, layers=2, size=8, bits=4, span_size=16)
LISTS = 12


def centroids(seed: int = 0) -> NDArray[np.float32]:
    return units(np.random.default_rng(seed), LISTS, DESCRIPTION.span_size)


def units(random: np.random.Generator, *shape: int) -> NDArray[np.float32]:
    values = random.standard_normal(shape).astype(np.float32)
    return values / np.linalg.norm(values, axis=-1, keepdims=True)


def entry(number: int, *more: str) -> Entry:
    """Entry `number`, written "term NUMBER" and whatever more is given."""
    spellings = [Spelling(f"term {number}", "category", "en", flags=("short",) if number % 2 else ())]
    return Entry(f"f ə n {number}", (*spellings, *(Spelling(text, source="user") for text in more)))


def enrolment(number: int, voice: str = "a", take: int = 0, description: Description = DESCRIPTION) -> Enrolment:
    """A recording of entry `number`, the same for the same arguments."""
    random = np.random.default_rng([number, *voice.encode(), take])
    length = int(random.integers(3, 12))
    return Enrolment(
        entry(number).id,
        voice,
        random.standard_normal((description.layers, length, description.size)).astype(np.float32),
        units(random, description.span_size),
        random.standard_normal(description.statistics).astype(np.float32),
    )


def windows(number: int = 60, seed: int = 7) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    return units(random, number, DESCRIPTION.span_size), random.integers(3, 12, number)
