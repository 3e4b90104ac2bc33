"""What a grid found, as one JSON-serialisable mapping: every figure that its tables, plots and files show."""

import json
from collections.abc import Mapping
from typing import Any

from harken.config import dump_yaml
from harken.forgetting import Forgetting
from harken.grid_settings import BASE
from harken.keywords import KeywordMatcher, load_keywords
from harken.provenance import provenance
from harken.records import OK
from harken.report.data import Utterance
from harken.report.grid_console import SWEPT
from harken.text import bare
from jobs.cells import GENERAL, Cell, Cells
from jobs.figures import evaluation
from jobs.plan import Plan
from jobs.scoring import Scores, score_set
from jobs.utterances import utterance, worst_places


def score_cells(cells: Cells, failures: Mapping[str, str]) -> dict[str, Scores]:
    """Score every cell that did not fail on every test set.

    Raises:
        HarkenError: a segmenter cannot be loaded, or a damaged part.
    """
    systems = [cell for cell in cells.cells if cell.name not in failures]
    if not systems:
        return {}
    scored = {}
    for name, speech in cells.tests.items():
        heard = {cell.name: cell.hypotheses(speech) for cell in systems}
        utterances = [row for row in speech.stage.rows() if row["status"] == OK]
        scored[name] = score_set(cells.base, _matcher(cells), utterances, heard)
    return scored


def measure(cells: Cells, failures: Mapping[str, str], scored: Mapping[str, Scores]) -> dict[str, Any]:
    """Everything that a grid shows in figures.

    Args:
        scored: what `score_cells` made of the cells.

    Returns:
        `jobs.figures.evaluation` of the rows, and: ``cells`` (per row what was trained, or why it failed),
        ``comparisons`` (pairs with differences), ``pairs`` (CER of any two rows on the first test set), ``sweeps`` (the
        points of every curve on every test set), ``forgot`` (what is to be said of rows that did not pass the gate on
        general speech, by row), ``config``, ``grid``, ``provenance`` and ``notes``.

    Raises:
        HarkenError: a damaged part.
    """
    said = {
        bare(row["text"])
        for name, speech in cells.tests.items()
        if name in scored
        for row in speech.stage.rows(["text"])
    }
    return {
        "config": str(cells.grid.config),
        **evaluation(scored, cells.base.evaluate.segmenters),
        "cells": [_cell(cell, failures.get(cell.name), said) for cell in cells.cells],
        "comparisons": _comparisons(cells, scored),
        "pairs": _pairs(scored),
        "sweeps": _sweeps(cells, scored),
        "forgot": _forgot(cells, scored),
        "notes": _notes(cells),
        "grid": dump_yaml(cells.grid),
        "pipeline": dump_yaml(cells.base),
        "provenance": provenance(),
    }


def worst(cells: Cells, scored: Mapping[str, Scores], system: str | None) -> list[Utterance]:
    """The utterances of the first test set that a system hears worst, beside what the first system heard."""
    scores = next(iter(scored.values()), None)
    if scores is None or system is None:
        return []
    systems = list(dict.fromkeys((scores.systems[0], system)))
    matcher = _matcher(cells)
    return [
        utterance(scores, place, systems, matcher, audible=True, worst=True)
        for place in worst_places(scores, system, cells.base.evaluate.worst_samples)
    ]


def _matcher(cells: Cells) -> KeywordMatcher:
    keywords = cells.base.keywords
    return KeywordMatcher(load_keywords(keywords.path, keywords.categories))


def _cell(cell: Cell, failure: str | None, said_in_tests: set[str]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": cell.name,
        "model": cell.model,
        "variant": cell.variant,
        "status": "failed" if failure else "ok",
        "error": failure,
        "training": None,
        "curve": [],
    }
    if cell.trained and not failure:
        record = cell.plan.finetune.record()
        kept = [_kept(run) for run in cell.plan.training]
        described["training"] = {
            "sets": {name: len(texts) for name, texts in zip(cell.train_on, kept, strict=True)},
            "spoken": sum(run.verdicts.record()["rows"] for run in cell.plan.training),
            "kept": sum(map(len, kept)),
            "said in tests": sum(bare(text) in said_in_tests for texts in kept for text in texts),
            "seconds": record["seconds"],
            "facts": record["facts"],
        }
        described["curve"] = _dev_curve(cell.plan)
    return described


def _kept(run: Plan) -> list[str]:
    """The texts that a run lends to training."""
    kept = {row["id"] for row in run.verdicts.rows(["id", "verdict"]) if row["verdict"] == "keep"}
    return [row["text"] for row in run.speech.stage.rows(["id", "text"]) if row["id"] in kept]


def _dev_curve(plan: Plan) -> list[dict[str, float]]:
    """CER on the rows that were held out of the training, by epoch; epoch 0 is the un-tuned model."""
    curve, facts = (
        json.loads((plan.finetune.directory / name).read_text(encoding="utf-8"))
        for name in ("curve.json", "facts.json")
    )
    # A training that stopped early made fewer steps than its epochs have.
    steps = facts.get("planned_steps", facts["steps"]) / plan.settings.finetune.epochs
    return [
        {"epoch": round(point["step"] / steps, 2), "cer": point["dev_cer"]}
        for point in curve
        if point.get("dev_cer") is not None
    ]


def _comparisons(cells: Cells, scored: Mapping[str, Scores]) -> list[dict[str, Any]]:
    pairs = [(BASE, variant) for variant in cells.grid.rows()]
    pairs += [pair for pair in cells.grid.comparisons if pair not in pairs]
    named = [
        (cells.named(model, first), cells.named(model, second)) for model in cells.models for first, second in pairs
    ]
    return [
        {"test": test, "than": than, "this": this, "metrics": scores.difference(than, this)}
        for than, this in named
        for test, scores in scored.items()
        if than in scores.systems and this in scores.systems
    ]


def _pairs(scored: Mapping[str, Scores]) -> dict[str, dict[str, Any]]:
    """``{than: {this: difference of CER}}`` on the first test set."""
    scores = next(iter(scored.values()), None)
    if scores is None:
        return {}
    return {
        than: {this: scores.difference(than, this)["cer"] for this in scores.systems if this != than}
        for than in scores.systems
    }


def _sweeps(cells: Cells, scored: Mapping[str, Scores]) -> list[dict[str, Any]]:
    return [
        {
            "sweep": point.sweep,
            "key": point.key,
            "variant": point.variant,
            "value": point.value,
            "row": point.cell.name,
            "test": test,
            **{metric: scores.intervals[point.cell.name][metric] for metric in SWEPT},
        }
        for test, scores in scored.items()
        for point in cells.points
        if point.cell.name in scores.systems
    ]


def _forgot(cells: Cells, scored: Mapping[str, Scores]) -> dict[str, str]:
    limit, general = cells.base.evaluate.forgetting_limit, scored.get(GENERAL)
    if limit is None or general is None:
        return {}
    cer = {name: metrics["cer"]["value"] for name, metrics in general.intervals.items()}
    forgot = {}
    for cell in cells.cells:
        before, after = (cer.get(name) for name in (cells.named(cell.model, BASE), cell.name))
        if cell.trained and before is not None and after is not None:
            gate = Forgetting(before, after, limit)
            if gate.failed:
                forgot[cell.name] = str(gate)
    return forgot


def _notes(cells: Cells) -> list[str]:
    segmenters = cells.base.evaluate.segmenters
    notes = [f"IER is the mean over the segmenters: {', '.join(segmenters)} (the paper used jieba and HanLP)."]
    if any(path == "models/nano" for path in cells.models.values()):
        notes.append("The embedded nano-Whisper understands synthetic speech only: read trends, not absolute rates.")
    notes.append("Each row is one fine-tuning with one seed: the intervals are over test utterances, not over seeds.")
    return notes
