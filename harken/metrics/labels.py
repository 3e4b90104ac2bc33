"""Precision, recall and F1 of the labels found in transcripts, with bootstrap intervals over utterances.

A label counts once an utterance. Micro figures pool all labels; the macro F1 is the mean over the categories that
the references hold, each worth the same however rare.
"""

from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harken.metrics.bootstrap import Interval
from harken.metrics.corpus import as_number

Labels = Mapping[str, Collection[Hashable]]
"""The labels of one utterance by category."""

_RIGHT, _EXTRA, _MISSED = range(3)
FIGURES = ("f1", "precision", "recall")


@dataclass(frozen=True)
class LabelCounts:
    """Counts per utterance and category: right, extra (not in the reference) and missed labels.

    Attributes:
        categories: those that any reference or hypothesis holds, sorted.
        counts: shape (utterances, categories, 3).
    """

    categories: tuple[str, ...]
    counts: NDArray[np.int64]

    @property
    def support(self) -> dict[str, int]:
        """Labels of the references by category."""
        totals = self.counts.sum(axis=0)
        return {
            category: int(totals[place, _RIGHT] + totals[place, _MISSED])
            for place, category in enumerate(self.categories)
        }


def count_labels(references: Sequence[Labels], hypotheses: Mapping[str, Sequence[Labels]]) -> dict[str, LabelCounts]:
    """Count every system's labels against the references, all over the same categories.

    Raises:
        ValueError: a system with another number of utterances than the references.
    """
    every = [references, *hypotheses.values()]
    categories = tuple(sorted({category for labels in every for found in labels for category in found}))
    return {
        system: LabelCounts(categories, _counts(references, found, categories)) for system, found in hypotheses.items()
    }


def label_rates(counts: LabelCounts, samples: int = 1000, seed: int = 0) -> dict[str, Interval]:
    """``f1``, ``precision``, ``recall`` (micro), ``macro_f1``, and ``f1.CATEGORY`` and the like, with 95% intervals."""
    return _intervals(_rates(counts, _whole(counts)), _rates(counts, _drawn(counts, samples, seed)))


def paired_label_rates(
    before: LabelCounts, after: LabelCounts, samples: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """The differences ``after`` minus ``before`` over the same resampled utterances; above 0 is better.

    Raises:
        ValueError: not the same utterances and categories.
    """
    if before.counts.shape != after.counts.shape or before.support != after.support:
        raise ValueError("paired_label_rates needs two systems' counts of the same utterances")
    values = [_rates(counts, _whole(counts)) for counts in (before, after)]
    drawn = [_rates(counts, _drawn(counts, samples, seed)) for counts in (before, after)]
    return _intervals(*({name: new[name] - old[name] for name in old} for old, new in (values, drawn)))


def _counts(references: Sequence[Labels], hypotheses: Sequence[Labels], categories: Sequence[str]) -> NDArray[np.int64]:
    counts = np.zeros((len(references), len(categories), 3), np.int64)
    for row, (reference, hypothesis) in enumerate(zip(references, hypotheses, strict=True)):
        for column, category in enumerate(categories):
            said, found = set(reference.get(category, ())), set(hypothesis.get(category, ()))
            counts[row, column] = len(said & found), len(found - said), len(said - found)
    return counts


def _whole(counts: LabelCounts) -> NDArray[np.float64]:
    """The totals as a single sample, shape (1, categories, 3)."""
    return counts.counts.sum(axis=0, keepdims=True).astype(np.float64)


def _drawn(counts: LabelCounts, samples: int, seed: int) -> NDArray[np.float64]:
    """The totals of resampled corpora, shape (samples, categories, 3); equal seeds draw the same utterances."""
    generator = np.random.default_rng(seed)
    utterances = len(counts.counts)
    table = counts.counts.reshape(utterances, -1).astype(np.float64)
    sums = np.zeros((samples, table.shape[1]))
    for sample in range(samples if utterances else 0):
        drawn = generator.integers(0, utterances, utterances)
        sums[sample] = np.bincount(drawn, minlength=utterances) @ table
    return sums.reshape(samples, *counts.counts.shape[1:])


def _rates(counts: LabelCounts, totals: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """Every figure of every sample, shape (samples,); NaN where it is undefined."""
    figures = dict(zip(FIGURES, _figures(totals.sum(axis=1)), strict=True))
    by_category = {category: _figures(totals[:, place]) for place, category in enumerate(counts.categories)}
    held = [by_category[category][0] for category, support in counts.support.items() if support]
    # A resample without any label of a category leaves it out instead of undefining the mean.
    defined = np.array(held).reshape(len(held), len(totals))
    known = (~np.isnan(defined)).sum(axis=0)
    figures["macro_f1"] = _divide(np.nansum(defined, axis=0), known.astype(np.float64))
    for category, values in by_category.items():
        figures |= {f"{figure}.{category}": value for figure, value in zip(FIGURES, values, strict=True)}
    return figures


def _figures(totals: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """F1, precision and recall of totals, shape (samples, 3)."""
    right, extra, missed = totals[:, _RIGHT], totals[:, _EXTRA], totals[:, _MISSED]
    return _divide(2 * right, 2 * right + extra + missed), _divide(right, right + extra), _divide(right, right + missed)


def _divide(part: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)


def _intervals(
    values: Mapping[str, NDArray[np.float64]], resampled: Mapping[str, NDArray[np.float64]]
) -> dict[str, Interval]:
    intervals: dict[str, Interval] = {}
    for name, value in values.items():
        defined = resampled[name][~np.isnan(resampled[name])]
        low, high = np.percentile(defined, [2.5, 97.5]) if defined.size else np.full(2, np.nan)
        intervals[name] = {"value": as_number(value[0]), "low": as_number(low), "high": as_number(high)}
    return intervals
