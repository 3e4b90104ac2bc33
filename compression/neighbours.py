"""Which terms are easily taken for which: neighbours in spelling, a few phonemes apart, one inside the other."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from random import Random

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from compression.inventory import Phonemes, Term

# How often a draw may fall on a term that cannot be used before its kind is given up.
TRIES = 32
# Short terms have thousands of neighbours by sound: so many of the nearest are kept.
NEAREST = 64
_ROWS = 512
# One character a phoneme, so that distances are computed on strings.
_PRIVATE_USE = 0xF0000
_LAST_CHARACTER = "\U0010ffff"


class TermNeighbours:
    """The neighbours of every term, found once for an inventory.

    Args:
        terms: no text twice.
        sigma: standard deviation of 'prefix' and 'suffix', in ranks.
        distance: greatest phoneme edit distance of 'phonemes'.
        seed: breaks ties among the nearest by sound.
    """

    def __init__(self, terms: Sequence[Term], sigma: float, distance: int, seed: int) -> None:
        self.sigma = sigma
        texts = [term.text for term in terms]
        self._forwards = _Order(texts, str.casefold)
        self._backwards = _Order(texts, lambda text: text.casefold()[::-1])
        near = phoneme_neighbours([term.phonemes for term in terms], distance, NEAREST, seed)
        self._near = {text: [texts[place] for place in places] for text, places in zip(texts, near, strict=True)}

    def candidates(self, kind: str, term: str, draw: Random) -> Iterator[str]:
        """Neighbours of a term in the order in which to try them; some may come twice.

        'prefix' and 'suffix' are a Gaussian number of ranks away in the inventory sorted by spelling, forwards or
        backwards; 'phonemes' are those of `phoneme_neighbours`; 'containment' begins or ends with the term, or the
        term with it.
        """
        if kind in ("prefix", "suffix"):
            order = self._forwards if kind == "prefix" else self._backwards
            yield from order.near(term, self.sigma, draw)
            return
        near = self._near[term] if kind == "phonemes" else self._forwards.nested(term) + self._backwards.nested(term)
        yield from draw.sample(near, min(len(near), TRIES))


class _Order:
    """Terms sorted by their spelling, which `read` gives."""

    def __init__(self, texts: Sequence[str], read: Callable[[str], str]) -> None:
        self._read = read
        self._texts = sorted(texts, key=lambda text: (read(text), text))
        self._spellings = [read(text) for text in self._texts]
        self._ranks = {text: rank for rank, text in enumerate(self._texts)}

    def near(self, text: str, sigma: float, draw: Random) -> Iterator[str]:
        for _ in range(TRIES):
            offset = round(draw.gauss(0, sigma))
            rank = self._ranks[text] + offset
            if offset and 0 <= rank < len(self._texts):
                yield self._texts[rank]

    def nested(self, text: str) -> list[str]:
        """The terms whose spelling begins with this one's, and those that it begins with."""
        spelling = self._read(text)
        first = bisect_right(self._spellings, spelling)
        found = self._texts[first : bisect_left(self._spellings, spelling + _LAST_CHARACTER, first)]
        for length in range(1, len(spelling)):
            begin = bisect_left(self._spellings, spelling[:length])
            found += self._texts[begin : bisect_right(self._spellings, spelling[:length], begin)]
        return found


def phoneme_neighbours(phonemes: Sequence[Phonemes], distance: int, most: int, seed: int = 0) -> list[NDArray[np.intp]]:
    """Of each term the places of those 1 to `distance` phoneme edits away, the nearest first, `most` at most.

    At most half of the longer one's phonemes may differ: any two words of two phonemes are two edits apart. Equal
    distances are in random order. Terms without phonemes have no neighbours.
    """
    codes: dict[str, str] = {}
    texts = ["".join(codes.setdefault(one, chr(_PRIVATE_USE + len(codes))) for one in term) for term in phonemes]
    lengths = np.array([len(text) for text in texts], dtype=np.intp)
    order = np.argsort(lengths, kind="stable")
    order = order[lengths[order] > 0]
    ordered = lengths[order]
    nearest: list[NDArray[np.intp]] = [np.zeros(0, np.intp)] * len(texts)
    ties = np.random.default_rng(seed)
    for start in range(0, len(order), _ROWS):
        rows = order[start : start + _ROWS]
        # Terms of other lengths are further away than `distance`: half of all comparisons or more.
        shortest, longest = lengths[rows[0]] - distance, lengths[rows[-1]] + distance
        columns = order[np.searchsorted(ordered, shortest) : np.searchsorted(ordered, longest, side="right")]
        found = cdist(
            [texts[place] for place in rows],
            [texts[place] for place in columns],
            scorer=Levenshtein.distance,
            score_cutoff=distance,
            dtype=np.uint8,
        )
        halves = np.maximum(lengths[rows][:, None], lengths[columns]) // 2
        near = (found > 0) & (found <= np.minimum(distance, halves))
        for row, matches, edits in zip(rows, near, found, strict=True):
            places = np.flatnonzero(matches)
            ranked = np.lexsort((ties.random(len(places)), edits[places]))
            nearest[row] = columns[places[ranked[:most]]]
    return nearest
