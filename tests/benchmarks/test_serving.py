"""The benchmark of the service: targets and tables, glossaries made elsewhere, recordings, and the whole in small."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.serving import PARTS, figures, find_stores, main, parser, small_stores, tables
from benchmarks.serving_graph import benchmark_settings, register_stores
from benchmarks.serving_measures import PLAIN, STAGES
from benchmarks.serving_speech import SENTENCES, draw_terms, read_sentences, record
from compression.glossary.glossary import open_glossary
from harken.audio import decode_audio
from harken.errors import HarkenError
from serve.callers import ANONYMOUS
from serve.database import Database, default_url
from serve.glossaries import GlossaryStore
from tests.small_glossary import ROOT


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def times(p50: float) -> dict[str, float]:
    return {"p50": p50, "p99": 2 * p50, "mean": p50}


def measured(overhead: float, ratio: float, same: int) -> dict[str, Any]:
    def kind(seconds: float, ratio: float) -> dict[str, Any]:
        shares = {"ratio": ratio, "ratio_with_term": ratio, "ratio_without_term": ratio}
        stages = dict.fromkeys(STAGES, seconds / len(STAGES))
        return times(seconds) | shares | {"stages": stages, "terms_per_request": 1.0, "applied_per_request": 0.5}

    def rate(requests: float) -> dict[str, float]:
        return {"requests": 8, "requests_per_second": requests, "audio_seconds_per_second": 3 * requests}

    def shard(same: int) -> dict[str, Any]:
        found = {"request": times(0.3), "search": times(0.2)}
        return {"requests": 8, "same_detections": same, "detections": 9} | found

    def beside(overhead: float) -> dict[str, Any]:
        return {
            "requests": 8,
            "same_text": 8,
            "service": times(0.2 + overhead),
            "direct": times(0.2),
            "overhead": times(overhead),
            "layers": {"client": times(overhead / 2), "decoding": times(overhead / 2)},
        }

    return {
        # What Serve's proxies take is told, and no target.
        "overhead": beside(overhead) | {"proxied": beside(0.1)},
        "throughput": {
            "concurrency": 4,
            "batches": {PLAIN: rate(8.0), "1,000 terms": rate(6.0)},
            "one by one": {PLAIN: rate(4.0), "1,000 terms": rate(6.5)},
        },
        "shards": {"glossary": "1,000 terms", "counts": {"1": shard(8), "2": shard(same)}},
        "biasing": {"requests": 8, "kinds": {PLAIN: kind(0.2, 1.0), "1,000 terms": kind(0.2 * ratio, ratio)}},
    }


def test_targets_hold_as_far_as_what_was_measured_does() -> None:
    good = figures(measured(0.012, 1.2, 8))["targets"]
    assert [name for name, found in good.items() if not found["holds"]] == [
        "throughput with batches over without, 1,000 terms"
    ]
    bad = figures(measured(0.016, 1.3, 7))["targets"]
    assert {name for name, found in bad.items() if not found["holds"]} == {
        "overhead over a direct call, p50 in ms",
        "throughput with batches over without, 1,000 terms",
        "2 shards: share of answers with the same detections",
        "1,000 terms: p50 over plain",
    }
    assert figures({})["targets"] == {}


def test_tables_have_all_that_was_measured() -> None:
    whole = figures(measured(0.012, 1.2, 8))
    shown = tables(whole)
    assert len(shown) == 8
    assert len({table.title for table in shown}) == 8
    assert all(len(table.rows) for table in shown)
    json.dumps(whole, allow_nan=False)
    only = {"parts": {"shards": whole["parts"]["shards"]}, "targets": {}}
    assert [len(table.rows) for table in tables(only)] == [2]


def test_a_part_or_a_glossary_that_is_not_there_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--parts", "speed", "--work", str(tmp_path)]) == 2
    assert "overhead" in capsys.readouterr().err
    assert main(["--glossaries", str(tmp_path), "--work", str(tmp_path)]) == 2
    assert "benchmarks.glossary" in capsys.readouterr().err
    assert set(parser().parse_args([]).parts.split(",")) == set(PARTS)


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return small_stores(tmp_path_factory.mktemp("stores"))


@pytest.mark.slow
@pytest.mark.smoke
def test_stores_are_found_by_size_and_become_ready_glossaries(stores: dict[str, Path], tmp_path: Path) -> None:
    sizes = [len(open_glossary(store).entry_ids) for store in stores.values()]
    assert list(find_stores(list(stores.values()), sizes[:1]).values()) == list(stores.values())[:1]
    with pytest.raises(HarkenError, match="--terms"):
        find_stores(list(stores.values()), [*sizes, 5000])
    settings = benchmark_settings(Path("configs/serve.yaml"), tmp_path / "service", ["glossary.shards=4"])
    assert settings.glossary.shards == 4
    glossaries = register_stores(settings, stores)
    assert list(glossaries) == list(stores)
    database = Database(default_url(settings.service.data))
    kept = GlossaryStore(database, settings.service.data / "glossaries", settings.service.limits)
    for name, identifier in glossaries.items():
        version = kept.version(ANONYMOUS.id, identifier)
        assert (version.folder / "manifest.json").samefile(stores[name] / "manifest.json")
    database.close()


@pytest.mark.slow
@pytest.mark.smoke
def test_what_is_uploaded_is_what_is_called_directly(stores: dict[str, Path]) -> None:
    terms = draw_terms(next(iter(stores.values())), 2)
    assert terms == draw_terms(next(iter(stores.values())), 2)
    sentences = read_sentences(SENTENCES, 2)
    recordings = record(sentences, terms)
    assert [one.term for one in recordings] == ["", terms[0], "", terms[1]]
    assert all(one.text.endswith(one.term) and one.text.startswith(sentences[0][:2]) for one in recordings[:2])
    for one in recordings:
        assert np.array_equal(decode_audio(one.content)[0], one.wave)
    with pytest.raises(HarkenError, match="Chinese"):
        draw_terms(next(iter(stores.values())), 100)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_whole_benchmark_in_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--quick", "--json", "--work", str(tmp_path)]
    assert main(arguments) == 0
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    parts = told["parts"]
    assert set(parts) == set(PARTS)
    assert parts["overhead"]["same_text"] == parts["overhead"]["requests"] > 0
    assert parts["overhead"]["proxied"]["same_text"] == parts["overhead"]["requests"]
    counts = parts["shards"]["counts"].values()
    assert all(found["same_detections"] == found["requests"] for found in counts)
    assert all(found["stages"]["decode"] > 0 for found in parts["biasing"]["kinds"].values())
    assert parts["biasing"]["kinds"][PLAIN]["stages"]["search"] == 0
    # Every part has its record, which the same command takes as it is.
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["parts"] == parts
