"""Rates of shards: what starting costs is kept apart, and pauses between sessions do not count."""

import pytest

from benchmarks.rates import Commit, rate


def steadily(start: float, shards: int, workers: int) -> list[Commit]:
    """Ten rows a shard, five seconds a shard and worker, after three seconds of starting."""
    return [Commit(start + 3 + 5 * (shard // workers + 1), 10) for shard in range(shards)]


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_steady_rate_leaves_the_start_out(workers: int) -> None:
    done = steadily(100.0, 4 * workers, workers)
    measured = rate(done, workers, [(100.0, 100.0 + 3 + 20 + 2)])
    assert measured.steady == pytest.approx(2.0 * workers)
    assert measured.total == pytest.approx(40 * workers / 25)
    assert measured.overhead == pytest.approx(5.0)
    assert measured.rows == 40 * workers


def test_the_time_between_two_sessions_does_not_count() -> None:
    first, second = steadily(0.0, 4, 2), steadily(1000.0, 6, 2)
    measured = rate([*second, *first], 2, [(0.0, 14.0), (1000.0, 1018.0)])
    assert measured.steady == pytest.approx(4.0)
    assert measured.seconds == pytest.approx(32.0)


def test_too_few_shards_are_no_rate() -> None:
    with pytest.raises(ValueError, match="too few"):
        rate(steadily(0.0, 2, 2), 2, [(0.0, 10.0)])
