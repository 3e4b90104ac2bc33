"""The metrics of the evaluation: error rates, IER, keyword recall, and their bootstrap intervals."""

from harken.metrics.bootstrap import Difference, Interval, Resampling, bootstrap, paired_bootstrap
from harken.metrics.corpus import (
    METRICS,
    aggregate,
    ier_by_segmenter,
    keyword_recall_by_category,
    mean_over_utterances,
)
from harken.metrics.error_rates import character_error_rate
from harken.metrics.explanation import explain
from harken.metrics.segmentation import Segmenter, load_segmenters
from harken.metrics.utterance import UtteranceAnalysis, UtteranceScore, analyse_utterance, score_utterance

__all__ = [
    "METRICS",
    "Difference",
    "Interval",
    "Resampling",
    "Segmenter",
    "UtteranceAnalysis",
    "UtteranceScore",
    "aggregate",
    "analyse_utterance",
    "bootstrap",
    "character_error_rate",
    "explain",
    "ier_by_segmenter",
    "keyword_recall_by_category",
    "load_segmenters",
    "mean_over_utterances",
    "paired_bootstrap",
    "score_utterance",
]
