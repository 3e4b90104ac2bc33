"""What transcripts of the unbiased text, of each mechanism and of all of them are worth, side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from harken.biasing.merge import merge
from harken.biasing.proposals import Proposals
from harken.biasing.settings import MECHANISMS, BiasingSettings
from harken.biasing.transcript import BiasedTranscript, join_transcripts
from harken.keywords import KeywordMatcher
from harken.metrics.bootstrap import bootstrap, paired_bootstrap
from harken.metrics.utterance import UtteranceScore, score_utterance
from harken.text import bare

ALL, DEFAULT, UNBIASED = "all", "default", "unbiased"
METRICS = ("keyword_recall", "mer", "cer")


def systems(settings: BiasingSettings) -> dict[str, tuple[str, ...]]:
    """The mechanisms of each system but the unbiased one; the default's are those that are on."""
    return {name: (name,) for name in MECHANISMS} | {ALL: MECHANISMS, DEFAULT: settings.mechanisms}


def transcript(windows: Sequence[Proposals], mechanisms: Sequence[str]) -> BiasedTranscript:
    """The text of an utterance from all of its windows, if only these mechanisms had been on."""
    return join_transcripts([merge(window, mechanisms) for window in windows], [0.0] * len(windows))


def score(references: Sequence[str], texts: Sequence[str], matcher: KeywordMatcher) -> list[UtteranceScore]:
    """Scores of transcripts."""
    return [score_utterance(*pair, matcher, ()) for pair in zip(references, texts, strict=True)]


def inserted(reference: str, found: BiasedTranscript) -> list[str]:
    """Terms that were written into a text although nobody said them."""
    said = bare(reference)
    return [one.written for one in found.decisions if one.accepted and bare(one.written) not in said]


def compare(
    references: Sequence[str],
    utterances: Sequence[Sequence[Proposals]],
    matcher: KeywordMatcher,
    settings: BiasingSettings,
) -> dict[str, dict[str, Any]]:
    """By system its metrics with intervals, and how recall and MER differ from the unbiased text's."""
    unbiased = score(references, [transcript(windows, ()).text for windows in utterances], matcher)
    found: dict[str, dict[str, Any]] = {UNBIASED: _figures(unbiased, unbiased)}
    for name, mechanisms in systems(settings).items():
        made = [transcript(windows, mechanisms) for windows in utterances]
        accepted = sum(decision.accepted for one in made for decision in one.decisions)
        wrong = [term for reference, one in zip(references, made, strict=True) for term in inserted(reference, one)]
        scores = score(references, [one.text for one in made], matcher)
        found[name] = _figures(unbiased, scores) | {"accepted": accepted, "inserted": len(wrong)}
    for name in ("prompt", "boost"):
        texts = ["".join(window.biased.get(name, window.heard.text) for window in windows) for windows in utterances]
        found[f"{name}, without guards"] = _figures(unbiased, score(references, texts, matcher))
    return found


def _figures(unbiased: Sequence[UtteranceScore], scores: Sequence[UtteranceScore]) -> dict[str, Any]:
    metrics, differences = bootstrap(scores), paired_bootstrap(unbiased, scores)
    found: dict[str, Any] = {metric: metrics[metric] for metric in METRICS}
    found |= {f"{metric}_difference": differences[metric] for metric in METRICS}
    return found


def difference(found: Mapping[str, Any]) -> str:
    """``-0.012 (-0.020 to -0.003)``."""
    if found["value"] is None:
        return "–"
    return f"{found['value']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"


def interval(found: Mapping[str, Any]) -> str:
    """``0.512 [0.455, 0.570]``."""
    if found["value"] is None:
        return "–"
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"
