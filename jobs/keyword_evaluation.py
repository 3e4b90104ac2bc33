"""Measures spotters on prepared sets: every utterance with every term, keywords as they would be stored."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from compression.embeddings import padded_bytes_per_keyword
from compression.scoring import score_pairs
from compression.spotter import Spotter
from compression.storage import load_spotter
from compression.training import Epoch
from harken.errors import HarkenError
from harken.metrics.spotting import Judgements, precision_recall, rates_by, spotting_rates, worst_mistakes
from harken.spotter_settings import Precision, Variant
from harken.spotting_settings import SpottingSettings
from harken.text import is_han
from jobs.keyword_data import SetData, judged_pairs
from jobs.progress import note

# Terms of letters are grouped by these lengths.
_LETTERS = (4, 6, 8, 11)
# False alarms and misses that are shown, of each as many.
MISTAKES = 12


@dataclass(frozen=True)
class TrainedSpotter:
    """The folder of a spotter and, by seed, how its trainings went."""

    folder: Path
    histories: Mapping[int, list[Epoch]] = field(default_factory=dict)


def evaluate(
    run: SpottingSettings, spotters: Mapping[Variant, TrainedSpotter], tests: Mapping[str, SetData]
) -> dict[str, Any]:
    """What ``evaluation.json`` holds (`harken.report.spotting`), less the configuration and its provenance.

    Raises:
        HarkenError: a spotter without a threshold, or a set in which no term is said.
    """
    judged = {name: judged_pairs(name, data, run.run.seed) for name, data in tests.items()}
    found: dict[str, Any] = {"title": f"Keyword spotting with {run.model}", "notes": [], "sets": {}, "variants": {}}
    for name, (pairs, terms) in judged.items():
        found["sets"][name] = {
            "utterances": len({pair.utterance for pair in pairs}),
            "terms": len(set(terms)),
            "pairs": len(pairs),
            "said": sum(pair.said for pair in pairs),
        }
    for variant, trained in spotters.items():
        spotter = load_spotter(trained.folder, "cuda" if torch.cuda.is_available() else "cpu")
        found["variants"][variant] = _variant(run, variant, spotter, trained, tests, judged)
    return found


def _variant(
    run: SpottingSettings,
    variant: Variant,
    spotter: Spotter,
    trained: TrainedSpotter,
    tests: Mapping[str, SetData],
    judged: Mapping[str, Any],
) -> dict[str, Any]:
    threshold = spotter.threshold
    if threshold is None:
        raise HarkenError("spotter", str(trained.folder), "It has no threshold: train it with validation pairs.")
    precision: Precision = run.precision.get(variant, "float32")
    trained_layers, spotter = spotter.settings.layers, spotter.narrowed()
    sets, seconds, scored, stored = {}, 0.0, 0, []
    for name, data in tests.items():
        pairs, terms = judged[name]
        scores = score_pairs(spotter, data.frames(spotter.settings.layers), pairs, precision)
        seconds, scored = seconds + scores.scoring_seconds, scored + len(pairs)
        stored.append(scores.bytes_per_keyword)
        sets[name] = _judged(run, threshold, scores.logits, pairs, terms, data)
        f1 = sets[name]["rates"]["f1"]
        note(f"{variant} on {name}: F1 {f1['value']:.3f} [{f1['low']:.3f}, {f1['high']:.3f}]")
    layers = spotter.selected_layers()
    return {
        "layers": list(layers),
        "bytes_per_keyword": float(np.mean(stored)),
        "padded_bytes_per_keyword": padded_bytes_per_keyword(spotter.settings, len(layers)),
        "pairs_per_second": scored / seconds,
        "sets": sets,
        "training": {
            str(seed): {"layers": list(trained_layers), "epochs": [asdict(epoch) for epoch in epochs]}
            for seed, epochs in trained.histories.items()
        },
    }


def _judged(
    run: SpottingSettings, threshold: float, logits: Any, pairs: Any, terms: list[str], data: SetData
) -> dict[str, Any]:
    labels = np.array([pair.said for pair in pairs])
    keywords = np.unique(terms, return_inverse=True)[1].astype(np.int64)
    utterances = np.unique([pair.utterance for pair in pairs], return_inverse=True)[1].astype(np.int64)
    judgements = Judgements(logits, labels, keywords, utterances)
    samples, seed = run.bootstrap_samples, run.run.seed
    groups = {
        "length": np.array([length_group(term) for term in terms]),
        "language": np.array([data.terms[term].language for term in terms]),
    }
    curve = precision_recall(logits, labels).thinned()
    mistakes = zip(("false_alarms", "misses"), worst_mistakes(judgements, threshold, MISTAKES), strict=True)
    return {
        "rates": spotting_rates(judgements, threshold, samples=samples, seed=seed),
        "curve": {"precision": curve.precision.tolist(), "recall": curve.recall.tolist()},
        "groups": {key: rates_by(judgements, group, threshold, samples, seed) for key, group in groups.items()},
    } | {
        kind: [
            {"term": terms[place], "text": data.texts[pairs[place].utterance], "score": float(logits[place])}
            for place in places
        ]
        for kind, places in mistakes
    }


def length_group(term: str) -> str:
    """Terms of one script and about one length."""
    if is_han(term[0]):
        return f"{len(term)} characters"
    letters = sum(map(str.isalpha, term))
    least = max((bound for bound in _LETTERS if bound <= letters), default=0)
    following = next((bound for bound in _LETTERS if bound > letters), None)
    return f"{least}-{following - 1} letters" if following else f"{least}+ letters"
