"""The measurements behind `benchmarks.serving`: each leaves a record in the work folder and is not made twice."""

import json
import queue
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import machine, say
from benchmarks.serving_direct import Direct
from benchmarks.serving_graph import KEYWORDS, Client, benchmark_settings, register_stores, running, spent
from benchmarks.serving_speech import Recording
from harken.config import load_config
from harken.records import fingerprint, write_json
from serve.graph_settings import GraphSettings

PLAIN = "plain"
STAGES = ("windows", "encode", "search", "decode", "bias")
_ROUTE = "/v1/audio/transcriptions"
_WARM_UPS = 4


@dataclass(frozen=True)
class Bench:
    """What is measured with.

    Attributes:
        stores: by what tables call them, the smallest first.
        rounds: how often every recording is heard by each of what is compared.
        concurrency: requests at a time where throughput is measured.
        shards: counts that are compared.
    """

    config: Path
    overrides: Sequence[str]
    work: Path
    stores: Mapping[str, Path]
    recordings: Sequence[Recording]
    rounds: int
    concurrency: int
    shards: Sequence[int]

    def part(self, name: str) -> dict[str, Any]:
        """The figures of one part: 'overhead', 'throughput', 'shards' or 'biasing'."""
        texts = [recording.text for recording in self.recordings]
        stores = [store.name for store in self.stores.values()]
        measured = (self.rounds, self.concurrency, list(self.shards), list(self.overrides), self.config.read_text())
        path = self.work / "records" / f"{name}-{fingerprint(1, texts, stores, measured)[:8]}.json"
        if path.exists():
            record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            return record
        say(name)
        parts: dict[str, Callable[[], dict[str, Any]]] = {
            "overhead": self._overhead,
            "throughput": self._throughput,
            "shards": self._shards,
            "biasing": self._biasing,
        }
        record = parts[name]() | {"load_average": machine()["load_average"]}
        write_json(path, record)
        return record

    def _overhead(self) -> dict[str, Any]:
        """As the service is configured, and with Ray Serve's proxies where they are not."""
        listens = load_config(self.config, list(self.overrides), GraphSettings).service.listen.by == "ingress"
        proxied = {"proxied": self._beside_direct_calls("service.listen.by=proxies")} if listens else {}
        return self._beside_direct_calls() | proxied

    def _beside_direct_calls(self, *overrides: str) -> dict[str, Any]:
        """A request over HTTP beside the same parts called directly, in turns on the same recording."""
        with self._service(*overrides) as (client, _, settings):
            direct = Direct(settings)
            for recording in self.recordings[:_WARM_UPS]:
                direct.transcribe(recording.wave)
                client.ask(recording)
            layers: list[dict[str, float]] = []
            served, called, same = [], [], 0
            for number, recording in self._turns():
                before = client.figures()
                if number % 2:
                    plain, answer = direct.transcribe(recording.wave), client.ask(recording)
                else:
                    answer = client.ask(recording)
                    plain = direct.transcribe(recording.wave)
                layers.append(_layers(answer.seconds, spent(before, client.figures()), recording.seconds, plain.stages))
                served.append(answer.seconds)
                called.append(plain.seconds)
                same += answer.document["text"] == plain.text
        return {
            "requests": len(served),
            "same_text": same,
            "service": _percentiles(served),
            "direct": _percentiles(called),
            "overhead": _percentiles(np.subtract(served, called)),
            "layers": {name: _percentiles([one[name] for one in layers]) for name in layers[0]},
        }

    def _biasing(self) -> dict[str, Any]:
        """Requests with and without a glossary, in turns on the same recording."""
        with self._service() as (client, glossaries, _):
            kinds: dict[str, str | None] = {PLAIN: None, **glossaries}
            for recording in self.recordings[:_WARM_UPS]:
                for glossary in kinds.values():
                    client.ask(recording, glossary)
            seconds: dict[str, list[float]] = {kind: [] for kind in kinds}
            stages: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
            outcomes: dict[str, list[str]] = {kind: [] for kind in kinds}
            saying: list[bool] = []
            for number, recording in self._turns():
                saying.append(bool(recording.term))
                order = list(kinds)[number % len(kinds) :] + list(kinds)[: number % len(kinds)]
                for kind in order:
                    before = client.figures()
                    answer = client.ask(recording, kinds[kind])
                    after = spent(before, client.figures())
                    seconds[kind].append(answer.seconds)
                    stages[kind].append({stage: after.get(stage, 0.0) for stage in STAGES})
                    outcomes[kind] += [term["outcome"] for term in answer.document["biasing"]["terms"]]
        return {
            "requests": len(saying),
            "kinds": {
                kind: _percentiles(seconds[kind])
                | {
                    "ratio": _ratio(seconds[kind], seconds[PLAIN]),
                    "ratio_with_term": _ratio(seconds[kind], seconds[PLAIN], saying),
                    "ratio_without_term": _ratio(seconds[kind], seconds[PLAIN], [not said for said in saying]),
                    "stages": {stage: float(np.mean([one[stage] for one in stages[kind]])) for stage in STAGES},
                    "terms_per_request": len(outcomes[kind]) / len(saying),
                    "applied_per_request": outcomes[kind].count("applied") / len(saying),
                }
                for kind in kinds
            },
        }

    def _throughput(self) -> dict[str, Any]:
        """Many clients at a time, with batches and without, plain and with the smallest glossary."""
        found: dict[str, Any] = {"concurrency": self.concurrency}
        for name, overrides in (("batches", ()), ("one by one", ("transcriber.batch=1",))):
            found[name] = {}
            with self._service(*overrides) as (_, glossaries, settings):
                smallest = next(iter(glossaries))
                for kind, glossary in ((PLAIN, None), (smallest, glossaries[smallest])):
                    self._crowd(settings, glossary, list(self.recordings[: self.concurrency]))
                    recordings = [recording for _, recording in self._turns()]
                    took = self._crowd(settings, glossary, recordings)
                    audio = sum(recording.seconds for recording in recordings)
                    found[name][kind] = {
                        "requests": len(recordings),
                        "requests_per_second": len(recordings) / took,
                        "audio_seconds_per_second": audio / took,
                    }
        return found

    def _crowd(self, settings: GraphSettings, glossary: str | None, recordings: Sequence[Recording]) -> float:
        """Seconds until all recordings are answered, each client asking for its next when it has its last."""
        waiting: queue.SimpleQueue[Recording] = queue.SimpleQueue()
        for recording in recordings:
            waiting.put(recording)

        def ask() -> None:
            with Client(settings) as client:
                while True:
                    try:
                        recording = waiting.get_nowait()
                    except queue.Empty:
                        return
                    client.ask(recording, glossary)

        began = time.perf_counter()
        with ThreadPoolExecutor(self.concurrency) as pool:
            for done in [pool.submit(ask) for _ in range(self.concurrency)]:
                done.result()
        return time.perf_counter() - began

    def _shards(self) -> dict[str, Any]:
        """The largest glossary, divided among more and more deployments."""
        largest = list(self.stores)[-1]
        found: dict[str, Any] = {"glossary": largest, "counts": {}}
        heard: dict[int, list[Any]] = {}
        for count in self.shards:
            with self._service(f"glossary.shards={count}") as (client, glossaries, _):
                glossary = glossaries[largest]
                for recording in self.recordings[:_WARM_UPS]:
                    client.ask(recording, glossary, KEYWORDS)
                seconds, searches = [], []
                heard[count] = []
                for _, recording in self._turns():
                    before = client.figures()
                    answer = client.ask(recording, glossary, KEYWORDS)
                    seconds.append(answer.seconds)
                    searches.append(spent(before, client.figures()).get("search", 0.0))
                    heard[count].append(answer.document["keywords"])
            alike = sum(one == other for one, other in zip(heard[count], heard[self.shards[0]], strict=True))
            found["counts"][str(count)] = {
                "requests": len(seconds),
                "same_detections": alike,
                "detections": sum(map(len, heard[count])),
                "request": _percentiles(seconds),
                "search": _percentiles(searches),
            }
        return found

    def _turns(self) -> Iterator[tuple[int, Recording]]:
        """Every recording, `rounds` times, with the number of its turn."""
        turns = [recording for _ in range(self.rounds) for recording in self.recordings]
        return iter(enumerate(turns))

    @contextmanager
    def _service(self, *overrides: str) -> Iterator[tuple[Client, dict[str, str], GraphSettings]]:
        settings = benchmark_settings(self.config, self.work / "service", [*self.overrides, *overrides])
        glossaries = register_stores(settings, self.stores)
        with running(settings) as client:
            yield client, glossaries, settings


def _layers(seconds: float, told: Mapping[str, float], audio: float, direct: Mapping[str, float]) -> dict[str, float]:
    """Where the seconds of one request went that a direct call does not take."""
    ingress, decoding = told[_ROUTE], told["harken_decoding_seconds"]
    backend = told["harken_real_time_factor"] * audio
    inside = sum(told.get(stage, 0.0) for stage in STAGES)
    return {
        "client and connection (proxies: Serve's)": seconds - ingress,
        "ingress: form, caller, quota, answer": ingress - decoding - backend,
        "decoding the file in its child": decoding,
        "call of the transcriber": backend - inside,
        "batches, threads and caches": inside - sum(direct.values()),
    }


def _percentiles(seconds: Any) -> dict[str, float]:
    shares = {"p50": 50, "p99": 99}
    return {name: float(np.percentile(seconds, share)) for name, share in shares.items()} | {
        "mean": float(np.mean(seconds))
    }


def _ratio(seconds: Sequence[float], plain: Sequence[float], chosen: Sequence[bool] | None = None) -> float:
    """Of the medians over the chosen turns."""
    rows = np.ones(len(plain), bool) if chosen is None else np.array(chosen)
    return float(np.median(np.array(seconds)[rows]) / np.median(np.array(plain)[rows]))
