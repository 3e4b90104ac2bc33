"""What Prometheus is told; no label names a tenant, a glossary or anything else that clients choose."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from serve.backend import Search, Transcription

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_FACTORS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """The figures of one process of the service, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        options: dict[str, Any] = {"registry": self.registry, "namespace": "harken"}
        self.requests = Counter("requests", "Requests by route and status", ("method", "route", "status"), **options)
        self.latency = Histogram(
            "request_seconds", "From the first byte in to the last out", ("route",), buckets=_SECONDS, **options
        )
        self.in_flight = Gauge("requests_in_flight", "Requests being answered", **options)
        self.audio = Counter("audio_seconds", "Seconds of audio decoded", **options)
        self.decoding = Histogram("decoding_seconds", "Decoding of one upload", buckets=_SECONDS, **options)
        self.refused = Counter("uploads_refused", "Uploads that are no audio to us", ("code",), **options)
        self.stages = Histogram(
            "stage_seconds", "Each stage of one transcription", ("stage",), buckets=_SECONDS, **options
        )
        self.factor = Histogram(
            "real_time_factor", "Seconds of work for a second of audio", buckets=_FACTORS, **options
        )
        self.terms = Counter("terms", "Terms heard, by what became of them", ("outcome",), **options)
        self.degraded = Counter("degraded", "Answers for which a part of the glossary was not searched", **options)
        self.builds = Counter("builds", "Glossary builds by their end", ("status",), **options)

    def count_search(self, search: Search, stages: dict[str, float]) -> None:
        """Note one search of a glossary."""
        if search.degraded:
            self.degraded.inc()
        for stage, seconds in stages.items():
            self.stages.labels(stage).observe(seconds)

    def count_transcription(self, transcription: Transcription, seconds: float) -> None:
        """Note one transcription that took so long."""
        self.count_search(transcription.search, dict(transcription.stages))
        for term in transcription.terms:
            self.terms.labels(term.outcome).inc()
        if transcription.seconds > 0:
            self.factor.observe(seconds / transcription.seconds)
