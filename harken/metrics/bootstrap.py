"""Confidence intervals and tests of differences by the percentile bootstrap over utterances."""

from collections.abc import Sequence
from dataclasses import dataclass
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


class Difference(Interval):
    """A difference of two systems; ``p`` is its two-sided bootstrap p-value: small when 0 is implausible."""

    p: float | None


@dataclass(frozen=True, eq=False)
class Resampling:
    """One system's metrics on its utterances and on resampled corpora, from which everything else follows.

    Utterances are drawn with replacement and their counts summed; nothing is aligned again. Two systems' scores of
    the same utterances, resampled with the same seed, are resampled with the same draws: what makes an utterance
    hard cancels out of their difference.
    """

    values: dict[str, float | None]
    rates: dict[str, Rates]
    lengths: tuple[int, ...]
    seed: int

    @classmethod
    def of(cls, scores: Sequence[UtteranceScore], samples: int = 1000, seed: int = 0) -> "Resampling":
        """Resample ``samples`` corpora from n utterances; with n of 0 every metric is None."""
        lengths = tuple(score.counts["cer.cn.units"] + score.counts["cer.oth.units"] for score in scores)
        return cls(aggregate(scores), _resampled(scores, samples, seed), lengths, seed)

    def intervals(self) -> dict[str, Interval]:
        """Every metric with the 2.5th and 97.5th percentile; samples in which it is undefined are left out."""
        return intervals(self.values, self.rates)

    def difference(self, after: "Resampling") -> dict[str, Difference]:
        """``after`` minus this one in every metric; significant at the 5% level when the interval excludes 0.

        Raises:
            ValueError: not the same utterances in the same order (by their reference lengths), or not the same
                samples and seed.
        """
        if self.lengths != after.lengths:
            raise ValueError("a paired bootstrap needs two systems' scores of the same utterances in the same order")
        if self.seed != after.seed or len(self.rates["cer"]) != len(after.rates["cer"]):
            raise ValueError("a paired bootstrap needs the same samples and the same seed for both systems")
        differences: dict[str, Difference] = {}
        for name, old in self.values.items():
            new, drawn = after.values[name], after.rates[name] - self.rates[name]
            value = None if old is None or new is None else new - old
            interval = _interval(value, drawn)
            differences[name] = Difference(**interval, p=None if value is None else _p_value(drawn))
        return differences


def bootstrap(scores: Sequence[UtteranceScore], samples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """Every metric with its 95% interval over resampled corpora; equal seeds give equal intervals."""
    return Resampling.of(scores, samples, seed).intervals()


def paired_bootstrap(
    before: Sequence[UtteranceScore], after: Sequence[UtteranceScore], samples: int = 1000, seed: int = 0
) -> dict[str, Difference]:
    """The difference ``after`` minus ``before`` of every metric: below 0 is better for error rates.

    Args:
        before, after: two systems' scores of the same utterances in the same order.

    Raises:
        ValueError: not the same number of utterances, or not the same reference lengths.
    """
    return Resampling.of(before, samples, seed).difference(Resampling.of(after, samples, seed))


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
    return {name: _interval(value, resampled[name]) for name, value in values.items()}


def _resampled(scores: Sequence[UtteranceScore], samples: int, seed: int) -> dict[str, Rates]:
    """Every metric of each resampled corpus, shape (samples,)."""
    table = columns(scores)
    names = list(table)
    sums = resampled_sums(np.stack([table[name] for name in names], axis=1), samples, seed)
    whole: NDArray[np.int64] = np.rint(sums).astype(np.int64)
    return rates({name: whole[:, index] for index, name in enumerate(names)})


def _interval(value: float | None, resampled: Rates) -> Interval:
    defined = resampled[~np.isnan(resampled)]
    if value is None or not defined.size:
        return {"value": value, "low": None, "high": None}
    low, high = np.percentile(defined, [2.5, 97.5])
    return {"value": value, "low": as_number(low), "high": as_number(high)}


def _p_value(differences: Rates) -> float | None:
    """Twice the share of differences on the far side of 0; one is added so that no finite test gives a p of 0."""
    defined = differences[~np.isnan(differences)]
    if not defined.size:
        return None
    beyond = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    return min(1.0, 2 * (beyond + 1) / (defined.size + 1))
