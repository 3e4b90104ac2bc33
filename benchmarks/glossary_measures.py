"""The measurements behind `benchmarks.glossary`: each leaves a record in the work folder and is not made twice."""

import json
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from benchmarks.glossary_judging import Identities, Judge, stress, summary
from benchmarks.glossary_speech import ESPEAK, LONG, SAYING, Heard
from benchmarks.glossary_stores import Stores
from benchmarks.results import say
from compression.cascade.search import Cascade
from compression.frames import Frames
from compression.glossary.glossary import open_glossary
from compression.glossary.rows import pack_entries
from compression.glossary.store import GlossaryStore
from compression.search_model import SearchModel
from compression.spotter import Spotter
from compression.storage import load_spotter
from harken.digests import file_digest
from harken.provenance import git_revision
from harken.records import fingerprint, write_json
from harken.spotter_settings import SpotterSettings, paper_spotter
from jobs.glossary_preparation import description

_OPENINGS, _WARM_UPS, _ROUNDS = 5, 3, 3
_PAPER_PAIRS, _PAPER_KEYWORDS = 16, 4
# Of a term and of an utterance, as far as the paper's verifier is concerned.
_PAPER_UTTERANCE_SECONDS = 10.0


@dataclass(frozen=True)
class Bench:
    """What is measured with: the stores, the utterances, and how long an exhaustive search may take for each size."""

    stores: Stores
    heard: Sequence[Heard]
    exhaustive_seconds: float

    def size(self, size: int) -> dict[str, Any]:
        """All figures of one size."""
        run = self.stores.run
        models = [file_digest(path) for path in sorted(run.search_folder.glob("search.*"))]
        utterances = [(one.kind, one.said.text, len(one.utterance)) for one in self.heard]
        content = (self.stores.store(size).name, models, utterances, run.cascade.model_dump(), self.exhaustive_seconds)
        return self._once(f"size-{size}-{fingerprint(2, *content)[:8]}", lambda: self._measure(size))

    def paper(self) -> dict[str, Any]:
        """What the second paper's classifier takes for a pair."""
        return self._once("paper", measure_paper)

    def _once(self, name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        path = self.stores.run.run.output / "records" / f"{name}.json"
        if path.exists():
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return record
        record = measure() | {"git_revision": git_revision()}
        write_json(path, record)
        return record

    def _measure(self, size: int) -> dict[str, Any]:
        run, folder = self.stores.run, self.stores.store(size)
        models = description(run).models
        spotter = load_spotter(run.spotter)
        search_model = SearchModel.load(run.search_folder, spotter)
        began = time.perf_counter()
        for _ in range(_OPENINGS):
            glossary = open_glossary(folder, models)
        opening = (time.perf_counter() - began) / _OPENINGS
        cascade = Cascade(spotter, search_model, glossary, run.cascade, glossary.threads)
        say(f"{size:,} terms: timing")
        times = _timed(cascade, [heard for heard in self.heard if heard.kind == LONG])
        say(f"{size:,} terms: {1000 * statistics.median(times['total']):.0f} ms; what is found")
        judge = Judge(
            Identities.of(self.stores.spoken.entries), self.stores.vocabulary.confusable, search_model.calibration
        )
        utterances = [heard for heard in self.heard if heard.kind != LONG]
        judged = judge.judge(cascade, utterances)
        probability = run.cascade.probability
        built, sizes = self.stores.opened(size), GlossaryStore(folder).sizes()
        return {
            "terms": size,
            "spoken": built["spoken"],
            "pseudo_words": built["spliced"],
            "bytes_per_term": sizes.per_entry,
            "store_seconds": built["seconds"],
            "opening_seconds": opening,
            "latency": {name: _percentiles(found) for name, found in times.items()},
            "kinds": summary(judged, probability),
            "stress": stress(judged[ESPEAK], self.stores.vocabulary.groups, probability),
            "exhaustive": self._exhaustive(judge, spotter, search_model, glossary, cascade),
            "change": self._change(size),
        }

    def _exhaustive(
        self, judge: Judge, spotter: Spotter, search_model: SearchModel, glossary: Any, cascade: Cascade
    ) -> dict[str, Any]:
        """The exhaustive search beside the cascade on as many utterances as the time allows, three at least."""
        settings = self.stores.run.cascade.model_copy(update={"mode": "exhaustive"})
        exhaustive = Cascade(spotter, search_model, glossary, settings, glossary.threads)
        saying = [heard for heard in self.heard if heard.kind in SAYING]
        # Every kind has its share of whatever is reached.
        shuffled = [saying[place] for place in np.random.default_rng(0).permutation(len(saying))]
        found = judge.judge(exhaustive, shuffled, shortlists=False, most_seconds=self.exhaustive_seconds)
        reached = sum(len(judged.searches) for judged in found.values())
        same = judge.judge(cascade, shuffled[:reached])
        # The first search reads the whole glossary into memory.
        found[shuffled[0].kind].searches.pop(0)
        spent = sum(sum(judged.searches) for judged in found.values())
        audio = sum(heard.utterance.seconds for heard in shuffled[1:reached])
        return {
            "utterances": reached,
            "of": len(saying),
            "seconds_per_10_s": spent / audio * 10 if audio else None,
            "kinds": summary(found, settings.probability),
            "cascade": summary(same, settings.probability),
        }

    def _change(self, size: int) -> dict[str, Any]:
        """Seconds to add terms to the store, and to remove them again."""
        entries, rows = self.stores.more()
        store = self.stores.copy(size, self.stores.run.run.output / "changed")
        began = time.perf_counter()
        with store.adding() as writer:
            writer.add_rows(pack_entries(entries), rows)
        added = time.perf_counter() - began
        began = time.perf_counter()
        store.remove([spelling.text for entry in entries for spelling in entry.spellings])
        removed = time.perf_counter() - began
        shutil.rmtree(store.folder)
        return {"terms": len(entries), "add_seconds": added, "remove_seconds": removed}


def measure_paper() -> dict[str, Any]:
    """Seconds for a pair of the second paper's LHF system: maps of 150 / 2 by 1500 / 2 frames through ResNet-50."""
    settings = paper_spotter("LHF")
    spotter = Spotter(settings).eval()
    rate = settings.encoder.frames_per_second / settings.compression.frame_factor
    keywords = _random_frames(settings, _PAPER_KEYWORDS, settings.keyword_frames)
    utterance = _random_frames(settings, 1, round(_PAPER_UTTERANCE_SECONDS * rate))
    say("the paper's classifier")
    seconds = []
    with torch.inference_mode():
        spotter.score(keywords, utterance)
        for _ in range(_PAPER_PAIRS // _PAPER_KEYWORDS):
            began = time.perf_counter()
            spotter.score(keywords, utterance)
            seconds.append((time.perf_counter() - began) / _PAPER_KEYWORDS)
    return {"pairs": _PAPER_PAIRS, "seconds_per_pair": statistics.median(seconds)}


def _random_frames(settings: SpotterSettings, count: int, frames: int) -> Frames:
    values = torch.randn(count, len(settings.layers), frames, settings.frame_size)
    return Frames(values, torch.full((count,), frames))


def _timed(cascade: Cascade, utterances: Sequence[Heard]) -> dict[str, list[float]]:
    """Seconds of each search, in all and by stage."""
    for heard in utterances[:_WARM_UPS]:
        cascade.detect(heard.utterance)
    times: dict[str, list[float]] = {}
    for _ in range(_ROUNDS):
        for heard in utterances:
            began = time.perf_counter()
            cascade.detect(heard.utterance)
            times.setdefault("total", []).append(time.perf_counter() - began)
    for heard in utterances:
        for report in cascade.search(heard.utterance).stages:
            times.setdefault(report.name, []).append(report.seconds)
    return times


def _percentiles(seconds: Sequence[float]) -> dict[str, float]:
    return {name: float(np.percentile(seconds, share)) for name, share in (("p50", 50), ("p99", 99))}
