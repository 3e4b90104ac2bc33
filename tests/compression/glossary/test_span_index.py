import math
from itertools import chain

import numpy as np
import pytest

from compression.glossary import span_index
from compression.glossary.partitions import PARTITIONS
from compression.glossary.span_index import (
    SpanIndex,
    SpanQuery,
    inverted,
    nearest_lists,
    products_of,
    span_codes,
    unwritable,
)
from harken.errors import HarkenError
from tests.compression.glossary.samples import units

SIZE, LISTS = 24, 16


class Case:
    """Vectors that resemble each other more than chance, an index over them, and windows."""

    def __init__(self, enrolments: int, windows: int, seed: int = 0) -> None:
        random = np.random.default_rng(seed)
        kinds = units(random, 30, SIZE)
        near = [
            kinds[random.integers(0, 30, number)] + 0.15 * units(random, number, SIZE)
            for number in (enrolments, windows)
        ]
        vectors, self.vectors = (some / np.linalg.norm(some, axis=1, keepdims=True) for some in near)
        self.codes, self.centroids = span_codes(vectors), span_codes(units(random, LISTS, SIZE))
        self.lists = nearest_lists(self.codes, self.centroids)
        self.partitions = np.sort(random.integers(0, PARTITIONS, enrolments))
        self.lengths = random.integers(2, 30, enrolments).astype(np.uint16)
        self.frames = random.integers(2, 30, windows)

    def index(self, some: slice = slice(None)) -> SpanIndex:
        order, offsets = inverted(self.lists[some], self.partitions[some], LISTS)
        places = np.arange(len(self.codes))[some][order]
        return SpanIndex(self.codes[places], places, self.lengths[places], offsets)

    def query(self, probes: int | None, least: float = 0.6) -> SpanQuery:
        return SpanQuery.prepare(self.vectors, self.frames, self.centroids, probes, least)

    def expected(self, probes: int | None, least: float, partitions: tuple[int, ...]) -> list[tuple[int, int, int]]:
        """Pair by pair, with the gate as it is defined."""
        heard = span_codes(self.vectors).astype(int)
        matches = []
        for place, code in enumerate(self.codes.astype(int)):
            if self.partitions[place] not in partitions:
                continue
            products = [
                (int(code @ window), -row) for row, window in enumerate(heard) if self._meets(place, row, probes)
            ]
            if products and max(products)[0] >= least * 127**2:
                matches.append((place, max(products)[0], -max(products)[1]))
        return matches

    def _meets(self, place: int, row: int, probes: int | None) -> bool:
        if abs(math.log(self.lengths[place] / self.frames[row])) >= math.log(1.5) - 1e-9:
            return False
        if probes is None:
            return True
        near = self.centroids.astype(int) @ span_codes(self.vectors[row]).astype(int)
        return bool(near[self.lists[place]] >= np.sort(near)[-probes])


def ordered(matches: tuple[np.ndarray, ...]) -> list[tuple[int, int, int]]:
    return sorted((int(place), int(product), int(row)) for place, product, row in zip(*matches, strict=True))


# The first is small enough for one product with all windows, the others go list by list.
@pytest.mark.parametrize("enrolments", [50, 700])
@pytest.mark.parametrize("probes", [1, 3, None])
@pytest.mark.parametrize("partitions", [tuple(range(8)), (0, 1, 2, 3), (1, 2, 5, 7)])
def test_matches_are_those_of_all_pairs(enrolments, probes, partitions):
    case = Case(enrolments, 40)
    expected = case.expected(probes, 0.6, partitions)
    assert expected
    for threads in (1, 3):
        assert ordered(case.index().search(case.query(probes), partitions, threads)) == expected


def test_parts_joined_or_searched_one_by_one_match_as_the_whole():
    case = Case(900, 60)
    query, everything = case.query(2), tuple(range(8))
    whole = ordered(case.index().search(query, everything))
    parts = [case.index(slice(0, 37)), case.index(slice(37, 500)), case.index(slice(500, None))]
    apart = [ordered(part.search(query, everything)) for part in parts]
    assert sorted(chain(*apart)) == whole
    assert ordered(SpanIndex.join(parts).search(query, everything)) == whole
    shards = [ordered(case.index().search(query, shard)) for shard in ((0, 1), (2, 3), (4, 5), (6, 7))]
    assert sorted(chain(*shards)) == whole


def test_the_gate_excludes_a_ratio_of_one_and_a_half_itself():
    case = Case(1, 1)
    for term, window, meets in ((6, 4, False), (4, 6, False), (5, 4, True), (7, 5, True), (3, 2, False), (1, 1, True)):
        query = SpanQuery.prepare(case.codes / 127, [window], case.centroids, None, 0.0)
        index = SpanIndex(case.codes, np.arange(1), np.array([term]), case.index().offsets)
        assert len(index.search(query, tuple(range(8)))[0]) == meets


def test_no_windows_and_no_match_are_no_error():
    case = Case(100, 20)
    none = SpanQuery.prepare(case.vectors[:0], case.frames[:0], case.centroids, 2, 0.5)
    for query in (none, case.query(2, least=1.1)):
        assert [len(column) for column in case.index().search(query, (0, 1))] == [0, 0, 0]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"vectors": np.zeros((3, 5), np.float32)}, "windows"),
        ({"frames": [4, 4]}, "windows"),
        ({"frames": [4, 0, 4]}, "at least 1 frame"),
        ({"probes": 0}, "at least at 1 list"),
    ],
)
def test_a_query_that_does_not_fit_is_refused(change, told):
    case = Case(1, 3)
    arguments = {"vectors": case.vectors, "frames": [4, 4, 4], "probes": 2} | change
    with pytest.raises(HarkenError, match=told):
        SpanQuery.prepare(centroids=case.centroids, least=0.5, **arguments)


@pytest.mark.parametrize("integer", [False, True])
@pytest.mark.parametrize(("windows", "codes"), [(1, 1), (16, 40), (47, 389)])
def test_products_are_exact_whatever_multiplies(monkeypatch, integer, windows, codes):
    monkeypatch.setattr(span_index, "integer_products", lambda: integer)
    random = np.random.default_rng(0)
    one, other = (random.integers(-127, 128, (rows, 128), dtype=np.int8) for rows in (windows, codes))
    one[0], other[0] = 127, -127
    other.flags.writeable = False
    found = products_of(one, unwritable(other))
    assert found.dtype == np.int32
    assert np.array_equal(found, one.astype(np.int64) @ other.astype(np.int64).T)


def test_a_file_that_is_only_read_is_searched_without_a_warning(recwarn):
    random = np.random.default_rng(0)
    codes = random.integers(-127, 128, (3, 128), dtype=np.int8)
    codes.flags.writeable = False
    assert np.array_equal(unwritable(codes).numpy(), codes)
    assert not recwarn.list
