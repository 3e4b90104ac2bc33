"""How well keywords are spotted: F1 at a threshold, F1@k, precision and recall, mean average precision."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from harken.errors import HarkenError
from harken.metrics.bootstrap import Interval, intervals, resampled_sums
from harken.metrics.corpus import Rates

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Judgements:
    """Scored pairs, all arrays of shape (pairs,).

    `scores`: higher is likelier. `labels`: whether the keyword was said. `keywords` and `utterances`: integers that
    say which pairs share one.
    """

    scores: NDArray[np.floating]
    labels: NDArray[np.bool_]
    keywords: NDArray[np.int64]
    utterances: NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """Precision and recall when every score from `thresholds` up counts as spotted, thresholds descending."""

    precision: Floats
    recall: Floats
    thresholds: Floats

    def average_precision(self) -> float:
        """Precision averaged over the steps of recall, pairs of equal score taken together."""
        return float(np.sum(np.diff(self.recall, prepend=0.0) * self.precision))

    def thinned(self, points: int = 200) -> "Curve":
        """The curve for a plot: the first point that reaches each of `points` evenly spaced recalls, and the last."""
        levels = np.linspace(self.recall[0], self.recall[-1], points)
        kept = np.unique(np.append(np.searchsorted(self.recall, levels), len(self.recall) - 1))
        return Curve(self.precision[kept], self.recall[kept], self.thresholds[kept])


class GroupRates(TypedDict):
    """The pairs of one group: how many, how many of them positive, and `spotting_rates` without F1@k."""

    pairs: int
    said: int
    rates: dict[str, Interval]


def precision_recall(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> Curve:
    """The curve over all distinct scores.

    Raises:
        HarkenError: no pair is positive, so that recall is undefined.
    """
    if not labels.any():
        raise HarkenError("pairs to be judged", len(labels), "None is positive: add utterances that hold a keyword.")
    order = np.argsort(-scores, kind="stable")
    ordered, hits = scores[order].astype(np.float64), np.cumsum(labels[order])
    last_of_its_score = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    hits = hits[last_of_its_score]
    return Curve(hits / (last_of_its_score + 1), hits / labels.sum(), ordered[last_of_its_score])


def best_threshold(scores: NDArray[np.floating], labels: NDArray[np.bool_], beta: float = 1.0) -> float:
    """The threshold of the highest F-beta, halfway to the next lower score; the highest one among equals.

    Raises:
        HarkenError: no pair is positive.
    """
    curve = precision_recall(scores, labels)
    weighted = (1 + beta**2) * curve.precision * curve.recall
    best = int(np.argmax(weighted / np.maximum(beta**2 * curve.precision + curve.recall, 1e-12)))
    lower = min(best + 1, len(curve.thresholds) - 1)
    return float((curve.thresholds[best] + curve.thresholds[lower]) / 2)


def f1_score(scores: NDArray[np.floating], labels: NDArray[np.bool_], threshold: float) -> float:
    """F1 over all pairs when scores of at least `threshold` count as spotted; 0 without a positive on either side."""
    spotted = scores >= threshold
    hits = int((spotted & labels).sum())
    total = int(spotted.sum() + labels.sum())
    return 2 * hits / total if total else 0.0


def spotting_rates(
    judgements: Judgements, threshold: float, top: Sequence[int] = (1, 5), samples: int = 1000, seed: int = 0
) -> dict[str, Interval]:
    """``precision``, ``recall``, ``f1`` at the threshold, ``f1_at_K``, ``mean_average_precision``, with intervals.

    F1@k counts the k highest scores of each utterance as spotted (second paper, section 3.3.1). Utterances are
    resampled for these; mean average precision, a mean over the keywords that were said at all, resamples keywords.

    Args:
        judgements: of every utterance with every keyword, or of the pairs that were looked at.
        threshold: chosen on other pairs, by `best_threshold`.
        top: the k of F1@k.
        samples: resampled corpora.
        seed: equal seeds give equal intervals.
    """
    columns = [_counts(judgements, judgements.scores >= threshold)]
    columns += [_counts(judgements, _among_highest(judgements, k)) for k in top]
    counts = np.concatenate(columns, axis=1)
    sums = np.concatenate([counts.sum(axis=0, keepdims=True), resampled_sums(counts, samples, seed)])
    rates = _rates(sums[:, :3]) | {
        f"f1_at_{k}": _rates(sums[:, 3 * place : 3 * place + 3])["f1"] for place, k in enumerate(top, start=1)
    }
    precisions = _average_precisions(judgements)[:, None]
    ones = np.concatenate([precisions, np.ones_like(precisions)], axis=1)
    sums = np.concatenate([ones.sum(axis=0, keepdims=True), resampled_sums(ones, samples, seed)])
    rates["mean_average_precision"] = _ratio(sums[:, 0], sums[:, 1])
    values = {name: None if np.isnan(rate[0]) else float(rate[0]) for name, rate in rates.items()}
    return intervals(values, {name: rate[1:] for name, rate in rates.items()})


def rates_by(
    judgements: Judgements,
    groups: NDArray[np.generic],
    threshold: float,
    samples: int = 1000,
    seed: int = 0,
) -> dict[str, GroupRates]:
    """Rates within each group of pairs, in the order of the groups: by a term's length, a language, a test set.

    F1@k is left out, which needs all of an utterance's pairs.

    Args:
        groups: (pairs,), numbers or strings that can be sorted; the result's keys are their texts.
        threshold, samples, seed: as in `spotting_rates`.
    """
    found: dict[str, GroupRates] = {}
    for group in np.unique(groups):
        members = groups == group
        part = Judgements(
            judgements.scores[members],
            judgements.labels[members],
            judgements.keywords[members],
            judgements.utterances[members],
        )
        rates = spotting_rates(part, threshold, (), samples, seed)
        found[str(group)] = {"pairs": int(members.sum()), "said": int(part.labels.sum()), "rates": rates}
    return found


def worst_mistakes(judgements: Judgements, threshold: float, most: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The places of false alarms and of misses, the furthest from the threshold first, `most` of each at most."""
    spotted = judgements.scores >= threshold
    order = np.argsort(-judgements.scores, kind="stable")
    alarms = order[(spotted & ~judgements.labels)[order]]
    misses = order[::-1][(~spotted & judgements.labels)[order[::-1]]]
    return alarms[:most], misses[:most]


def _counts(judgements: Judgements, spotted: NDArray[np.bool_]) -> Floats:
    """Hits, spotted and positive pairs of each utterance: (utterances, 3)."""
    _, owner = np.unique(judgements.utterances, return_inverse=True)
    kinds = (spotted & judgements.labels, spotted, judgements.labels)
    return np.stack([np.bincount(owner, weights=kind) for kind in kinds], axis=1)


def _among_highest(judgements: Judgements, k: int) -> NDArray[np.bool_]:
    """Whether a pair is among the k highest of its utterance; the lower keyword number wins a tie."""
    order = np.lexsort((judgements.keywords, -judgements.scores, judgements.utterances))
    ordered = judgements.utterances[order]
    first = np.flatnonzero(np.diff(ordered, prepend=ordered[:1] - 1))
    rank = np.arange(len(order)) - np.repeat(first, np.diff(np.append(first, len(order))))
    chosen = np.zeros(len(order), dtype=np.bool_)
    chosen[order[rank < k]] = True
    return chosen


def _average_precisions(judgements: Judgements) -> Floats:
    """The average precision of each keyword that was said at least once."""
    order = np.argsort(judgements.keywords, kind="stable")
    groups = np.split(order, np.flatnonzero(np.diff(judgements.keywords[order])) + 1)
    return np.array(
        [
            precision_recall(judgements.scores[group], judgements.labels[group]).average_precision()
            for group in groups
            if judgements.labels[group].any()
        ],
        dtype=np.float64,
    )


def _rates(sums: Floats) -> dict[str, Rates]:
    hits, spotted, positive = sums.T
    return {
        "precision": _ratio(hits, spotted),
        "recall": _ratio(hits, positive),
        "f1": _ratio(2 * hits, spotted + positive),
    }


def _ratio(numerator: Floats, denominator: Floats) -> Rates:
    """nan where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full_like(numerator, np.nan), where=denominator > 0)
