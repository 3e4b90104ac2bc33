"""What the replicas of the graph tell Prometheus, by way of Ray's own exporter on every node (``ray_harken_...``).

The labels deployment, replica and application are Serve's. None names a tenant, a glossary or anything else that
clients choose.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from time import perf_counter

from ray.serve import metrics

from serve.backend import Transcription

_SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0]
_FACTORS = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0]
_WINDOWS: list[float] = [1, 2, 4, 8, 16, 32, 64]


class Stages:
    """Seconds that the stages of one request took; a stage that runs for several windows adds up.

    'windows', 'keywords', 'encode'; then 'search' beside 'decode' (the unbiased text), and 'bias'.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Count what is done inside as time of the stage."""
        began = perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + perf_counter() - began


class TranscriberFigures:
    """Of one transcriber replica."""

    def __init__(self) -> None:
        self._stages = metrics.Histogram(
            "harken_stage_seconds", "Each stage of one transcription", boundaries=_SECONDS, tag_keys=("stage",)
        )
        self._factor = metrics.Histogram(
            "harken_real_time_factor", "Seconds of work for a second of audio", boundaries=_FACTORS
        )
        self._audio = metrics.Counter("harken_audio_seconds", "Seconds of audio transcribed")
        self._terms = metrics.Counter("harken_terms", "Terms heard, by what became of them", tag_keys=("outcome",))
        self._degraded = metrics.Counter("harken_degraded", "Answers for which a part of the glossary was not searched")
        self._batches = metrics.Histogram(
            "harken_batch_windows", "Windows that went through together", boundaries=_WINDOWS, tag_keys=("stage",)
        )
        self._waiting = metrics.Gauge("harken_requests_in_transcriber", "Requests that this replica works on")

    def transcribed(self, transcription: Transcription, seconds: float) -> None:
        """Note one transcription that took so long from its arrival in the replica."""
        self.searched(transcription.stages, transcription.search.degraded)
        for term in transcription.terms:
            self._terms.inc(tags={"outcome": term.outcome})
        if transcription.seconds > 0:
            self._audio.inc(transcription.seconds)
            self._factor.observe(seconds / transcription.seconds)

    def searched(self, stages: Mapping[str, float], degraded: bool) -> None:
        """Note the stages of one request, and whether shards were missing."""
        for stage, seconds in stages.items():
            self._stages.observe(seconds, tags={"stage": stage})
        if degraded:
            self._degraded.inc()

    def batched(self, stage: str, windows: int) -> None:
        """Note one batch."""
        self._batches.observe(windows, tags={"stage": stage})

    def working_on(self, requests: int) -> None:
        """Tell how many requests are in the replica."""
        self._waiting.set(requests)


class SearchFigures:
    """Of the searches that a transcriber replica asks of the shards."""

    def __init__(self) -> None:
        self._calls = metrics.Counter(
            "harken_shard_calls",
            "Searches asked of shards, by how they ended: answered, late, busy, lost",
            tag_keys=("shard", "outcome"),  # type: ignore[arg-type]
        )
        self._seconds = metrics.Histogram(
            "harken_shard_seconds", "One shard's answer as its caller sees it", boundaries=_SECONDS, tag_keys=("shard",)
        )
        self._retries = metrics.Counter(
            "harken_shard_retries", "Searches asked again because a replica was lost", tag_keys=("shard",)
        )

    def ended(self, shard: int, outcome: str, seconds: float) -> None:
        """Note how one call to a shard ended and how long it took."""
        self._calls.inc(tags={"shard": str(shard), "outcome": outcome})
        self._seconds.observe(seconds, tags={"shard": str(shard)})

    def retried(self, shard: int) -> None:
        """Note that a replica was lost under a call."""
        self._retries.inc(tags={"shard": str(shard)})


class ShardFigures:
    """Of one shard replica."""

    def __init__(self) -> None:
        self._seconds = metrics.Histogram(
            "harken_search_seconds", "Each stage of one search", boundaries=_SECONDS, tag_keys=("stage",)
        )
        self._open = metrics.Gauge("harken_open_versions", "Glossary versions held open")
        self._bytes = metrics.Gauge("harken_open_bytes", "Bytes of the glossary versions held open")

    def searched(self, stages: Mapping[str, float]) -> None:
        """Note one search."""
        for stage, seconds in stages.items():
            self._seconds.observe(seconds, tags={"stage": stage})

    def holds(self, versions: int, size: int) -> None:
        """Tell what is open."""
        self._open.set(versions)
        self._bytes.set(size)
