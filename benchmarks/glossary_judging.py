"""What a search of a glossary finds in utterances, and what it should have."""

import math
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.glossary_speech import ESPEAK, SAYING, Heard
from compression.calibration import Calibration, recall_threshold
from compression.cascade.merging import merge
from compression.cascade.search import Cascade
from compression.glossary.entry import Entry
from harken.cascade_settings import CascadeSettings
from harken.detection import Detection
from harken.metrics.proportion import clopper_pearson

RECALLS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1)
"""Shares of the said terms that must be found where false alarms are counted."""
RECALL = RECALLS[0]
STAGES = ("span", "path")
_LEAST_UTTERANCES = 3


@dataclass(frozen=True)
class Identities:
    """Which entries a spelling stands for, and how each may sound."""

    entries: Mapping[str, frozenset[int]]
    phonemes: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Identities":
        """Of the spoken entries; whatever else is in a glossary has no phonemes."""
        owners: dict[str, set[int]] = defaultdict(set)
        sounds: dict[str, list[str]] = defaultdict(list)
        for entry in entries:
            for spelling in entry.spellings:
                owners[spelling.text].add(entry.id)
                sounds[spelling.text].append(entry.phonemes)
        frozen = {text: frozenset(found) for text, found in owners.items()}
        return cls(frozen, {text: tuple(filter(None, found)) for text, found in sounds.items()})


@dataclass
class Judged:
    """What was found in utterances of one kind.

    Attributes:
        seconds: of audio.
        terms: said ones, in the order in which `found` has their best probability (0: not found at all).
        kept: by stage, whether its shortlist had each of them.
        false: probabilities of detections that nobody said; of what sounds like part of what was said there are none.
        confused: for each said term, whether one of those it is taken for was found beside it.
        searches: seconds of each search.
    """

    seconds: float = 0.0
    terms: list[str] = field(default_factory=list)
    found: list[float] = field(default_factory=list)
    kept: dict[str, list[bool]] = field(default_factory=lambda: {stage: [] for stage in STAGES})
    false: list[float] = field(default_factory=list)
    confused: list[bool] = field(default_factory=list)
    searches: list[float] = field(default_factory=list)

    def recall(self, probability: float) -> dict[str, float | None]:
        """Of said terms those found from a probability on, with exact bounds."""
        return dict(clopper_pearson(sum(best >= max(probability, 1e-12) for best in self.found), len(self.found)))

    def shortlisted(self, stage: str) -> dict[str, float | None]:
        """Of said terms those that a stage let through."""
        return dict(clopper_pearson(sum(self.kept[stage]), len(self.terms)))

    def threshold(self, recall: float = RECALL) -> float | None:
        """The probability from which this share of the said terms is found; None where so many never are."""
        if not self.found:
            return None
        reached = recall_threshold(self.found, recall)
        return reached if reached > 0 else None

    def false_per_minute(self, probability: float | None) -> float | None:
        """False alarms from a probability on."""
        if probability is None or not self.seconds:
            return None
        return sum(one >= probability for one in self.false) / self.seconds * 60


class Judge:
    """Searches utterances and holds what was found against what was said.

    Args:
        confusable: of a said term the terms it is taken for.
    """

    def __init__(
        self, identities: Identities, confusable: Mapping[str, Sequence[str]], calibration: Calibration
    ) -> None:
        self.identities, self.confusable, self.calibration = identities, confusable, calibration

    def judge(
        self,
        cascade: Cascade,
        utterances: Sequence[Heard],
        shortlists: bool = True,
        most_seconds: float = math.inf,
    ) -> dict[str, Judged]:
        """What was found, by kind of utterance.

        Args:
            shortlists: tell what the first stage lets through; without a first stage that is all.
            most_seconds: after which no further utterance is begun, three at least.
        """
        began = time.perf_counter()
        found: dict[str, Judged] = {}
        everything = cascade.settings.model_copy(update={"probability": 0.0, "detections": None})
        for place, heard in enumerate(utterances):
            if place >= _LEAST_UTTERANCES and time.perf_counter() - began > most_seconds:
                break
            self._add(found.setdefault(heard.kind, Judged()), cascade, heard, everything, shortlists)
        return found

    def _add(self, judged: Judged, cascade: Cascade, heard: Heard, settings: CascadeSettings, shortlists: bool) -> None:
        began = time.perf_counter()
        result = cascade.search(heard.utterance)
        judged.searches.append(time.perf_counter() - began)
        detections = merge([result], self.calibration, settings)
        judged.seconds += heard.utterance.seconds
        said = set(heard.said.terms)
        judged.false += [one.probability for one in detections if not self._is_said(one, said, heard.said.phonemes)]
        if not said:
            return
        first = set(cascade.shortlist(heard.utterance).tolist()) if shortlists else None
        second = {hit.entry_id for hit in result.hits}
        best: dict[str, float] = {}
        for detection in detections:
            for text in detection.spellings:
                best[text] = max(best.get(text, 0.0), detection.probability)
        for term in heard.said.terms:
            owners = self.identities.entries.get(term, frozenset())
            judged.terms.append(term)
            judged.found.append(best.get(term, 0.0))
            judged.kept["span"].append(first is None or bool(owners & first))
            judged.kept["path"].append(bool(owners & second))
            taken = (best.get(other, 0.0) for other in self.confusable.get(term, ()) if other not in said)
            judged.confused.append(max(taken, default=0.0) >= cascade.settings.probability)

    def _is_said(self, detection: Detection, said: set[str], phonemes: Sequence[str]) -> bool:
        """Whether a detection is a said term, or sounds like a part of what was said."""
        if said.intersection(detection.spellings):
            return True
        spoken = f" {' '.join(phonemes)} "
        return any(
            f" {sound} " in spoken for text in detection.spellings for sound in self.identities.phonemes.get(text, ())
        )


def summary(judged: Mapping[str, Judged], probability: float) -> dict[str, Any]:
    """The figures of each kind; false alarms where nothing is said are those at the thresholds of `ESPEAK`."""
    figures: dict[str, Any] = {}
    for kind, found in judged.items():
        telling = found if kind in SAYING else judged.get(ESPEAK, Judged())
        own = telling.threshold()
        figures[kind] = {
            "minutes": found.seconds / 60,
            "false_per_minute": found.false_per_minute(probability),
            "false_per_minute_at_recall": found.false_per_minute(own),
            "false_per_minute_by_recall": {
                str(recall): found.false_per_minute(telling.threshold(recall)) for recall in RECALLS
            },
        }
        if kind in SAYING:
            figures[kind] |= {
                "said": len(found.terms),
                "recall": {stage: found.shortlisted(stage) for stage in STAGES}
                | {"end": found.recall(probability), "any": found.recall(0.0)},
                "threshold": own,
            }
    return figures


def stress(judged: Judged, groups: Mapping[str, Sequence[str]], probability: float) -> dict[str, Any]:
    """By what makes terms hard: how often they are found, and something taken for them beside or instead."""
    figures = {}
    for name, terms in groups.items():
        rows = np.flatnonzero(np.isin(judged.terms, list(terms)))
        found = sum(judged.found[row] >= probability for row in rows)
        confused = sum(judged.confused[row] for row in rows)
        figures[name] = {
            "said": len(rows),
            "recall": dict(clopper_pearson(int(found), len(rows))),
            "confused": dict(clopper_pearson(int(confused), len(rows))),
        }
    return figures
