import numpy as np
import pytest

from compression.glossary.partitions import check_partitions, partitions_of, shard_partitions
from harken.errors import HarkenError


@pytest.mark.parametrize("of", [1, 2, 4, 8])
def test_shards_divide_the_partitions_among_them(of):
    shards = [shard_partitions(number, of) for number in range(of)]
    assert sum(shards, ()) == tuple(range(8))
    assert len({len(shard) for shard in shards}) == 1


def test_other_counts_and_shards_beyond_are_refused():
    with pytest.raises(HarkenError, match=r"\[1, 2, 4, 8\]"):
        shard_partitions(0, 3)
    with pytest.raises(HarkenError, match="from 0 to 1"):
        shard_partitions(2, 2)


def test_entries_in_the_order_of_ids_are_in_that_of_partitions():
    ids = np.sort(np.random.default_rng(0).integers(0, 2**64, 4000, dtype=np.uint64))
    partitions = partitions_of(ids)
    assert (np.diff(partitions.astype(int)) >= 0).all()
    assert np.bincount(partitions).min() > 400


def test_a_choice_is_among_those_that_are_open():
    assert check_partitions((6, 4, 6), (4, 5, 6)) == (4, 6)
    assert check_partitions(None, (4, 5)) == (4, 5)
    with pytest.raises(HarkenError, match=r"open: \[4, 5\]"):
        check_partitions((4, 1), (4, 5))
    with pytest.raises(HarkenError, match="at least one"):
        check_partitions((), (4, 5))
