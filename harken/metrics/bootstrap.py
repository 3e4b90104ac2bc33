"""Confidence intervals by the percentile bootstrap over utterances."""

from collections.abc import Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from harken.metrics.corpus import Rates, aggregate, as_number, columns, rates
from harken.metrics.utterance import UtteranceScore


class Interval(TypedDict):
    """A value and its 95% interval; None where it is undefined."""

    value: float | None
    low: float | None
    high: float | None


def bootstrap(scores: Sequence[UtteranceScore], samples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """Every metric with the 2.5th and 97.5th percentile over resampled corpora.

    Utterances are drawn with replacement and their counts summed; nothing is aligned again. Samples in which a
    metric is undefined are left out of its interval.

    Args:
        scores: n utterances; with n of 0 everything is None.
        samples: resampled corpora.
        seed: equal seeds give equal intervals.
    """
    return intervals(aggregate(scores), _resampled(scores, samples, seed))


def paired_bootstrap(
    before: Sequence[UtteranceScore], after: Sequence[UtteranceScore], samples: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """The difference ``after`` minus ``before`` of every metric: below 0 is better for error rates.

    Both systems are resampled with the same utterances, so what makes an utterance hard cancels out; a
    difference is significant at the 5% level when its interval does not contain 0.

    Args:
        before, after: two systems' scores of the same utterances in the same order.

    Raises:
        ValueError: not the same number of utterances, or not the same reference lengths.
    """
    lengths = [
        [score.counts["cer.cn.units"] + score.counts["cer.oth.units"] for score in both] for both in (before, after)
    ]
    if lengths[0] != lengths[1]:
        raise ValueError("paired_bootstrap needs two systems' scores of the same utterances in the same order")
    values = aggregate(before), aggregate(after)
    resampled = _resampled(before, samples, seed), _resampled(after, samples, seed)
    differences: dict[str, float | None] = {}
    for name, (old, new) in ((name, (values[0][name], values[1][name])) for name in values[0]):
        differences[name] = None if old is None or new is None else new - old
    return intervals(differences, {name: resampled[1][name] - resampled[0][name] for name in differences})


def resampled_sums(counts: NDArray[Any], samples: int, seed: int) -> NDArray[np.float64]:
    """Sums over units drawn with replacement: counts (units, columns) to (samples, columns); zeros without units."""
    counts = counts.astype(np.float64)
    sums = np.zeros((samples, counts.shape[1]))
    generator = np.random.default_rng(seed)
    if len(counts):
        for sample in range(samples):
            drawn = generator.integers(0, len(counts), len(counts))
            # Summing each unit once, times how often it was drawn, is many times faster than indexing.
            sums[sample] = np.bincount(drawn, minlength=len(counts)) @ counts
    return sums


def intervals(values: dict[str, float | None], resampled: dict[str, Rates]) -> dict[str, Interval]:
    """Each value with the 2.5th and 97.5th percentile of its resampled values, nan among them left out."""
    found: dict[str, Interval] = {}
    for name, value in values.items():
        defined = resampled[name][~np.isnan(resampled[name])]
        if value is None or not defined.size:
            found[name] = {"value": value, "low": None, "high": None}
            continue
        low, high = np.percentile(defined, [2.5, 97.5])
        found[name] = {"value": value, "low": as_number(low), "high": as_number(high)}
    return found


def _resampled(scores: Sequence[UtteranceScore], samples: int, seed: int) -> dict[str, Rates]:
    """Every metric of each resampled corpus, shape (samples,)."""
    table = columns(scores)
    names = list(table)
    sums = resampled_sums(np.stack([table[name] for name in names], axis=1), samples, seed)
    whole: NDArray[np.int64] = np.rint(sums).astype(np.int64)
    return rates({name: whole[:, index] for index, name in enumerate(names)})
