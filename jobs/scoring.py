"""One held-out set under every metric: rows for Parquet, intervals for the summary, figures for the report."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from harken.keywords import KeywordMatcher
from harken.metrics import (
    Resampling,
    UtteranceAnalysis,
    UtteranceScore,
    ier_by_segmenter,
    keyword_recall_by_category,
    load_segmenters,
)
from harken.metrics.utterance import analyse_utterance
from harken.records import OK, Row
from harken.settings import PipelineSettings
from harken.stages import Stage

Figures = dict[str, dict[str, float | None]]
"""``{metric: {"value", "low", "high"}}``."""


@dataclass(frozen=True)
class Scores:
    """What every system made of one set; ``analyses[system]`` has one entry per utterance, in order."""

    utterances: Sequence[Row]
    hypotheses: Mapping[str, Sequence[str]]
    analyses: Mapping[str, Sequence[UtteranceAnalysis]]
    samples: int
    seed: int

    @property
    def systems(self) -> list[str]:
        """The systems compared; the first is what the others are held against."""
        return list(self.analyses)

    @cached_property
    def _scores(self) -> dict[str, list[UtteranceScore]]:
        return {system: [analysis.score() for analysis in found] for system, found in self.analyses.items()}

    @cached_property
    def _resampled(self) -> dict[str, Resampling]:
        return {system: Resampling.of(scores, self.samples, self.seed) for system, scores in self._scores.items()}

    @cached_property
    def intervals(self) -> dict[str, Figures]:
        """``{system: {metric: {"value", "low", "high"}}}``, 95% bootstrap over utterances."""
        return {system: _plain(resampled.intervals()) for system, resampled in self._resampled.items()}

    @cached_property
    def paired(self) -> dict[str, Figures]:
        """Differences to the first system over the same resampled utterances."""
        first, *others = self.systems
        return {system: self.difference(first, system) for system in others}

    def difference(self, before: str, after: str) -> Figures:
        """``after`` minus ``before`` in every metric: value, low, high and p, over the same resampled utterances."""
        return _plain(self._resampled[before].difference(self._resampled[after]))

    def differences(self, pairs: Mapping[str, str]) -> dict[str, Figures]:
        """``{this: difference}`` of every pair ``{this: than}``."""
        return {this: self.difference(than, this) for this, than in pairs.items()}

    def figures(self, system: str) -> dict[str, Any]:
        """All that is known of a system as plain values: metrics with intervals, IER by class, recall by category."""
        scores = self._scores[system]
        return {
            "metrics": self.intervals[system],
            "ier_by_segmenter": ier_by_segmenter(scores),
            "keyword_recall_by_category": keyword_recall_by_category(scores),
        }

    def recall_by_category(self) -> dict[str, tuple[int, dict[str, float | None]]]:
        """``{category: (mentions, {system: recall})}``."""
        by_system = {system: keyword_recall_by_category(scores) for system, scores in self._scores.items()}
        first = by_system[self.systems[0]]
        return {
            category: (figures["mentions"], {system: by_system[system][category]["recall"] for system in self.systems})
            for category, figures in first.items()
        }

    def rows(self) -> list[Row]:
        """One row per utterance with each system's hypothesis, CER, keyword hits and counts."""
        return [self.row(place) for place in range(len(self.utterances))]

    def row(self, place: int) -> Row:
        """The row of the utterance at a place of the set."""
        utterance = self.utterances[place]
        row: Row = {"id": utterance["id"], "reference": utterance["text"], "status": OK, "error": None}
        row |= {"speaker": utterance["speaker"], "duration": utterance["duration"]}
        for system in self.systems:
            analysis = self.analyses[system][place]
            row |= {
                f"{system}_hypothesis": self.hypotheses[system][place],
                f"{system}_cer": _rate(analysis),
                f"{system}_hits": [outcome.right for outcome in analysis.keywords.outcomes],
                f"{system}_counts": list(self._scores[system][place].to_row().items()),
            }
        return row


def evaluation_schema(systems: Sequence[str]) -> pa.Schema:
    """Of the rows of `Scores.rows` and the name of their set."""
    return pa.schema(
        [
            ("id", pa.string()),
            ("set", pa.string()),
            ("reference", pa.string()),
            ("speaker", pa.string()),
            ("duration", pa.float64()),
            *(
                (f"{system}_{field}", kind)
                for system in systems
                for field, kind in (
                    ("hypothesis", pa.string()),
                    ("cer", pa.float64()),
                    ("hits", pa.list_(pa.bool_())),
                    ("counts", pa.map_(pa.string(), pa.int64())),
                )
            ),
            ("status", pa.string()),
            ("error", pa.string()),
        ]
    )


def score_set(
    settings: PipelineSettings, matcher: KeywordMatcher, utterances: Sequence[Row], heard: Mapping[str, Stage]
) -> Scores:
    """Analyse what each system heard in a set; an utterance a system failed on counts as an empty hypothesis.

    Raises:
        HarkenError: a segmenter cannot be loaded.
    """
    segmenters = load_segmenters(settings.evaluate.segmenters, settings.evaluate.hanlp_model)
    hypotheses = {system: _hypotheses(stage, utterances) for system, stage in heard.items()}
    analyses = {
        system: [
            analyse_utterance(utterance["text"], hypothesis, matcher, segmenters)
            for utterance, hypothesis in zip(utterances, texts, strict=True)
        ]
        for system, texts in hypotheses.items()
    }
    return Scores(utterances, hypotheses, analyses, settings.evaluate.bootstrap_samples, settings.run.seed)


def _hypotheses(stage: Stage, utterances: Sequence[Row]) -> list[str]:
    heard = {row["id"]: row["hypothesis"] or "" for row in stage.rows(["id", "hypothesis"])}
    return [heard[utterance["id"]] for utterance in utterances]


def _rate(analysis: UtteranceAnalysis) -> float | None:
    units = sum(count.units for count in analysis.characters)
    return sum(count.errors for count in analysis.characters) / units if units else None


def _plain(intervals: Mapping[str, Any]) -> Figures:
    return {metric: dict(interval) for metric, interval in intervals.items()}
