"""Fits the weights of the guards (`harken.biasing.settings`): ``python -m benchmarks.biasing.fit``.

Seed notes, sentences without terms, English and speech that runs backwards, none of which the benchmark measures, in
voices of which it measures none either, are searched in the glossaries. First what makes a span the best one for its
detection: those with the fewest errors, of detections that any span is right for. Then the evidence, of each
detection's best fitting span: it is right if the text has fewer errors with the term, or as many and the term was
said. The threshold is the one with the fewest errors, each term that was not said counted as one more.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from scipy.optimize import minimize
from scipy.special import expit

from actors.pronunciation import Pronouncer, load_pronunciations
from benchmarks.biasing.__main__ import add_arguments
from benchmarks.biasing.glossaries import nested_glossaries
from benchmarks.biasing.path import ServedPath
from benchmarks.biasing.searched import FIT_FOREIGN
from benchmarks.biasing.systems import inserted, transcript
from benchmarks.biasing.utterances import FIT_VOICES, Spoken, backwards, foreign, read_rows, speak
from benchmarks.results import say
from harken.biasing.editing import splice
from harken.biasing.guards import BOUNDARY, EVIDENCE, Assessed, assess, measured
from harken.biasing.proposals import Proposals
from harken.biasing.settings import MECHANISMS, BiasingSettings, BoundarySettings, EvidenceSettings
from harken.config import load_config
from harken.errors import HarkenError
from harken.keywords import KeywordMatcher, load_keywords
from harken.metrics.error_rates import mixed_errors
from harken.text import bare, normalise
from serve.graph_settings import GraphSettings

# Which way each may count; the constant may be anything.
_SIGNS = {"distance": -1, "gain": 1, "probability": 1, "beside": -1}
_PENALTY = 1e-3
_EVERY: Any = dict.fromkeys(MECHANISMS, True)
_THRESHOLDS = np.arange(-2.0, 3.01, 0.25)


@dataclass(frozen=True)
class Example:
    """An utterance of one window: what is said, and what the mechanisms propose."""

    reference: str
    window: Proposals

    def errors(self, text: str) -> int:
        return mixed_errors(normalise(self.reference), normalise(text)).errors

    def errors_with(self, one: Assessed) -> int:
        heard, candidate = self.window.heard, one.candidate
        start, end = heard.units[candidate.first].character_start, heard.units[candidate.last - 1].character_end
        return self.errors(splice(heard.text, start, end, one.written)[0])

    def is_right(self, one: Assessed) -> bool:
        """Whether the text is better for it."""
        before, after = self.errors(self.window.heard.text), self.errors_with(one)
        return after < before or (after == before and bare(one.written) in bare(self.reference))

    def by_detection(self) -> list[list[Assessed]]:
        """The spans of each detection."""
        spans: dict[int, list[Assessed]] = {}
        for one in self.window.assessed:
            spans.setdefault(one.candidate.detection, []).append(one)
        return list(spans.values())

    def values(self, one: Assessed) -> dict[str, float]:
        return measured(one.candidate, self.window.detections[one.candidate.detection], one.gain)


def spoken(options: argparse.Namespace, matcher: KeywordMatcher) -> list[Spoken]:
    """What is fitted on."""
    notes = speak(
        read_rows(options.seeds, 0, options.utterances),
        FIT_VOICES,
        Pronouncer(load_pronunciations(options.pronunciations)),
    )
    some = max(1, options.utterances // 3)
    general = [row for row in read_rows(options.train) if not matcher.find(row["text"])][:some]
    return [*notes, *speak(general, FIT_VOICES), *foreign(0, min(some, FIT_FOREIGN)), *backwards(notes[: some // 3])]


def examples(options: argparse.Namespace) -> list[Example]:
    """Of every glossary."""
    matcher = KeywordMatcher(load_keywords(options.keywords))
    # All that might pass is proposed, and judged here.
    settings = BiasingSettings(
        terms=10, least_probability=0.0, least_overlap=0.0, most_distance=1.0, least_gain=-100.0, **_EVERY
    )
    service = load_config(options.config, options.overrides, GraphSettings)
    path = ServedPath(service, settings)
    listened = [one for one in path.listen(spoken(options, matcher)) if len(one.windows) == 1]
    say(f"{len(listened)} utterances")
    unbiased, found = path.propose(listened), []
    nested = nested_glossaries(service, options)
    for size in (int(size) for size in options.sizes.split(",")):
        say(f"{size:,} terms")
        detections = path.search(path.cascade(nested.store(size)), listened)
        proposals = path.propose(listened, detections, unbiased)
        found += [Example(one.spoken.text, *windows) for one, windows in zip(listened, proposals, strict=True)]
    return found


def fit_boundary(found: Sequence[Example]) -> BoundarySettings:
    """What makes a span the best one for its detection."""
    rows, labels = [], []
    for example in found:
        for spans in example.by_detection():
            if any(example.is_right(one) for one in spans):
                counts = [example.errors_with(one) for one in spans]
                labels += [count == min(counts) for count in counts]
                rows += [example.values(one) for one in spans]
    return BoundarySettings(**_logistic(rows, labels, BOUNDARY)[0])


def fit_evidence(found: Sequence[Example], boundary: BoundarySettings) -> EvidenceSettings:
    """What makes a detection's best span right."""
    rows, labels = [], []
    for example in found:
        for spans in example.by_detection():
            values = [example.values(one) for one in spans]
            fits = [sum(getattr(boundary, name) * value[name] for name in BOUNDARY) for value in values]
            best = int(np.argmax(fits))
            rows.append(values[best])
            labels.append(example.is_right(spans[best]))
    weights, constant = _logistic(rows, labels, EVIDENCE)
    return EvidenceSettings(constant=constant, **weights)


def _logistic(
    rows: Sequence[Mapping[str, float]], labels: Sequence[bool], names: Sequence[str]
) -> tuple[dict[str, float], float]:
    """Weights, of the signs they must have, and constant of a logistic regression.

    Raises:
        HarkenError: no right one, or no wrong one.
    """
    right = np.array(labels, dtype=bool)
    say(f"{len(right)} spans, {right.sum()} of them right")
    if right.all() or not right.any():
        raise HarkenError("spans that are right", int(right.sum()), f"Of {len(right)} some must be: take more.")
    weights, constant = _solved(np.array([[row[name] for name in names] for row in rows]), right, names)
    return {name: round(weight, 2) for name, weight in zip(names, weights.tolist(), strict=True)}, round(constant, 2)


def _solved(
    values: NDArray[np.float64], right: NDArray[np.bool_], names: Sequence[str]
) -> tuple[NDArray[np.float64], float]:
    means, scales = values.mean(axis=0), values.std(axis=0).clip(min=1e-6)
    standard, signs = (values - means) / scales, np.where(right, 1.0, -1.0)

    def loss(parameters: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        logits = signs * (standard @ parameters[:-1] + parameters[-1])
        slopes = -signs * expit(-logits) / len(signs)
        gradient = np.append(standard.T @ slopes + 2 * _PENALTY * parameters[:-1], slopes.sum())
        return float(np.logaddexp(0, -logits).mean() + _PENALTY * parameters[:-1] @ parameters[:-1]), gradient

    bounds = [(0.0, None) if sign > 0 else (None, 0.0) for sign in map(_SIGNS.get, names)] + [(None, None)]
    solved = minimize(loss, np.zeros(len(names) + 1), jac=True, method="L-BFGS-B", bounds=bounds).x
    weights = solved[:-1] / scales
    return weights, float(solved[-1] - weights @ means)


def judged(window: Proposals, settings: BiasingSettings) -> Proposals:
    """The same proposals under other settings."""
    assessed = [
        assess(one.candidate, window.detections[one.candidate.detection], {one.written: one.gain}, settings)
        for one in window.assessed
    ]
    return replace(window, assessed=assessed)


def errors(found: Sequence[Example], settings: BiasingSettings) -> dict[str, int]:
    """Errors of all texts, terms that were written, and those of them that nobody said."""
    counts = {"errors": 0, "written": 0, "not said": 0}
    for example in found:
        made = transcript([judged(example.window, settings)], MECHANISMS)
        counts["errors"] += example.errors(made.text)
        counts["written"] += sum(decision.accepted for decision in made.decisions)
        counts["not said"] += len(inserted(example.reference, made))
    return counts


def threshold(found: Sequence[Example], fitted: Mapping[str, Any]) -> tuple[float, dict[float, dict[str, int]]]:
    """The best one, and what each does; `fitted`: the settings that are there."""
    by_threshold = {
        float(least): errors(found, BiasingSettings(**fitted, least_evidence=float(least))) for least in _THRESHOLDS
    }

    def cost(least: float) -> tuple[int, float]:
        return by_threshold[least]["errors"] + by_threshold[least]["not said"], -least

    return min(by_threshold, key=cost), by_threshold


def table(by_threshold: dict[float, dict[str, int]], best: float) -> Table:
    """What each threshold does."""
    shown = Table("least evidence", "errors", "terms written", "not said", title="On what was fitted")
    for least, counts in by_threshold.items():
        shown.add_row(f"{least:+.2f}{' *' if least == best else ''}", *(str(count) for count in counts.values()))
    return shown


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--seeds", type=Path, default=Path("examples/luxury/seeds.jsonl"))
    arguments.add_argument("--train", type=Path, default=Path("examples/general/train.jsonl"))
    arguments.add_argument("--utterances", type=int, default=120, help="notes with terms")
    arguments.add_argument("--sizes", default="1000,10000", help="of the glossaries, by commas")
    add_arguments(arguments)
    return arguments


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, and print the settings as JSON in the last line."""
    try:
        found = examples(parser().parse_args(arguments))
        boundary = fit_boundary(found)
        fitted: dict[str, Any] = {
            "evidence": fit_evidence(found, boundary).model_dump(),
            "boundary": boundary.model_dump(),
        }
    except HarkenError as error:
        say(f"error: {error}")
        return 2
    best, by_threshold = threshold(found, fitted)
    Console(highlight=False, stderr=True).print(table(by_threshold, best))
    print(json.dumps(fitted | {"least_evidence": best}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
