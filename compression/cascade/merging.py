"""From the hits of all shards to detections: probabilities, and one winner at each place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compression.calibration import Calibration, Evidence
from compression.cascade.result import STAGES, Hit, ShardResult
from harken.cascade_settings import CascadeSettings
from harken.detection import Detection
from harken.errors import HarkenError


def merge(
    results: Sequence[ShardResult], calibration: Calibration, settings: CascadeSettings | None = None
) -> list[Detection]:
    """The terms that were said, the likeliest first; equally likely ones by entry id.

    The list depends on the hits alone and not on how the shards divided them. Shards that did not answer may be
    missing: what the others found stays true, but the best competitor of a hit may be unknown.

    Args:
        results: of one utterance, each partition at most once.
        calibration: of the search model that the shards have.
        settings: None: the defaults.

    Raises:
        HarkenError: a partition was searched twice, or the shards have different search models.
    """
    settings = settings or CascadeSettings()
    _check(results)
    hits = sorted((hit for result in results for hit in result.hits), key=lambda hit: (hit.entry_id, hit.start))
    if not hits:
        return []
    probabilities = probabilities_of(hits, calibration)
    ranked = sorted(range(len(hits)), key=lambda row: (-probabilities[row], hits[row].entry_id, hits[row].start))
    kept: list[int] = []
    for row in ranked:
        if probabilities[row] < settings.probability or len(kept) == settings.detections:
            break
        if not any(_overlap(hits[row], hits[other]) >= settings.overlap for other in kept):
            kept.append(row)
    rate = results[0].frames_per_second
    return [_detection(hits[row], probabilities[row], rate) for row in kept]


def probabilities_of(hits: Sequence[Hit], calibration: Calibration) -> list[float]:
    """The calibrated probability of each hit of one utterance, in their order; all competitors must be among them."""
    starts, ends, frames = (
        np.array([getattr(hit, name) for hit in hits], dtype=np.int64) for name in ("start", "end", "frames")
    )
    features = np.array([(hit.path, hit.verifier, hit.span, 0.0) for hit in hits], dtype=np.float64).reshape(-1, 4)
    features[:, 3] = np.log(frames)
    entries = np.array([hit.entry_id for hit in hits], dtype=np.uint64)
    return [float(one) for one in calibration.probability(Evidence(features, starts, ends, entries))]


def _overlap(one: Hit, other: Hit) -> float:
    """Shared frames over the shorter one's."""
    shared = min(one.end, other.end) - max(one.start, other.start)
    return max(0, shared) / min(one.end - one.start, other.end - other.start)


def _detection(hit: Hit, probability: float, rate: float) -> Detection:
    evidence = dict(zip(STAGES, (hit.span, hit.path, hit.verifier), strict=True))
    return Detection(hit.term, hit.start / rate, hit.end / rate, probability, hit.spellings, evidence, hit.category)


def _check(results: Sequence[ShardResult]) -> None:
    partitions = [partition for result in results for partition in result.partitions]
    repeated = sorted({partition for partition in partitions if partitions.count(partition) > 1})
    if repeated:
        raise HarkenError("partitions searched twice", repeated, "Give each partition to one shard.")
    models = sorted({result.search_model for result in results})
    if len(models) > 1:
        raise HarkenError("search models of the shards", models, "Their scores do not compare: load one on all shards.")
