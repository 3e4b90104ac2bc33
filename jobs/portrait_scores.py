"""The portraits of all systems in one table, and how right their labels are."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from actors.portraitist import PORTRAIT_SCHEMA
from harken.config import dump_yaml
from harken.errors import HarkenError
from harken.metrics.labels import count_labels, label_rates, paired_label_rates
from harken.portraits.known import known_labels
from harken.portraits.mentions import SPELLING, scored_labels
from harken.portraits.vocabulary import Vocabulary
from harken.records import OK, Row, read_manifest, write_parquet
from harken.settings import PipelineSettings, TranscriptSettings
from jobs.plan import Plan

REFERENCE = "reference"
TRANSCRIPTS = "transcripts"
"""The one system of `score_transcripts`."""
TABLE_SCHEMA = PORTRAIT_SCHEMA.insert(1, pa.field("system", pa.string()))


def write_portraits(plan: Plan) -> dict[str, Any]:
    """Join the systems' portraits into one table and score them; returns the stage's record.

    The record holds ``rates`` and ``paired`` as a summary does, ``support`` (labels of the references by category),
    and ``spelled``: the rates without what was found by sound, where that was looked for.

    A row of the domain set may state the labels that it holds, as ``portrait`` and ``refused``: ``{category:
    [label]}``; of other rows they are those found in the text that was said.

    Raises:
        HarkenError: a stated label is not known.
    """
    assert plan.portraits is not None
    started = time.monotonic()
    plan.portraits.begin(dump_yaml(plan.settings))
    rows = {system: list(plan.portraits_of(system).rows()) for system in (REFERENCE, *plan.systems)}
    table = [row | {"system": system} for system, found in rows.items() for row in found]
    write_parquet(plan.portraits.part(0), table, TABLE_SCHEMA)
    # What could not be spoken was heard by nobody.
    said = [row for row in rows.pop(REFERENCE) if row["status"] == OK]
    stated = _stated(plan.settings, plan.settings.evaluate.domain)
    figures = _figures(plan.settings, stated, said, rows, plan.settings.evaluate.bootstrap_samples)
    return plan.portraits.finish(time.monotonic() - started, figures)


def score_transcripts(
    settings: TranscriptSettings, rows: Sequence[Row], references: Path, said: Sequence[Row]
) -> dict[str, Any]:
    """How right the portraits ``rows`` are where there is a reference: figures as `write_portraits` gives them.

    Args:
        references: a manifest of what was said, each row with an id of ``rows``; it may state labels as the domain
            set of a run may.
        said: the portraits of its texts.

    Raises:
        HarkenError: a stated label is not known.
    """
    return _figures(settings, _stated(settings, references), said, {TRANSCRIPTS: rows})


def _figures(
    settings: PipelineSettings | TranscriptSettings,
    stated: Mapping[str, Mapping[str, set[tuple[str, bool]]]],
    said: Sequence[Row],
    rows: Mapping[str, Sequence[Row]],
    samples: int = 1000,
) -> dict[str, Any]:
    """The figures of every system in ``rows``, the first of which the others are held against."""
    references = [stated.get(row["id"]) or scored_labels(row["mentions"]) for row in said]
    by_id = {system: {row["id"]: row["mentions"] for row in found} for system, found in rows.items()}
    mentions = {system: [found[row["id"]] for row in said] for system, found in by_id.items()}
    counts = count_labels(references, {name: [scored_labels(m) for m in found] for name, found in mentions.items()})
    options = {"samples": samples, "seed": settings.run.seed}
    first, *others = rows
    figures: dict[str, Any] = {
        "rates": {system: label_rates(found, **options) for system, found in counts.items()},
        "paired": {system: paired_label_rates(counts[first], counts[system], **options) for system in others},
        "support": counts[first].support,
        "utterances": len(said),
    }
    if settings.portraits and settings.portraits.extractor == "list" and settings.portraits.sound_distance is not None:
        spelled = {
            system: [scored_labels(m for m in one if m["found_by"] == SPELLING) for one in found]
            for system, found in mentions.items()
        }
        figures["spelled"] = {
            system: label_rates(found, **options) for system, found in count_labels(references, spelled).items()
        }
    return figures


def _stated(settings: PipelineSettings | TranscriptSettings, path: Path) -> dict[str, dict[str, set[tuple[str, bool]]]]:
    """The labels that rows of a manifest state themselves, by the row's id."""
    annotated = [row for row in read_manifest(path) if "portrait" in row or "refused" in row]
    if not annotated:
        return {}
    assert settings.portraits is not None
    vocabulary, _ = known_labels(settings.keywords, settings.portraits)
    return {row["id"]: _read(row, vocabulary, f"{path}, row {row['id']}") for row in annotated}


def _read(row: Row, vocabulary: Vocabulary, place: str) -> dict[str, set[tuple[str, bool]]]:
    labels: dict[str, set[tuple[str, bool]]] = {}
    for field, refused in (("portrait", False), ("refused", True)):
        stated = row.get(field) or {}
        if not isinstance(stated, dict):
            raise HarkenError(f"{place}, {field}", stated, 'Write {"CATEGORY": ["label"]}.')
        for category, names in stated.items():
            for name in [names] if isinstance(names, str) else names:
                label = vocabulary.label(name)
                if label is None or label.category != category:
                    remedy = f"It is no known label of {category}: add it to the label list or correct it."
                    raise HarkenError(f"{place}, {field}", name, remedy)
                labels.setdefault(category, set()).add((label.name, refused))
    return labels
