"""An evaluation as one JSON object and as one tidy table, for whatever comes after the report."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harken.records import write_text
from jobs.scoring import Scores

COLUMNS = (
    "set", "system", "metric", "part", "value", "low", "high", "difference", "difference_low", "difference_high", "p",
)  # fmt: skip
"""Of the table: ``part`` is a keyword category, or segmenter and class of IER (``jieba:W``); empty for a whole metric.

The difference is to the first system of the set. A row whose part is ``than adapted`` has the difference to that
system instead, and no value.
"""
THAN = "than "


def evaluation(
    scored: Mapping[str, Scores], segmenters: Iterable[str], pairs: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """``{"segmenters", "sets": {set: {"utterances", "systems": {system: figures}, "differences": {system: ...}}}}``.

    Args:
        pairs: ``{this: than}``, systems that are held against another than the first as well: the key "comparisons" of
            a set, ``{this: {"than", "metrics": {metric: difference}}}``. None: there is no such key.
    """
    return {
        "segmenters": list(segmenters),
        "sets": {name: _figures(scores, pairs) for name, scores in scored.items()},
    }


def _figures(scores: Scores, pairs: Mapping[str, str] | None) -> dict[str, Any]:
    figures: dict[str, Any] = {
        "utterances": len(scores.utterances),
        "systems": {system: scores.figures(system) for system in scores.systems},
        "differences": scores.paired,
    }
    if pairs:
        compared = scores.differences(pairs)
        figures["comparisons"] = {this: {"than": pairs[this], "metrics": found} for this, found in compared.items()}
    return figures


def table(found: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The rows of the table of an `evaluation`, columns as in `COLUMNS`."""
    for name, figures in found["sets"].items():
        for system, parts in figures["systems"].items():
            place = {"set": name, "system": system}
            differences = figures["differences"].get(system, {})
            for metric, interval in parts["metrics"].items():
                yield place | {"metric": metric, **interval, **_renamed(differences.get(metric, {}))}
            for segmenter, breakdown in parts["ier_by_segmenter"].items():
                for kind, rate in breakdown["rates"].items():
                    yield place | {"metric": "ier", "part": f"{segmenter}:{kind}", "value": rate}
            for category, recall in parts["keyword_recall_by_category"].items():
                yield place | {"metric": "keyword_recall", "part": category, "value": recall["recall"]}
        for system, compared in figures.get("comparisons", {}).items():
            if compared["than"] != next(iter(figures["systems"])):
                for metric, difference in compared["metrics"].items():
                    place = {"set": name, "system": system, "metric": metric, "part": f"{THAN}{compared['than']}"}
                    yield place | _renamed(difference)


def write_csv(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the rows atomically, with a byte-order mark so that spreadsheets read Chinese as Chinese."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, "\ufeff" + text.getvalue())


def _renamed(difference: Mapping[str, Any]) -> dict[str, Any]:
    names = {"value": "difference", "low": "difference_low", "high": "difference_high", "p": "p"}
    return {names[name]: value for name, value in difference.items()}
