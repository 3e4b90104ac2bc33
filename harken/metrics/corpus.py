"""Utterance scores summed over a corpus and turned into rates."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from harken.metrics.ier import CLASSES
from harken.metrics.utterance import UtteranceScore

METRICS = (
    "cer", "cer_cn", "cer_oth", "wer", "wer_cn", "wer_oth", "wer_raw", "mer", "ier", "ier_ins", "keyword_recall",
    "insertion_rate", "loop_rate",
)  # fmt: skip

_SPLIT_BY_SCRIPT = ("cer", "wer")
_UNSPLIT = ("wer_raw", "mer", "insertion_rate", "loop_rate")
_ALWAYS_COUNTED = [
    f"{metric}.{count}"
    for metric in (*(f"{split}.{script}" for split in _SPLIT_BY_SCRIPT for script in ("cn", "oth")), *_UNSPLIT)
    for count in ("errors", "units")
]

Rates = NDArray[np.float64]
Totals = Mapping[str, NDArray[np.int64]]


class SegmenterBreakdown(TypedDict):
    """IER of one segmenter, and its units and errors by class (see `harken.metrics.ier.IntegratedErrors`).

    ``rates`` are errors over units by class, after retyping.
    """

    ier: float | None
    ier_ins: float | None
    units: dict[str, int]
    errors: dict[str, int]
    rates: dict[str, float | None]
    retyped: int
    insertions: int


class CategoryRecall(TypedDict):
    """Keyword mentions of one category in the references, and how many of them were heard exactly."""

    recall: float | None
    right: int
    mentions: int


def aggregate(scores: Sequence[UtteranceScore]) -> dict[str, float | None]:
    """Every metric of `METRICS` over a corpus: errors and units are summed first, then divided.

    A rate with no unit to count (``cer_oth`` of purely Chinese references) is None.
    """
    return {name: as_number(values[0]) for name, values in rates(_totals(scores)).items()}


def ier_by_segmenter(scores: Sequence[UtteranceScore]) -> dict[str, SegmenterBreakdown]:
    """The IER and its parts for each segmenter that was used."""
    totals = _totals(scores)
    breakdowns: dict[str, SegmenterBreakdown] = {}
    for name in _segmenters(totals):
        units, errors = (
            {str(kind): int(totals[f"ier.{name}.{count}.{kind}"][0]) for kind in CLASSES}
            for count in ("units", "errors")
        )
        retyped = int(totals[f"ier.{name}.retyped"][0])
        counted = {"W": units["W"] - retyped, "C": units["C"] + retyped, "S": units["S"]}
        breakdowns[name] = {
            "ier": as_number(_ier(totals, name)[0]),
            "ier_ins": as_number(_ier(totals, name, insertions=True)[0]),
            "units": units,
            "errors": errors,
            "rates": {str(kind): errors[kind] / counted[kind] if counted[kind] else None for kind in CLASSES},
            "retyped": retyped,
            "insertions": int(totals[f"ier.{name}.insertions"][0]),
        }
    return breakdowns


def keyword_recall_by_category(scores: Sequence[UtteranceScore]) -> dict[str, CategoryRecall]:
    """The keyword recall of each category of the keyword list."""
    totals = _totals(scores)
    recalls: dict[str, CategoryRecall] = {}
    for category in _categories(totals):
        right, mentions = (int(totals[f"keyword.{category}.{count}"][0]) for count in ("right", "units"))
        recalls[category] = {"recall": right / mentions if mentions else None, "right": right, "mentions": mentions}
    return recalls


def mean_over_utterances(scores: Sequence[UtteranceScore]) -> dict[str, float | None]:
    """Every metric as the plain mean of the utterances' own rates, leaving out those where it is undefined.

    Here a short utterance weighs as much as a long one.
    """
    table = rates(columns(scores))
    return {
        name: float(values[~np.isnan(values)].mean()) if not np.isnan(values).all() else None
        for name, values in table.items()
    }


def rates(totals: Totals) -> dict[str, Rates]:
    """Every metric from arrays of summed counts (all of one shape); NaN where a rate has no unit."""
    segmenters = _segmenters(totals)
    table: dict[str, Rates] = {}
    for metric in _SPLIT_BY_SCRIPT:
        errors = {script: totals[f"{metric}.{script}.errors"] for script in ("cn", "oth")}
        units = {script: totals[f"{metric}.{script}.units"] for script in ("cn", "oth")}
        table[metric] = _divide(errors["cn"] + errors["oth"], units["cn"] + units["oth"])
        for script in ("cn", "oth"):
            table[f"{metric}_{script}"] = _divide(errors[script], units[script])
    for metric in _UNSPLIT:
        table[metric] = _divide(totals[f"{metric}.errors"], totals[f"{metric}.units"])
    nothing = np.zeros_like(totals["mer.units"])
    undefined = _divide(nothing, nothing)
    for metric, insertions in (("ier", False), ("ier_ins", True)):
        by_segmenter = [_ier(totals, name, insertions=insertions) for name in segmenters]
        table[metric] = np.mean(by_segmenter, axis=0) if by_segmenter else undefined
    counts = [
        sum((totals[f"keyword.{category}.{count}"] for category in _categories(totals)), nothing)
        for count in ("right", "units")
    ]
    table["keyword_recall"] = _divide(counts[0], counts[1])
    return {name: table[name] for name in METRICS}


def columns(scores: Sequence[UtteranceScore]) -> dict[str, NDArray[np.int64]]:
    """The counts as one array per name, one entry per utterance; a count that an utterance lacks is 0.

    Raises:
        ValueError: the utterances were scored with different segmenters, so that their sums mean nothing.
    """
    segmenters = {tuple(_segmenters(score.counts)) for score in scores}
    if len(segmenters) > 1:
        raise ValueError(f"utterances scored with different segmenters: {sorted(segmenters)}")
    names = dict.fromkeys([*_ALWAYS_COUNTED, *(name for score in scores for name in score.counts)])
    return {name: np.array([score.counts.get(name, 0) for score in scores], dtype=np.int64) for name in names}


def as_number(value: np.float64) -> float | None:
    """A plain number, or None for NaN (JSON has no NaN)."""
    return None if np.isnan(value) else float(value)


def _totals(scores: Sequence[UtteranceScore]) -> dict[str, NDArray[np.int64]]:
    return {name: values.sum(keepdims=True) for name, values in columns(scores).items()}


def _segmenters(counts: Mapping[str, object]) -> list[str]:
    return [name.split(".")[1] for name in counts if name.startswith("ier.") and name.endswith(".retyped")]


def _categories(counts: Mapping[str, object]) -> list[str]:
    prefix, suffix = "keyword.", ".units"
    return [name[len(prefix) : -len(suffix)] for name in counts if name.startswith(prefix) and name.endswith(suffix)]


def _ier(totals: Totals, segmenter: str, *, insertions: bool = False) -> Rates:
    units, errors = (
        np.sum([totals[f"ier.{segmenter}.{count}.{kind}"] for kind in CLASSES], axis=0) for count in ("units", "errors")
    )
    return _divide(errors + totals[f"ier.{segmenter}.insertions"] if insertions else errors, units)


def _divide(errors: NDArray[np.int64], units: NDArray[np.int64]) -> Rates:
    rate: Rates = np.full(np.shape(units), np.nan)
    return np.divide(errors, units, out=rate, where=units > 0)
