"""Near-duplicate sentences by the Jaccard similarity of their character 3-grams, found exactly.

Comparing all pairs of 100,000 sentences is out of the question. Two sets of similarity t or more must share one
of their rarest elements, so only sentences that share one of those are compared (prefix filtering: Chaudhuri,
Ganti and Kaushik 2006; Bayardo, Ma and Srikant 2007).
"""

import math
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from harken.keywords import KeywordMatcher
from harken.text import bare

GRAM = 3
# Stands for a keyword and for the edges; no text that was normalised holds it.
_MASK = "\0"
# 0.7 * 10 is a little more than 7 in floating point.
_ROUNDING = 1e-9


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

    A text that is a near-duplicate is not kept, so what is kept has no two texts that near. ``threshold`` is the
    Jaccard similarity, above 0 and at most 1. The result depends on the texts and their order only.
    """
    sets = _as_numbers(texts)
    index: dict[int, list[int]] = {}
    for place, numbers in enumerate(sets):
        size = len(numbers)
        # Without one of its first elements in common, too few are left to reach the threshold.
        prefix = numbers[: size - math.ceil(threshold * size - _ROUNDING) + 1]
        earlier = _first_near(numbers, (other for number in prefix for other in index.get(number, ())), sets, threshold)
        if earlier is not None:
            yield place, earlier
            continue
        for number in prefix:
            index.setdefault(number, []).append(place)


def _first_near(
    numbers: "array[int]", candidates: Iterable[int], sets: Sequence["array[int]"], threshold: float
) -> int | None:
    own = set(numbers)
    for other in sorted(set(candidates)):
        their = sets[other]
        shared = len(own.intersection(their))
        if shared / (len(own) + len(their) - shared) >= threshold:
            return other
    return None


def _as_numbers(texts: Sequence[str]) -> list["array[int]"]:
    """Each text's 3-grams as numbers in ascending order, the rarest 3-gram of all having the least number."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(grams(text))
    rank = {gram: place for place, gram in enumerate(sorted(counts, key=lambda gram: (counts[gram], gram)))}
    return [array("i", sorted(rank[gram] for gram in grams(text))) for text in texts]
