"""The fixed division of every glossary: by entry, so that shards of any number see the same parts."""

import numpy as np
from numpy.typing import NDArray

from harken.errors import HarkenError

PARTITIONS = 8
"""Every cap of a search holds per partition; that makes the merge of shards the same for 1, 2, 4 or 8 of them."""

SHIFT = 61
"""An entry's partition is the highest three bits of its id: entries in the order of ids are in that of partitions."""


def partitions_of(entry_ids: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """The partition of each entry, uint8 of the same shape."""
    return (entry_ids >> np.uint64(SHIFT)).astype(np.uint8)


def shard_partitions(number: int, of: int, partitions: int = PARTITIONS) -> tuple[int, ...]:
    """The partitions of shard `number` (from 0) `of` so many: neighbours, which one pass over an index can read.

    Raises:
        HarkenError: a count that does not divide the partitions, or a shard beyond it.

    >>> shard_partitions(1, of=4)
    (2, 3)
    """
    if of < 1 or partitions % of:
        divisors = [count for count in range(1, partitions + 1) if partitions % count == 0]
        raise HarkenError("number of shards", of, f"A glossary has {partitions} partitions: use one of {divisors}.")
    if not 0 <= number < of:
        raise HarkenError("shard", number, f"Shards of {of} are numbered from 0 to {of - 1}.")
    size = partitions // of
    return tuple(range(number * size, (number + 1) * size))


def check_partitions(chosen: tuple[int, ...] | None, opened: tuple[int, ...]) -> tuple[int, ...]:
    """The chosen partitions in ascending order, all of `opened` for None.

    Raises:
        HarkenError: one that is not among `opened`, or none at all.
    """
    if chosen is None:
        return opened
    for partition in chosen:
        if partition not in opened:
            raise HarkenError("partition", partition, f"These are open: {list(opened)}.")
    if not chosen:
        raise HarkenError("partitions", list(chosen), "Name at least one.")
    return tuple(sorted(set(chosen)))
