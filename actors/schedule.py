"""Which keywords each label is asked to use, planned ahead so that every term gets its share.

Shards are written independently and in any order, so a writer cannot look at what others have made. The first
pass therefore follows a plan that depends on the seed and the row's index only: it walks through all terms lap by
lap, so that after any number of rows the terms asked for most and least differ by one lap. What rows that failed
leave missing is seen when the pass is over, and their retries are given the terms with the fewest mentions.
"""

import functools
import heapq
from collections.abc import Iterator, Mapping, Sequence

from harken.keywords import Keyword
from harken.records import generator

Targets = tuple[Keyword, ...]


class KeywordSchedule:
    """Gives row ``index`` between ``least`` and ``most`` terms, in turns, categories evenly mixed.

    Raises:
        ValueError: no keywords.
    """

    def __init__(self, keywords: Sequence[Keyword], least: int, most: int, seed: int) -> None:
        if not keywords:
            raise ValueError("a schedule needs keywords")
        self.keywords = tuple(keywords)
        self.sizes = range(least, most + 1)
        self.seed = seed
        self._lap = functools.lru_cache(maxsize=4)(self._shuffled)

    def size(self, index: int) -> int:
        """How many terms row ``index`` is asked to use."""
        return min(self.sizes[index % len(self.sizes)], len(self.keywords))

    def targets(self, index: int) -> Targets:
        """The terms row ``index`` is asked to use in the first pass."""
        turns, place = divmod(index, len(self.sizes))
        position = turns * sum(self.sizes) + sum(self.sizes[:place])
        return _distinct(self._from(position), self.size(index))

    def mentions_planned(self, rows: int) -> float:
        """How often each term is asked for in the first ``rows`` rows, on average."""
        turns, place = divmod(rows, len(self.sizes))
        return (turns * sum(self.sizes) + sum(self.sizes[:place])) / len(self.keywords)

    def rows_for(self, mentions: int) -> int:
        """How many rows it takes until every term was asked for ``mentions`` times."""
        return -(-mentions * len(self.keywords) * len(self.sizes) // sum(self.sizes))

    def by_deficit(self, mentions: Mapping[str, int], indices: Sequence[int], purpose: str) -> list[Targets]:
        """Targets for rows to be written again: always the terms with the fewest ``mentions``, ties in seeded order."""
        order = list(range(len(self.keywords)))
        generator("deficit", self.seed, purpose).shuffle(order)
        heap = [(mentions.get(self.keywords[place].term, 0), rank, place) for rank, place in enumerate(order)]
        heapq.heapify(heap)
        planned: list[Targets] = []
        for index in indices:
            chosen = [heapq.heappop(heap) for _ in range(self.size(index))]
            for count, rank, place in chosen:
                heapq.heappush(heap, (count + 1, rank, place))
            planned.append(tuple(self.keywords[place] for _, _, place in chosen))
        return planned

    def _from(self, position: int) -> Iterator[Keyword]:
        while True:
            lap, place = divmod(position, len(self.keywords))
            yield self._lap(lap)[place]
            position += 1

    def _shuffled(self, lap: int) -> list[Keyword]:
        draw = generator("schedule", self.seed, lap)
        categories: dict[str, list[Keyword]] = {}
        for keyword in self.keywords:
            categories.setdefault(keyword.category, []).append(keyword)
        places = []
        for terms in categories.values():
            draw.shuffle(terms)
            # Terms of one category lie at even distances, so that neighbours, which share a label, differ in kind.
            offset = draw.random()
            places += [((rank + offset) / len(terms), keyword) for rank, keyword in enumerate(terms)]
        return [keyword for _, keyword in sorted(places, key=lambda place: place[0])]


def _distinct(keywords: Iterator[Keyword], size: int) -> Targets:
    chosen: list[Keyword] = []
    for keyword in keywords:
        # At the seam of two laps a term may come twice; the next one takes its place.
        if keyword not in chosen:
            chosen.append(keyword)
        if len(chosen) == size:
            break
    return tuple(chosen)
