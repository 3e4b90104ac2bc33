"""Glossaries of made-up terms for a tiny spotter, and utterances of its kept frames that say some of them."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from compression.cascade.utterance import CompressedUtterance
from compression.cohort import Cohort
from compression.glossary.entry import Enrolment, Entry, Spelling
from compression.glossary.glossary import Glossary, open_glossary
from compression.glossary.manifest import Description, Models
from compression.glossary.memory import MemoryGlossary
from compression.glossary.store import GlossaryStore
from compression.search_model import SearchModel
from compression.spotter import Spotter
from tests.tiny_search import tiny_search_model
from tests.tiny_spotter import LAYERS, tiny_spotter

COUNT = 40
SIZE = 8


@cache
def parts() -> tuple[Spotter, SearchModel]:
    """An untrained spotter and search model, the same at every call; its background is such noise as here is said."""
    spotter = tiny_spotter("LHF")
    background = Cohort.pack([noise(24, seed) for seed in range(20)])
    return spotter, replace(tiny_search_model(spotter), cohort=background)


def noise(frames: int, seed: int) -> Tensor:
    """Random kept frames (layers, frames, size)."""
    return torch.randn(LAYERS, frames, SIZE, generator=torch.Generator().manual_seed(seed))


def recording(number: int, voice: str = "a") -> Tensor:
    """Kept frames of term `number`: other voices are a little different."""
    frames = 4 + number % 5
    return noise(frames, 1000 + number) + 0.1 * noise(frames, 5000 + 10 * number + ord(voice))


def entry(number: int) -> Entry:
    """Term `number`; each fifth has two spellings."""
    texts = [f"term {number}", f"turm {number}"] if number % 5 == 0 else [f"term {number}"]
    return Entry(f"t ɜː m {number}", tuple(Spelling(text, category="tests") for text in texts))


def enrolled(numbers: Sequence[int], voices: str = "ab") -> tuple[list[Entry], list[Enrolment]]:
    """Terms, and a recording of each by every voice."""
    _, model = parts()
    spoken = [(number, voice) for number in numbers for voice in voices]
    kept = [recording(number, voice) for number, voice in spoken]
    spans, statistics = model.spans.embed(kept).numpy(), model.background_statistics(kept).numpy()
    enrolments = [
        Enrolment(entry(number).id, voice, frames.numpy(), span, measured)
        for (number, voice), frames, span, measured in zip(spoken, kept, spans, statistics, strict=True)
    ]
    return [entry(number) for number in numbers], enrolments


def in_memory(numbers: Sequence[int] = range(COUNT), voices: str = "ab") -> MemoryGlossary:
    """The terms, alive as long as the test."""
    return MemoryGlossary(*enrolled(numbers, voices))


def stored(folder: Path, numbers: Sequence[int] = range(COUNT), voices: str = "ab") -> Glossary:
    """The same terms on disk, in 8 bits."""
    spotter, model = parts()
    description = Description(
        models=Models(encoder="tiny", spotter=spotter.fingerprint(), search=model.fingerprint()),
        layers=len(spotter.settings.layers),
        size=spotter.settings.frame_size,
        bits=8,
        span_size=model.settings.spans.size,
    )
    store = GlossaryStore.create(folder, description, model.centroids.numpy())
    store.add(*enrolled(numbers, voices))
    return open_glossary(folder)


def utterance(said: dict[int, int], frames: int = 24, seed: int = 3) -> CompressedUtterance:
    """`frames` of noise in which the term `said[start]` begins at each of these frames."""
    kept = noise(frames, seed)
    for start, number in said.items():
        term = recording(number, "c")
        kept[:, start : start + term.shape[1]] = term
    return CompressedUtterance.pack(kept, parts()[0])
