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

The difference is to the first system of the set.
"""


def evaluation(scored: Mapping[str, Scores], segmenters: Iterable[str]) -> dict[str, Any]:
    """``{"segmenters", "sets": {set: {"utterances", "systems": {system: figures}, "differences": {system: ...}}}}``."""
    return {
        "segmenters": list(segmenters),
        "sets": {
            name: {
                "utterances": len(scores.utterances),
                "systems": {system: scores.figures(system) for system in scores.systems},
                "differences": scores.paired,
            }
            for name, scores in scored.items()
        },
    }


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
