"""Pseudo-terms for glossaries beyond what is worth speaking: the beginning of one recording and the end of another.

Their frames are those of real enrolments, and so is all that a search compares; only the words do not exist.
"""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from actors.enroller import STORED, recordings_of
from compression.glossary.entry import Entry, Spelling
from compression.glossary.glossary import open_glossary
from compression.glossary.manifest import Description
from compression.glossary.rows import pack_enrolments
from compression.search_model import SearchModel
from compression.storage import load_spotter
from harken.records import OK, Row, generator

CATEGORY = "pseudo-word"
# Where the first recording ends and the second begins, as a share of either.
_CUT = (0.35, 0.65)


def splice_entry(index: int) -> Entry:
    """The entry of a splice; it is known by its number, which stands for phonemes that nobody could write down."""
    return Entry(f"splice {index:08d}", (Spelling(f"pseudo-word {index:08d}", CATEGORY),))


class Splicer:
    """Rows ``{"id", "index"}`` in, rows of `enroller_schema` out: recording ``index % voices`` of ``index // voices``.

    Both parts come from recordings of one voice. A splice depends on its number and the store alone.

    Args:
        store: of spoken terms, every entry with `voices` recordings or more.
        spotter, search: folders of the models it was made with.
    """

    def __init__(self, store: Path, spotter: Path, search: Path, voices: int, seed: int, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self.search_model = SearchModel.load(search, load_spotter(spotter))
        self.glossary = open_glossary(store)
        self.description: Description = self.glossary.manifest.description
        self.voices, self.seed = voices, seed
        owners = np.asarray(self.glossary.entries)
        first = np.searchsorted(owners, np.arange(int(owners[-1]) + 1))
        counts = np.bincount(owners)
        self.firsts = first[counts >= voices]

    def __call__(self, rows: list[Row]) -> list[Row]:
        made = recordings_of([self.frames(row["index"]) for row in rows], self.search_model, self.description.bits)
        packed = pack_enrolments([recording.of(0, "") for recording in made], self.description)
        stored = packed.select(list(STORED)).to_pylist()
        ends = [{"frames": recording.frames.shape[1], "status": OK, "error": None} for recording in made]
        return [{"id": row["id"]} | kept | end for row, kept, end in zip(rows, stored, ends, strict=True)]

    def frames(self, index: int) -> torch.Tensor:
        """Kept frames, float32 (layers, frames, size), of a recording of a splice."""
        splice, voice = divmod(index, self.voices)
        chosen, cuts = self._parts(splice)
        values, lengths = self.glossary.frames(chosen + voice, unit=False)
        first, second = (torch.from_numpy(value[:, :length]) for value, length in zip(values, lengths, strict=True))
        left, right = round(cuts[0] * first.shape[1]), round(cuts[1] * second.shape[1])
        return torch.cat([first[:, : max(1, left)], second[:, min(right, second.shape[1] - 1) :]], dim=1)

    def spelling(self, splice: int) -> str:
        """What a splice sounds like: the letters of the first term up to its cut, and the second's from its own."""
        chosen, cuts = self._parts(splice)
        first, second = (self.glossary.entry(int(self.glossary.entries[row])).term for row in chosen)
        left, right = round(cuts[0] * len(first)), round(cuts[1] * len(second))
        return first[: max(1, left)] + second[min(right, len(second) - 1) :]

    def _parts(self, splice: int) -> tuple[NDArray[np.int64], list[float]]:
        """The first recordings of both terms, and where they are cut, as shares."""
        draw = generator("splice", self.seed, splice)
        chosen = np.array([draw.choice(self.firsts) for _ in range(2)])
        return chosen, [draw.uniform(*_CUT) for _ in range(2)]
