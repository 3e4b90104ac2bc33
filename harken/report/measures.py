"""The metrics by name, and what may honestly be said about the change of one between two systems."""

import math
from dataclasses import dataclass

from harken.report.data import Interval, Systems


@dataclass(frozen=True)
class Measure:
    """A metric's key in ``summary.json``, its label, and a sentence for readers who do not know it."""

    key: str
    label: str
    meaning: str
    higher_is_better: bool = False
    headline: bool = True


MEASURES = (
    Measure("cer", "CER", "Character error rate: wrong, missing and extra characters per reference character."),
    Measure("cer_cn", "CER_cn", "Character error rate on the Chinese characters alone."),
    Measure("cer_oth", "CER_oth", "Character error rate on all others: Latin letters and digits."),
    Measure("wer", "WER", "Word error rate after the same word segmentation of both sides."),
    Measure("wer_cn", "WER_cn", "Word error rate on Chinese words.", headline=False),
    Measure("wer_oth", "WER_oth", "Word error rate on all other words.", headline=False),
    Measure(
        "wer_raw",
        "WER raw",
        "Word error rate without segmentation; for comparison only, unspaced Chinese counts as one word.",
        headline=False,
    ),
    Measure("mer", "MER", "Mixed error rate: one unit per Chinese character, one per Latin word."),
    Measure(
        "ier", "IER", "Integrated error rate: share of words, single characters and keywords with any error inside."
    ),
    Measure("ier_ins", "IER_ins", "IER that also counts what was inserted outside of every unit.", headline=False),
    Measure(
        "keyword_recall",
        "Keyword recall",
        "Share of the keyword mentions that were transcribed exactly.",
        higher_is_better=True,
    ),
    Measure(
        "insertion_rate",
        "Insertions",
        "Characters heard that were not said, per reference character.",
        headline=False,
    ),
    Measure(
        "loop_rate",
        "Loops",
        "Share of the utterances whose transcript repeats itself without end.",
        headline=False,
    ),
    Measure(
        "f1",
        "Label F1",
        "Customer portrait labels: harmonic mean of precision and recall over all labels.",
        higher_is_better=True,
    ),
    Measure(
        "precision", "Label precision", "Share of the portrait labels found that were said.", higher_is_better=True
    ),
    Measure("recall", "Label recall", "Share of the portrait labels said that were found.", higher_is_better=True),
    Measure(
        "macro_f1",
        "Label F1, macro",
        "Mean of the categories' F1: every category counts the same, however rare it is.",
        higher_is_better=True,
    ),
)

LABEL_RATES = ("f1", "precision", "recall", "macro_f1")
"""The measures of portrait labels."""

SYSTEM_LABELS = {
    "base": "Base",
    "adapted": "Adapted",
    "biased": "Biased",
    "adapted_biased": "Adapted + biased",
}


def system_label(system: str) -> str:
    """How a system is named to a reader."""
    return SYSTEM_LABELS.get(system, system)


def present(systems: Systems) -> list[Measure]:
    """The known measures that at least one system has an entry for, in their usual order, then unknown ones."""
    keys = {key for metrics in systems.values() for key in metrics}
    known = [measure for measure in MEASURES if measure.key in keys]
    unknown = sorted(keys - {measure.key for measure in MEASURES})
    return known + [Measure(key, key, "", headline=False) for key in unknown]


def number(interval: Interval | None, part: str = "value") -> float | None:
    """A finite part of an interval, or None."""
    found = (interval or {}).get(part)
    return float(found) if found is not None and math.isfinite(found) else None


@dataclass(frozen=True)
class Change:
    """A metric's change from one system to another.

    Attributes:
        absolute: the paired difference where there is one, else the difference of the two values.
        relative: ``absolute`` over the first system's value; None if that is zero or missing.
        low, high: the paired difference's 95% interval, where there is one.
        established: whether the change is more than chance at the 95% level; None if no interval tells.
        better: whether the change is an improvement; None for no change.
    """

    absolute: float | None
    relative: float | None
    low: float | None
    high: float | None
    established: bool | None
    better: bool | None


def change(before: Interval | None, after: Interval | None, paired: Interval | None, higher_is_better: bool) -> Change:
    """Compare two systems on one metric.

    With a paired difference the change is established when its interval excludes zero. Without one, only
    intervals that do not touch establish it, which is the stricter test: it can miss a true change.
    """
    first, second = number(before), number(after)
    absolute = number(paired)
    if absolute is None and first is not None and second is not None:
        absolute = second - first
    relative = absolute / first if absolute is not None and first else None
    better = None if not absolute else (absolute > 0) == higher_is_better
    low, high = number(paired, "low"), number(paired, "high")
    if low is not None and high is not None:
        return Change(absolute, relative, low, high, low > 0 or high < 0, better)
    return Change(absolute, relative, None, None, _apart(before, after), better)


def _apart(before: Interval | None, after: Interval | None) -> bool | None:
    ends = [number(interval, part) for interval in (before, after) for part in ("low", "high")]
    if any(end is None for end in ends):
        return None
    first_low, first_high, second_low, second_high = (float(end) for end in ends if end is not None)
    return first_high < second_low or second_high < first_low


def paired_interval(paired: Systems, system: str, metric: str) -> Interval | None:
    """The paired difference of one system and metric, if it was measured."""
    return paired.get(system, {}).get(metric)


def rate(value: float | None) -> str:
    """An error rate or a recall to three places, 'n/a' when it was not measured."""
    return "n/a" if value is None or not math.isfinite(value) else f"{value:.3f}"


def with_interval(interval: Interval | None) -> str:
    """``0.153 [0.131, 0.177]``; the brackets are left out when there is no interval."""
    value, low, high = number(interval), number(interval, "low"), number(interval, "high")
    if value is None or low is None or high is None:
        return rate(value)
    return f"{value:.3f} [{low:.3f}, {high:.3f}]"


def percent(share: float | None, signed: bool = False) -> str:
    """A share as a percentage with a true minus sign, 'n/a' when it is unknown."""
    if share is None or not math.isfinite(share):
        return "n/a"
    return f"{share * 100:{'+' if signed else ''}.1f}%".replace("-", "\N{MINUS SIGN}")
