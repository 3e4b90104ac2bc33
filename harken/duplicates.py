"""Near-duplicate sentences by the Jaccard similarity of their character 3-grams, found exactly.

Comparing all pairs of 100,000 sentences is out of the question. Two sets of similarity t or more are of like size and
share several of their rarest elements, so only sentences that do are compared (prefix and length filtering:
Chaudhuri, Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007; prefixes that must share more than one element:
Wang, Li and Feng 2012).
"""

import math
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from harken.keywords import KeywordMatcher
from harken.text import bare

GRAM = 3
# Stands for a keyword and for the edges; no text that was normalised holds it.
_MASK = "\0"
# 0.7 * 10 is a little more than 7 in floating point.
_ROUNDING = 1e-9
# How many of their rarest elements two texts must share to be compared. More of them cost longer lists to count in
# and save comparisons, which pays when many texts share most of their wording; measured from 1 to 8.
_SHARED = 6


def masked(text: str, matcher: KeywordMatcher) -> str:
    """The text as it is compared: normalised, without spaces, every keyword mention masked."""
    pieces, position = [], 0
    for mention in matcher.find(text):
        pieces.append(text[position : mention.start])
        position = mention.end
    return _MASK.join(bare(piece) for piece in [*pieces, text[position:]])


def grams(text: str) -> set[str]:
    """The character 3-grams of a text, its edges counted as characters; never empty."""
    padded = f"{_MASK}{text}{_MASK}"
    return {padded[start : start + GRAM] for start in range(max(1, len(padded) - GRAM + 1))}


def near_duplicates(texts: Sequence[str], threshold: float) -> Iterator[tuple[int, int]]:
    """Pairs ``(later, earlier)``: each text that is as near as ``threshold`` to an earlier text that is kept.

    ``earlier`` is the first such text. A text that is a near-duplicate is not kept, so what is kept has no two texts
    that near. ``threshold`` is the Jaccard similarity, above 0 and at most 1. The result depends on the texts and
    their order only.
    """
    kept = _Kept(threshold)
    # A set that was met before has the same answer again: texts kept since come later than that answer.
    answers: dict[bytes, int] = {}
    for place, numbers in enumerate(_as_numbers(texts)):
        answer = answers.get(numbers.tobytes())
        if answer is None:
            answer = kept.first_near(numbers)
        if answer is None:
            kept.add(place, numbers)
        else:
            yield place, answer
        answers[numbers.tobytes()] = place if answer is None else answer


class _Kept:
    """The texts that are kept so far, found by the rarest of their 3-grams.

    A text of n elements shares at least ceil(t n) with any set as near as t. Without its last ceil(t n) - k elements
    it still shares k of them with what is left of the other, for k up to ceil(t n).
    """

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.places: list[int] = []
        self.sets: list[array[int]] = []
        self.sizes = array("i")
        self.index: dict[int, array[int]] = {}

    def add(self, place: int, numbers: "array[int]") -> None:
        """Keep the text at ``place``, whose 3-grams are ``numbers`` in ascending order."""
        for number in self._prefix(numbers):
            self.index.setdefault(number, array("i")).append(len(self.sets))
        self.places.append(place)
        self.sets.append(numbers)
        self.sizes.append(len(numbers))

    def first_near(self, numbers: "array[int]") -> int | None:
        """The place of the first kept text as near as the threshold."""
        own = set(numbers)
        for candidate in self._candidates(numbers):
            their = self.sets[candidate]
            shared = len(own.intersection(their))
            if shared / (len(own) + len(their) - shared) >= self.threshold:
                return self.places[candidate]
        return None

    def _candidates(self, numbers: "array[int]") -> list[int]:
        lists = [self.index[number] for number in self._prefix(numbers) if number in self.index]
        if not lists:
            return []
        counts = np.bincount(np.concatenate(lists))
        found = np.flatnonzero(counts >= min(_SHARED, self._least(len(numbers))))
        sizes = np.frombuffer(self.sizes, dtype=np.intc)[found]
        longest = math.floor(len(numbers) / self.threshold + _ROUNDING)
        near: list[int] = found[(sizes >= self._least(len(numbers))) & (sizes <= longest)].tolist()
        return near

    def _prefix(self, numbers: "array[int]") -> "array[int]":
        return numbers[: len(numbers) - self._least(len(numbers)) + _SHARED]

    def _least(self, size: int) -> int:
        """How many elements, at least, a set of this size shares with any as near as the threshold."""
        return math.ceil(self.threshold * size - _ROUNDING)


def _as_numbers(texts: Sequence[str]) -> list["array[int]"]:
    """Each text's 3-grams as numbers in ascending order, the rarest 3-gram of all having the least number."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(grams(text))
    rank = {gram: place for place, gram in enumerate(sorted(counts, key=lambda gram: (counts[gram], gram)))}
    return [array("i", sorted(rank[gram] for gram in grams(text))) for text in texts]
