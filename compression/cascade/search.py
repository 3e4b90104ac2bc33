"""One shard's search: which entries of a glossary an utterance may say, where, and every stage's score."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compression.cascade.merging import merge
from compression.cascade.paths import GlossaryPaths, PathScores
from compression.cascade.result import STAGES, Hit, ShardResult, StageReport
from compression.cascade.utterance import CompressedUtterance, kept_frames_per_second
from compression.cascade.verification import PathVerifier
from compression.frames import Frames
from compression.glossary.partitions import partitions_of
from compression.glossary.reader import GlossaryReader
from compression.maxsim import unit_codes
from compression.search_model import SearchModel
from compression.spotter import Spotter
from harken.cascade_settings import CascadeSettings
from harken.detection import Detection
from harken.errors import HarkenError

_PAIRS_AT_ONCE = 2048
# For fewer a thread is not worth its start.
_LEAST_ENROLMENTS = 256

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

Integers = NDArray[np.int64]
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class _Candidates:
    """Entries of one partition by entry id, (n,) each: indices and the first stage's similarity."""

    entries: Integers
    spans: Floats


@dataclass(frozen=True)
class _Scored:
    """Entries of one partition by entry id, and all their enrolments with the second stage's scores: `owners` has for
    each enrolment the row of its entry."""

    entries: Integers
    enrolments: Integers
    owners: Integers
    scores: PathScores


@dataclass(frozen=True)
class _Placed:
    """What the third stage looks at in one partition, a row for every place: entry, enrolment, path."""

    entries: Integers
    enrolments: Integers
    places: PathScores


@dataclass
class _Tally:
    """What each stage did so far, over the partitions."""

    considered: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    kept: dict[str, int] = field(default_factory=lambda: dict.fromkeys(STAGES, 0))
    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(STAGES, 0.0))

    def add(self, stage: str, considered: int, kept: int, began: float) -> None:
        self.considered[stage] += considered
        self.kept[stage] += kept
        self.seconds[stage] += time.perf_counter() - began

    def reports(self) -> tuple[StageReport, ...]:
        return tuple(StageReport(name, self.considered[name], self.kept[name], self.seconds[name]) for name in STAGES)


class Cascade:
    """Searches some or all partitions of one opened glossary, stage by stage; safe to use from several threads.

    Each partition is searched by itself, whichever others are: nothing in its hits depends on how a glossary is
    divided into shards.

    Args:
        spotter: the one that compressed the glossary; its verifier, on its device, is the third stage.
        search_model: the one that the glossary was made with.
        glossary: an opened version, or terms in memory.
        settings: None: the defaults.
        threads: of the second and the third stage on a CPU, in which PyTorch's own gain little: their tensors are
            small. No part of any result. (Those of the first are the glossary's.)

    Raises:
        HarkenError: the search model belongs to another spotter.
    """

    def __init__(
        self,
        spotter: Spotter,
        search_model: SearchModel,
        glossary: GlossaryReader,
        settings: CascadeSettings | None = None,
        threads: int = 1,
    ) -> None:
        self.settings, self.threads = settings or CascadeSettings(), threads
        self.search_model, self.glossary = search_model, glossary
        self._spotter, self._rate = spotter.fingerprint(), kept_frames_per_second(spotter)
        if search_model.spotter != self._spotter:
            remedy = f"The spotter in use is {self._spotter}: use the search model that was trained for it."
            raise HarkenError("spotter of the search model", search_model.spotter, remedy)
        self._device = next(spotter.parameters()).device
        self._verifier = PathVerifier(spotter)
        self._paths = GlossaryPaths(glossary, search_model, self._device)
        self._model = search_model.fingerprint()
        calibration, given = search_model.calibration, self.settings
        self._span_threshold = _first(given.span_threshold, calibration.span_threshold)
        self._path_threshold = _first(given.path_threshold, calibration.path_threshold)
        self._span_cap = _first(given.span_cap, calibration.span_cap)
        self._path_cap = _first(given.path_cap, calibration.path_cap)
        self._sizes = np.bincount(partitions_of(np.asarray(glossary.entry_ids)), minlength=max(glossary.partitions) + 1)

    def detect(self, utterance: CompressedUtterance) -> list[Detection]:
        """The terms of the opened partitions that were said: `search` and `merge` in one."""
        return merge([self.search(utterance)], self.search_model.calibration, self.settings)

    @torch.inference_mode()
    def search(self, utterance: CompressedUtterance, partitions: tuple[int, ...] | None = None) -> ShardResult:
        """The hits of some partitions, None: of all that were opened.

        Raises:
            HarkenError: another spotter's utterance, or a partition that was not opened.
        """
        chosen = self._chosen(utterance, partitions)
        tally, hits = _Tally(), []
        if len(utterance):
            heard = utterance.frames()
            found = self._candidates(heard, chosen, tally)
            path_frames = self.search_model.path_frames(heard.transpose(0, 1)).transpose(0, 1)
            codes = unit_codes(path_frames).to(self._device)
            heard = heard.to(self._device)
            scored = self._scored(chosen, found, codes, tally)
            if self.settings.mode == "paper":
                for partition in chosen:
                    hits += self._verify_all(scored[partition], found[partition], heard, tally)
            else:
                hits += self._verified(self._kept(scored, codes, tally), found, heard, tally)
        hits.sort(key=lambda hit: (hit.entry_id, hit.start))
        return ShardResult(tuple(hits), tally.reports(), chosen, self._model, self._rate)

    @torch.inference_mode()
    def shortlist(self, utterance: CompressedUtterance) -> NDArray[np.uint64]:
        """Ids of the entries that the first stage lets through, ascending: what the later stages can find at all."""
        chosen = self._chosen(utterance, None)
        if not len(utterance):
            return np.zeros(0, np.uint64)
        found = self._candidates(utterance.frames(), chosen, _Tally())
        entries = np.concatenate([part.entries for part in found.values()])
        return np.sort(np.asarray(self.glossary.entry_ids)[entries])

    def _candidates(self, heard: Tensor, partitions: tuple[int, ...], tally: _Tally) -> dict[int, _Candidates]:
        """The first stage. Its similarities are exact, so that all partitions share one pass over the index."""
        began = time.perf_counter()
        cascade = self.settings.mode == "cascade"
        windows = self.search_model.spans.windows(heard)
        found = self.glossary.span_candidates(
            windows.vectors.numpy(),
            (windows.ends - windows.starts).numpy(),
            self.settings.probes if cascade else None,
            self._span_threshold if cascade else -1.0,
            partitions,
        )
        chosen: dict[int, _Candidates] = {}
        for partition in partitions:
            inside = np.flatnonzero(found.partitions == partition)
            if cascade:
                # By entry id in each partition: a stable order breaks ties by it.
                best = np.argsort(-found.similarities[inside], kind="stable")[: self._span_cap]
                inside = inside[np.sort(best)]
            chosen[partition] = _Candidates(found.entries[inside], found.similarities[inside])
        considered = int(self._sizes[list(partitions)].sum())
        tally.add("span", considered, sum(len(one.entries) for one in chosen.values()), began)
        return chosen

    def _scored(
        self, partitions: tuple[int, ...], found: dict[int, _Candidates], codes: Tensor, tally: _Tally
    ) -> dict[int, _Scored]:
        """The second stage of whatever it is given. Its scores are exact, so that all partitions share one pass."""
        began = time.perf_counter()
        if self.settings.mode != "cascade":
            whole = self._side_by_side(lambda one: self._scored_partition(one, codes), partitions)
            scored = dict(zip(partitions, whole, strict=True))
        else:
            enrolments, owners = self.glossary.enrolments_of(np.concatenate([found[one].entries for one in partitions]))
            shares = np.array_split(enrolments, max(1, min(self.threads, len(enrolments) // _LEAST_ENROLMENTS)))
            scores = PathScores.joined(self._side_by_side(lambda some: self._paths.score(some, codes), shares))
            scored, first, begin = {}, 0, 0
            for partition in partitions:
                entries = found[partition].entries
                end = int(np.searchsorted(owners, first + len(entries)))
                rows = np.arange(begin, end)
                scored[partition] = _Scored(entries, enrolments[rows], owners[rows] - first, scores.select(rows))
                first, begin = first + len(entries), end
        tally.add("path", sum(len(part.entries) for part in scored.values()), 0, began)
        return scored

    def _scored_partition(self, partition: int, codes: Tensor) -> _Scored:
        enrolments = self.glossary.enrolments(partition)
        # An entry's enrolments lie together, in the order of entry ids.
        of = np.asarray(self.glossary.entries)[enrolments].astype(np.int64)
        new = np.append(True, of[1:] != of[:-1])[: len(of)]
        scores = self._paths.score_partition(partition, enrolments, codes)
        return _Scored(of[new], enrolments, np.cumsum(new) - 1, scores)

    def _kept(self, scored: dict[int, _Scored], codes: Tensor, tally: _Tally) -> dict[int, _Placed]:
        """What the second stage lets through, by its best enrolments, at as many places as are wanted."""
        began = time.perf_counter()
        entries, enrolments, scores, sizes = [], [], [], []
        for part in scored.values():
            best = best_rows(part.scores.z, part.owners, len(part.entries))
            reached = np.flatnonzero(part.scores.z[best] >= self._path_threshold)
            kept = reached[np.sort(np.argsort(-part.scores.z[best[reached]], kind="stable")[: self._path_cap])]
            entries.append(part.entries[kept])
            enrolments.append(part.enrolments[best[kept]])
            scores.append(part.scores.select(best[kept]))
            sizes.append(len(kept))
        chosen = np.concatenate(enrolments)
        rows, places = self._places(chosen, PathScores.joined(scores), codes)
        owners, bounds = np.concatenate(entries), np.searchsorted(rows, np.cumsum([0, *sizes]))
        tally.add("path", 0, sum(sizes), began)
        return {
            partition: _Placed(
                owners[rows[first:last]], chosen[rows[first:last]], places.select(np.arange(first, last))
            )
            for partition, (first, last) in zip(scored, pairwise(bounds), strict=True)
        }

    def _verified(
        self, kept: dict[int, _Placed], found: dict[int, _Candidates], heard: Tensor, tally: _Tally
    ) -> list[Hit]:
        """The third stage, by partition: the last bits of its logits depend on what is batched together."""
        began = time.perf_counter()
        verified = self._side_by_side(lambda part: self._verify(part.enrolments, part.places, heard), kept.values())
        hits: list[Hit] = []
        for (partition, part), logits in zip(kept.items(), verified, strict=True):
            hits += self._hits(part, logits, found[partition], heard.shape[1])
        tally.add("verifier", len(hits), len(hits), began)
        return hits

    def _side_by_side(self, work: Callable[[_Item], _Result], items: Collection[_Item]) -> list[_Result]:
        """Work on each of the items, in several threads where that helps."""

        # What is known of gradients belongs to a thread.
        @torch.inference_mode()
        def done(item: _Item) -> _Result:
            return work(item)

        threads = min(self.threads, len(items)) if self._device.type == "cpu" else 1
        if threads <= 1:
            return list(map(done, items))
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(done, items))

    def _places(self, enrolments: Integers, first: PathScores, codes: Tensor) -> tuple[Integers, PathScores]:
        """For each place that is verified the row of `enrolments`, and its path."""
        if self.settings.occurrences == 1 or not len(enrolments):
            return np.arange(len(enrolments)), first
        scores = self._paths.score(enrolments, codes, self.settings.occurrences)
        wanted = scores.z >= self._path_threshold
        rows, _ = np.nonzero(wanted)
        return rows, PathScores(scores.z[wanted], scores.starts[wanted], scores.ends[wanted])

    def _verify(self, enrolments: Integers, paths: PathScores, heard: Tensor) -> Floats:
        values, lengths = self.glossary.frames(enrolments)
        keywords = Frames(torch.from_numpy(values), torch.from_numpy(lengths)).to(self._device)
        starts, ends = (torch.from_numpy(side).to(self._device) for side in (paths.starts, paths.ends))
        logits: Floats = self._verifier(keywords, heard, starts, ends).cpu().numpy()
        return logits

    def _verify_all(self, scored: _Scored, candidates: _Candidates, heard: Tensor, tally: _Tally) -> list[Hit]:
        """The paper's way: the verifier on every enrolment; of the entries as many remain as the second stage's cap."""
        began = time.perf_counter()
        if not len(scored.entries):
            return []
        parts = np.array_split(np.arange(len(scored.enrolments)), -(-len(scored.enrolments) // _PAIRS_AT_ONCE))
        logits = np.concatenate(
            [self._verify(scored.enrolments[part], scored.scores.select(part), heard) for part in parts]
        )
        best = best_rows(logits, scored.owners, len(scored.entries))
        kept = np.sort(np.argsort(-logits[best], kind="stable")[: self._path_cap])
        rows = best[kept]
        placed = _Placed(scored.entries[kept], scored.enrolments[rows], scored.scores.select(rows))
        hits = self._hits(placed, logits[rows], candidates, heard.shape[1])
        tally.add("path", 0, len(scored.entries), time.perf_counter())
        tally.add("verifier", len(scored.enrolments), len(hits), began)
        return hits

    def _hits(self, placed: _Placed, logits: Floats, candidates: _Candidates, columns: int) -> list[Hit]:
        spans = dict(zip(candidates.entries.tolist(), candidates.spans.tolist(), strict=True))
        lengths = np.asarray(self.glossary.lengths)[placed.enrolments]
        paths, hits = placed.places, []
        for row, entry in enumerate(placed.entries.tolist()):
            term = self.glossary.entry(entry)
            hits.append(
                Hit(
                    entry_id=term.entry_id,
                    term=term.term,
                    spellings=term.spellings,
                    category=term.category,
                    start=int(paths.starts[row]),
                    end=min(int(paths.ends[row]), columns),
                    frames=int(lengths[row]),
                    # No window is of its length: as far from it as a vector can be.
                    span=spans.get(entry, -1.0),
                    path=float(paths.z[row]),
                    verifier=float(logits[row]),
                    spoken=term.spoken,
                )
            )
        return hits

    def _chosen(self, utterance: CompressedUtterance, partitions: tuple[int, ...] | None) -> tuple[int, ...]:
        if utterance.spotter != self._spotter:
            remedy = f"The glossary's is {self._spotter}: compress the utterance with that one."
            raise HarkenError("spotter of the utterance", utterance.spotter, remedy)
        opened = self.glossary.partitions
        chosen = opened if partitions is None else tuple(sorted(set(partitions)))
        for partition in chosen:
            if partition not in opened:
                raise HarkenError("partition", partition, f"These are open: {list(opened)}.")
        return chosen


def best_rows(scores: Floats, owners: Integers, count: int) -> Integers:
    """For each of `count` owners the row of its best score, the first of equals; every owner has rows."""
    order = np.lexsort((np.arange(len(scores)), -scores, owners))
    return order[np.searchsorted(owners[order], np.arange(count))]


def _first(given: float | None, otherwise: float) -> float:
    return otherwise if given is None else given
