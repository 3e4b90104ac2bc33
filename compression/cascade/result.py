"""What a shard tells of one utterance: few small objects that pickle fast and need no tensors where they arrive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STAGES = ("span", "path", "verifier")


@dataclass(frozen=True)
class Hit:
    """One entry at one place, as the verifier scored it.

    Attributes:
        entry_id: the same in every glossary.
        term: as it is to be written.
        spellings: all ways to write what sounds like this.
        category: of the term in its glossary, or empty.
        spoken: what its recordings were spoken from, when that is not the term.
        start: first kept frame.
        end: one past the last, within the utterance.
        frames: kept frames of the enrolment that fits best.
        span: cosine of the best window with any of the entry's enrolments.
        path: z-normed mean cosine along the path.
        verifier: logit.
    """

    entry_id: int
    term: str
    spellings: tuple[str, ...]
    category: str
    start: int
    end: int
    frames: int
    span: float
    path: float
    verifier: float
    spoken: str = ""


@dataclass(frozen=True)
class StageReport:
    """What one stage did: entries that it looked at, entries that it let through, and its seconds."""

    name: str
    considered: int
    kept: int
    seconds: float


@dataclass(frozen=True)
class ShardResult:
    """The hits of some partitions, by entry id and then start.

    Attributes:
        hits: of every entry that the verifier saw.
        stages: in the order of `STAGES`.
        partitions: of the glossary, that were searched.
        search_model: fingerprint of the one whose calibration the hits await.
        frames_per_second: kept frames per second of audio.
    """

    hits: tuple[Hit, ...]
    stages: tuple[StageReport, ...]
    partitions: tuple[int, ...]
    search_model: str
    frames_per_second: float


def total_stages(results: Sequence[ShardResult]) -> tuple[StageReport, ...]:
    """The stages of all shards: numbers added up, the seconds of the slowest shard, since they run side by side."""
    return tuple(
        StageReport(
            name,
            sum(report.considered for report in reports),
            sum(report.kept for report in reports),
            max((report.seconds for report in reports), default=0.0),
        )
        for name in STAGES
        for reports in [[report for result in results for report in result.stages if report.name == name]]
    )
