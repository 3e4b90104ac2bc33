"""The real graph on a local Ray: the unmodified OpenAI client, two shards, a glossary that is built and changed."""

import io
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import ray

from compression.cascade.search import Cascade
from compression.cascade.utterance import CompressedUtterance
from compression.features import utterance_frames
from compression.frames import Frames
from compression.glossary.glossary import open_glossary
from compression.search_model import SearchModel
from compression.storage import load_spotter
from harken.vad import VoiceActivity
from harken.whisper import load_whisper
from serve.__main__ import start
from serve.graph_settings import GraphSettings
from tests.serve.service import speech, speech_file, wait_for_build
from tests.tiny_service import NANO, PATIENCE, service_settings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

TERMS = "term,category\n香奈儿,BRAND\nbirkin,BRAND\n水桶包,TYPE\n铂金包,TYPE\n老花,MATERIAL\n"
SAID = "我们今天去商店买铂金包"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> GraphSettings:
    return service_settings(tmp_path_factory.mktemp("graph"))


@pytest.fixture(scope="module")
def address(settings: GraphSettings) -> Iterator[str]:
    from ray import serve

    yield start(settings)
    serve.shutdown()
    ray.shutdown()


@pytest.fixture(scope="module")
def client(address: str) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=address, timeout=PATIENCE) as client:
        yield client


@pytest.fixture(scope="module")
def glossary(client: httpx2.Client) -> str:
    """The id of a glossary of five terms that is ready."""
    made = client.post("/v1/glossaries", json={"name": "shop"}).raise_for_status().json()
    sent = client.post(f"/v1/glossaries/{made['id']}/imports", content=TERMS, headers={"content-type": "text/csv"})
    build = wait_for_build(client, sent.raise_for_status().json()["build"])
    assert build["status"] == "ready", build["failure_reason"]
    return made["id"]


def ask(
    client: httpx2.Client, path: str = "transcriptions", content: bytes | None = None, **fields: Any
) -> httpx2.Response:
    file = {"file": ("speech.flac", content or speech_file(SAID))}
    return client.post(f"/v1/audio/{path}", data={"model": "nano", **fields}, files=file)


def detections(answer: httpx2.Response) -> list[tuple[Any, ...]]:
    found = answer.raise_for_status().json()["keywords"]
    return [(one["term"], round(one["start"], 3), round(one["end"], 3), round(one["score"], 3)) for one in found]


@pytest.mark.smoke
def test_the_unmodified_openai_client_transcribes_what_the_model_writes(address):
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", timeout=PATIENCE)
    file = ("speech.flac", io.BytesIO(speech_file(SAID)))
    answer = client.audio.transcriptions.create(
        model="nano", file=file, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    whisper = load_whisper(str(NANO), device="cpu")
    wave = speech(SAID)
    (window,) = VoiceActivity().windows(wave, whisper.window_samples)
    assert answer.text == whisper.transcribe([wave[window.start : window.end]])[0].text
    assert answer.language == "zh"
    assert [word.start for word in answer.words] == sorted(word.start for word in answer.words)
    assert answer.words[-1].end <= answer.duration
    assert "".join(segment.text for segment in answer.segments).replace(" ", "") == answer.text.replace(" ", "")


@pytest.mark.smoke
def test_two_shards_find_what_one_search_of_the_whole_glossary_finds(client, glossary, settings):
    answer = ask(client, "keywords", glossary_id=glossary)
    told = answer.raise_for_status().json()
    assert told["shards"] == {"answered": 2, "total": 2}
    assert not told["degraded"]
    version = Path(settings.service.data) / "glossaries" / glossary / f"version-{told['glossary_version']:06d}"
    spotter = load_spotter(settings.glossary.spotter)
    search = SearchModel.load(settings.glossary.search_folder, spotter)
    whisper = load_whisper(str(NANO), device="cpu")
    wave = speech(SAID)
    (window,) = VoiceActivity().windows(wave, whisper.window_samples)
    states = utterance_frames(whisper, [wave[window.start : window.end]], spotter.settings.layers)
    kept = spotter.compress(Frames.stack(states))[0].unstack()[0]
    cascade = Cascade(spotter, search, open_glossary(version), settings.glossary.cascade)
    whole = cascade.detect(CompressedUtterance.pack(kept, spotter))
    assert whole
    begin = window.seconds[0]
    expected = sorted((one.term, round(one.start + begin, 3), round(one.end + begin, 3)) for one in whole)
    found = sorted(detections(answer))
    assert [one[:3] for one in found] == expected
    # The service encodes for spotting and decoding in one pass: the last bits differ, and with them an int8 code.
    scores = {(one.term, round(one.start + begin, 3)): one.probability for one in whole}
    assert {one[:2]: one[3] for one in found} == pytest.approx(scores, abs=0.01)


def test_a_transcript_tells_what_became_of_each_term(client, glossary):
    biasing = ask(client, glossary_id=glossary, response_format="json").raise_for_status().json()["biasing"]
    assert biasing["shards"] == {"answered": 2, "total": 2}
    assert biasing["terms"]
    assert {term["outcome"] for term in biasing["terms"]} <= {"applied", "already right", "rejected"}
    assert all(term["reason"] for term in biasing["terms"])


def test_keywords_of_a_request_are_heard_without_a_glossary_and_beside_one(client, glossary):
    alone = detections(ask(client, "keywords", **{"keywords[]": ["铂金包"]}))
    assert [term for term, *_ in alone] == ["铂金包"]
    both = ask(client, "keywords", glossary_id=glossary, **{"keywords[]": ["商店"]}).raise_for_status().json()
    assert both["shards"] == {"answered": 2, "total": 2}
    assert both["keywords"]


def test_a_stream_is_the_transcript_in_pieces(address, client):
    long = speech_file("，".join([SAID] * 5))
    whole = ask(client, content=long).raise_for_status().json()["text"]
    stream = openai.OpenAI(base_url=f"{address}/v1", api_key="none", timeout=PATIENCE).audio.transcriptions.create(
        model="nano", file=("speech.flac", io.BytesIO(long)), stream=True
    )
    events = list(stream)
    pieces = [event.delta for event in events if event.type == "transcript.text.delta"]
    assert len(pieces) > 1
    assert "".join(pieces) == whole == events[-1].text


def test_requests_during_a_swap_succeed_and_the_new_version_is_used_after_it(client, glossary):
    versions: list[int] = []

    def listen() -> int:
        return ask(client, "keywords", glossary_id=glossary).raise_for_status().json()["glossary_version"]

    before = listen()
    added = client.post(f"/v1/glossaries/{glossary}/terms", json={"term": "手提包"}).raise_for_status().json()
    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(wait_for_build, client, added["build"])
        while not waiting.done():
            versions.append(listen())
    assert waiting.result()["status"] == "ready", waiting.result()["failure_reason"]
    assert listen() == before + 1
    assert versions == sorted(versions)
    terms = [row["term"] for row in client.get(f"/v1/glossaries/{glossary}/terms").json()["data"]]
    assert "手提包" in terms


def test_more_than_the_service_can_take_is_told_to_come_back(client):
    content = speech_file(SAID)
    with ThreadPoolExecutor(96) as pool:
        answers = list(pool.map(lambda _: ask(client, content=content), range(96)))
    statuses = {answer.status_code for answer in answers}
    assert statuses <= {200, 429, 503}
    assert 200 in statuses
    for answer in answers:
        if answer.status_code != 200:
            assert int(answer.headers["retry-after"]) >= 1
            assert answer.json()["error"]["code"]


@pytest.mark.faults
def test_a_shard_that_is_killed_costs_no_request_its_answer(client, glossary):
    def kill() -> None:
        replicas = [actor for actor in ray.util.list_named_actors(all_namespaces=True) if "shard-0" in actor["name"]]
        ray.kill(ray.get_actor(replicas[0]["name"], replicas[0]["namespace"]))

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, client, "keywords", glossary_id=glossary) for _ in range(4)]
        kill()
        answers += [pool.submit(ask, client, "keywords", glossary_id=glossary) for _ in range(8)]
    for answer in answers:
        told = answer.result().raise_for_status().json()
        assert told["degraded"] == (told["shards"]["answered"] < 2)
    # Once the replica is back, nothing is missing.
    ends = time.monotonic() + PATIENCE
    while ask(client, "keywords", glossary_id=glossary).json()["degraded"]:
        assert time.monotonic() < ends, "the shard did not come back"
    assert client.get("/readyz").status_code == 200
