"""Span embeddings as an inverted file over fixed centroids: which enrolments a window of an utterance resembles.

Vectors are int8 and a product of two is at most 127 * 127 * D, for D up to 1040 an integer that float32 holds: a matrix
product is exact whatever the order of its sums, in int32 as in float32. So an enrolment's list depends on its own
vector alone, a similarity on its two vectors alone, and both are the same on every machine, in every shard and after
every rebuild.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from compression.glossary.partitions import PARTITIONS
from harken.errors import HarkenError

UNIT = 127 * 127
"""The dot product of two equal int8 vectors of length 1."""

MOST_VALUES = 2**24 // UNIT

# Vectors that are assigned, or enrolments that are compared with all windows, at once.
_BLOCK = 2048
# Enrolments of one list at once.
_MOST = 16384
# Below this many enrolments per list one product with all windows costs less than a product per list.
_FLAT = 4
# Processors with instructions for int8 take rows by so many; a few zeros cost less than a remainder.
_ROWS = 16
_NEVER = np.iinfo(np.int32).min

Matches = tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]


def span_codes(vectors: NDArray[np.floating]) -> NDArray[np.int8]:
    """Vectors of length 1 as int8 of one fixed scale, which makes the code of a vector independent of all others."""
    return np.rint(np.clip(vectors, -1.0, 1.0) * 127).astype(np.int8)


def nearest_lists(codes: NDArray[np.int8], centroids: NDArray[np.int8]) -> NDArray[np.int32]:
    """The list of each vector: its nearest centroid, the first of equals."""
    against = unwritable(centroids)
    parts = [products_of(codes[at : at + _BLOCK], against).argmax(axis=1) for at in range(0, len(codes), _BLOCK)]
    return np.concatenate(parts).astype(np.int32) if parts else np.zeros(0, np.int32)


def products_of(windows: NDArray[np.int8], codes: Tensor) -> NDArray[np.int32]:
    """All dot products, int32 (windows, codes), of (windows, D) and int8 (codes, D).

    Where PyTorch multiplies int8 by the processor's own instructions that is eight times as fast as in float32 (AVX-512
    VNNI), elsewhere it need not be. The results are the same.
    """
    rows = len(windows)
    if not integer_products():
        return (unwritable(windows).float() @ codes.float().T).int().numpy()
    padded = np.zeros((-(-rows // _ROWS) * _ROWS, windows.shape[1]), np.int8)
    padded[:rows] = windows
    found: NDArray[np.int32] = torch._int_mm(torch.from_numpy(padded), codes.T)[:rows].numpy()
    return found


@cache
def integer_products() -> bool:
    """Whether this processor multiplies int8 faster than float32, and exactly."""
    if not torch.backends.mkldnn.is_available() or torch.backends.cpu.get_cpu_capability() != "AVX512":
        return False
    # Without VNNI's instructions the sums of two products may be cut off at 16 bits: the largest ones would tell.
    largest = torch.full((_ROWS, MOST_VALUES), 127, dtype=torch.int8)
    found = torch._int_mm(largest, torch.cat([largest, -largest]).T)
    return bool((found.abs() == MOST_VALUES * UNIT).all())


@dataclass(frozen=True)
class SpanQuery:
    """Windows of an utterance, prepared for any index over the same centroids.

    `vectors`: int8 (windows, D). `shortest` and `longest`: (windows,), frames an enrolment may have.
    `probed`: bool (windows, lists), or None when every list is looked at. `least`: the product from which a window
    matches.
    """

    vectors: NDArray[np.int8]
    shortest: NDArray[np.int32]
    longest: NDArray[np.int32]
    probed: NDArray[np.bool_] | None
    least: int

    @classmethod
    def prepare(
        cls,
        vectors: NDArray[np.floating],
        frames: ArrayLike,
        centroids: NDArray[np.int8],
        probes: int | None,
        least: float,
    ) -> SpanQuery:
        """See `reader.GlossaryReader.span_candidates` for the arguments.

        Raises:
            HarkenError: vectors of another size, windows without frames, or less than 1 probe.
        """
        lengths = np.asarray(frames, dtype=np.int64)
        if vectors.ndim != 2 or vectors.shape[1] != centroids.shape[1] or lengths.shape != vectors.shape[:1]:
            found = (vectors.shape, lengths.shape)
            raise HarkenError("windows", found, f"The glossary takes (windows, {centroids.shape[1]}) and (windows,).")
        if len(lengths) and lengths.min() < 1:
            raise HarkenError("frames of a window", int(lengths.min()), "A window has at least 1 frame.")
        if probes is not None and probes < 1:
            raise HarkenError("probes", probes, "Look at least at 1 list, or at all of them with None.")
        codes = span_codes(vectors)
        # |log(term / window)| < log 1.5 in whole numbers: 2 windows < 3 terms and 2 terms < 3 windows.
        shortest, longest = 2 * lengths // 3 + 1, (3 * lengths + 1) // 2 - 1
        probed = None
        if probes is not None and probes < len(centroids):
            products = products_of(codes, unwritable(centroids))
            last = np.partition(products, len(centroids) - probes, axis=1)[:, len(centroids) - probes]
            probed = products >= last[:, None]
        return cls(codes, shortest.astype(np.int32), longest.astype(np.int32), probed, math.ceil(least * UNIT))

    @cached_property
    def lists(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Windows that probe each list, back to back and ascending, and where each list's begin, (lists + 1,)."""
        assert self.probed is not None
        windows, lists = np.nonzero(self.probed)
        order = np.argsort(lists.astype(np.uint16 if self.probed.shape[1] <= 2**16 else np.int64), kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(lists, minlength=self.probed.shape[1]))])
        return windows[order], starts

    def best(
        self,
        products: NDArray[np.int32],
        windows: NDArray[np.int64] | None,
        lengths: NDArray[np.integer],
        lists: NDArray[np.integer] | None,
    ) -> Matches:
        """Columns with a match: which, their best product and the first window that has it.

        Args:
            products: (some windows, enrolments).
            windows: the rows' windows, ascending; None for all.
            lengths: (enrolments,) frames.
            lists: (enrolments,), each one's list, where the rows are not only windows that probe it.
        """
        # Most enrolments resemble no window at all: only the others are worth the gate.
        columns = (products.max(axis=0) >= self.least).nonzero()[0]
        if not len(columns):
            return _no_matches()
        some, length = products.take(columns, axis=1), lengths[columns]
        shortest, longest = self.shortest[:, None], self.longest[:, None]
        if windows is not None:
            shortest, longest = shortest[windows], longest[windows]
        some[(length < shortest) | (length > longest)] = _NEVER
        if lists is not None and self.probed is not None:
            some[~self.probed[:, lists[columns]]] = _NEVER
        rows, best = some.argmax(axis=0), some.max(axis=0)
        kept = (best >= self.least).nonzero()[0]
        rows = rows[kept]
        return columns[kept], best[kept], rows if windows is None else windows[rows]


@dataclass(frozen=True)
class _Tile:
    """Enrolments that are compared with windows in one product; None stands for all windows."""

    places: slice | NDArray[np.int64]
    windows: NDArray[np.int64] | None = None
    lists: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class SpanIndex:
    """Enrolments ordered by (list, partition), in each list and partition by whatever order they came in.

    `codes`: int8 (enrolments, D). `enrolments`: (enrolments,), what each stands for. `lengths`: (enrolments,) frames.
    `offsets`: (lists * 8 + 1,), where each list and partition begins.
    """

    codes: NDArray[np.int8]
    enrolments: NDArray[np.integer]
    lengths: NDArray[np.integer]
    offsets: NDArray[np.int64]

    @classmethod
    def join(cls, indices: Sequence[SpanIndex]) -> SpanIndex:
        """One index of several over the same centroids, in memory."""
        cells = np.concatenate(
            [np.repeat(np.arange(len(index.offsets) - 1), np.diff(index.offsets)) for index in indices]
        )
        order, offsets = inverted(cells // PARTITIONS, cells % PARTITIONS, (len(indices[0].offsets) - 1) // PARTITIONS)
        return cls(
            np.concatenate([index.codes for index in indices])[order],
            np.concatenate([index.enrolments for index in indices])[order],
            np.concatenate([index.lengths for index in indices])[order],
            offsets,
        )

    def __len__(self) -> int:
        return len(self.codes)

    def search(self, query: SpanQuery, partitions: tuple[int, ...], threads: int = 1) -> Matches:
        """Enrolments of some partitions that match a window: what they stand for, their best product and its window."""
        if not len(self) or not len(query.vectors):
            return _no_matches()
        flat = query.probed is None or len(self) <= _FLAT * query.probed.shape[1]
        tiles = list(self._blocks(query, partitions) if flat else self._lists(query, partitions))
        shares = [tiles[share::threads] for share in range(min(threads, len(tiles)))]
        if len(shares) <= 1:
            parts = [self._match(query, tiles)]
        else:
            with ThreadPoolExecutor(len(shares)) as pool:
                parts = list(pool.map(lambda share: self._match(query, share), shares))
        places, products, windows = (np.concatenate(column) for column in zip(*parts, strict=True))
        return self.enrolments[places].astype(np.int64), products, windows

    def _lists(self, query: SpanQuery, partitions: tuple[int, ...]) -> Iterator[_Tile]:
        probing, starts = query.lists
        offsets, bounds, runs = self.offsets.tolist(), starts.tolist(), _runs(partitions)
        for row in np.flatnonzero(np.diff(starts)).tolist():
            windows = probing[bounds[row] : bounds[row + 1]]
            for first, last in runs:
                begin, end = offsets[row * PARTITIONS + first], offsets[row * PARTITIONS + last]
                for at in range(begin, end, _MOST):
                    yield _Tile(slice(at, min(at + _MOST, end)), windows)

    def _blocks(self, query: SpanQuery, partitions: tuple[int, ...]) -> Iterator[_Tile]:
        sizes = np.diff(self.offsets).reshape(-1, PARTITIONS)
        chosen = np.isin(np.arange(PARTITIONS), partitions)
        places = np.flatnonzero(np.repeat(np.tile(chosen, len(sizes)), sizes.ravel()))
        lists = None
        if query.probed is not None:
            lists = np.repeat(np.arange(len(sizes)), sizes[:, chosen].sum(axis=1))
        for at in range(0, len(places), _BLOCK):
            yield _Tile(places[at : at + _BLOCK], None, None if lists is None else lists[at : at + _BLOCK])

    def _match(self, query: SpanQuery, tiles: list[_Tile]) -> Matches:
        found = [_no_matches()]
        for tile in tiles:
            vectors = query.vectors if tile.windows is None else query.vectors[tile.windows]
            codes = self._tensor[tile.places if isinstance(tile.places, slice) else torch.from_numpy(tile.places)]
            products = products_of(vectors, codes)
            columns, best, windows = query.best(products, tile.windows, self.lengths[tile.places], tile.lists)
            if len(columns):
                places = columns + tile.places.start if isinstance(tile.places, slice) else tile.places[columns]
                found.append((places, best, windows))
        places, products, windows = (np.concatenate(column) for column in zip(*found, strict=True))
        return places, products, windows

    @cached_property
    def _tensor(self) -> Tensor:
        return unwritable(self.codes)


def unwritable(values: NDArray[np.int8]) -> Tensor:
    """An array that nobody writes to as a tensor, without a copy: PyTorch warns of mapped files."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(values)


def inverted(
    lists: NDArray[np.integer], partitions: NDArray[np.integer], number: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The order of enrolments by (list, partition), stable, and the offsets of a `SpanIndex`."""
    cells = lists.astype(np.int64) * PARTITIONS + partitions
    sizes = np.bincount(cells, minlength=number * PARTITIONS)
    return np.argsort(cells, kind="stable"), np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)


def _runs(partitions: tuple[int, ...]) -> list[tuple[int, int]]:
    """Neighbouring partitions as (first, one past the last)."""
    runs: list[tuple[int, int]] = []
    for partition in partitions:
        if runs and runs[-1][1] == partition:
            runs[-1] = (runs[-1][0], partition + 1)
        else:
            runs.append((partition, partition + 1))
    return runs


def _no_matches() -> Matches:
    return np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int64)
