"""The real graph on a local Ray: the unmodified OpenAI client, two shards, a glossary that is built and changed."""

import io
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
import ray
import torch
from peft import LoraConfig, get_peft_model
from transformers import WhisperForConditionalGeneration

from compression.cascade.search import Cascade
from compression.cascade.utterance import CompressedUtterance
from compression.features import utterance_frames
from compression.frames import Frames
from compression.glossary.glossary import open_glossary
from compression.glossary.manifest import read_manifest
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
    folder = tmp_path_factory.mktemp("graph")
    adapter = save_adapter(folder / "adapter")
    adapted = f"models.adapted={{folder: {NANO}, adapter: {adapter}, language: zh}}"
    # These tests ask without a pause.
    return service_settings(folder, "glossary.shards=2", "service.quotas.requests_per_minute=100000", adapted)


def save_adapter(folder: Path) -> Path:
    """A LoRA adapter of random weights, on the encoder as well."""
    network = WhisperForConditionalGeneration.from_pretrained(NANO, dtype=torch.float32)
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=32, target_modules=["q_proj", "v_proj"], init_lora_weights=False)
    get_peft_model(network, config).save_pretrained(folder)
    return folder


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
    heard = whisper.transcribe([wave[window.start : window.end]])[0]
    assert tuple(token for segment in answer.segments for token in segment.tokens) == heard.tokens
    counts = [len(segment.tokens) for segment in answer.segments]
    counts[-1] += 1
    total = sum(segment.avg_logprob * count for segment, count in zip(answer.segments, counts, strict=True))
    assert total / sum(counts) == pytest.approx(heard.average_logprob, abs=1e-3)
    assert all(0 < segment.no_speech_prob < 1 for segment in answer.segments)
    assert all(segment.compression_ratio > 0 for segment in answer.segments)


@pytest.mark.smoke
def test_prompt_and_temperature_change_what_is_written_the_same_way_each_time(address):
    client = openai.OpenAI(base_url=f"{address}/v1", api_key="none", timeout=PATIENCE)
    content = speech_file(SAID)

    def write(**options: Any) -> str:
        return client.audio.transcriptions.create(model="nano", file=("speech.flac", content), **options).text

    plain = write()
    assert write(temperature=0.0) == plain
    with ThreadPoolExecutor(3) as pool:
        drawn = list(pool.map(lambda _: write(temperature=1.0), range(3)))
    assert len(set(drawn)) == 1
    assert drawn[0] != plain
    prompted = write(prompt="GUCCI PRADA " * 20)
    assert prompted != plain
    assert prompted == write(prompt="GUCCI PRADA " * 20)


@pytest.mark.smoke
def test_an_adapter_is_chosen_by_the_name_of_its_model(address, settings, client):
    wave = speech(SAID)
    adapted = load_whisper(str(NANO), device="cpu", adapter=str(settings.models["adapted"].adapter))
    (window,) = VoiceActivity().windows(wave, adapted.window_samples)
    expected = adapted.transcribe([wave[window.start : window.end]])[0].text
    plain, own = (ask(client, model=name).raise_for_status().json()["text"] for name in ("nano", "adapted"))
    assert own == expected != plain
    assert [model["id"] for model in client.get("/v1/models").json()["data"]] == ["nano", "adapted"]
    # What is spotted is heard by the encoder that the glossaries belong to, whoever writes.
    sent = {"keywords[]": ["铂金包"]}
    spotted, same = (detections(ask(client, "keywords", model=name, **sent)) for name in ("nano", "adapted"))
    assert [one[:3] for one in spotted] == [one[:3] for one in same] != []


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
    # The untrained search may hear it at several places.
    assert {term for term, *_ in alone} == {"铂金包"}
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


def test_requests_during_a_swap_succeed_and_the_new_version_is_used_after_it(client, glossary, settings):
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
    # What was there is not spoken again: the new version is the old one's files and one segment more.
    folder = Path(settings.service.data) / "glossaries" / glossary / f"version-{before + 1:06d}"
    assert [segment.entries for segment in read_manifest(folder).segments] == [5, 1]
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


@pytest.mark.faults
def test_a_transcriber_that_is_killed_answers_again(client):
    def kill() -> None:
        replicas = [
            actor for actor in ray.util.list_named_actors(all_namespaces=True) if "Transcriber" in actor["name"]
        ]
        ray.kill(ray.get_actor(replicas[0]["name"], replicas[0]["namespace"]))

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(ask, client, content=speech_file(SAID)) for _ in range(4)]
        kill()
    for answer in answers:
        # It was asked again, or had to give up; never is it a failure of ours.
        assert answer.result().status_code in (200, 503)
    told = wait_until(lambda: ask(client, content=speech_file(SAID)), lambda told: told.get("text"))
    assert told["text"]


@pytest.mark.faults
def test_an_ingress_that_is_killed_listens_again_at_its_address(client):
    ended = [actor for actor in ray.util.list_named_actors(all_namespaces=True) if "Ingress" in actor["name"]]
    ray.kill(ray.get_actor(ended[0]["name"], ended[0]["namespace"]))
    told = wait_until(lambda: ask(client, content=speech_file(SAID)), lambda told: told.get("text"))
    assert told["text"]


@pytest.mark.smoke
@pytest.mark.faults
def test_a_shard_that_stays_away_is_told_until_it_is_back(client, glossary, settings):
    """Its model is not there when Serve starts it again, so that nobody need hurry to see it missing."""
    short = settings.glossary.model_copy(update={"deadline_seconds": 5.0})
    start(settings.model_copy(update={"glossary": short}))
    wait_until(lambda: ask(client, "keywords", glossary_id=glossary), lambda told: told.get("degraded") is False)
    spotter = settings.glossary.spotter
    aside = spotter.rename(spotter.with_name("aside"))
    try:
        for actor in ray.util.list_named_actors(all_namespaces=True):
            if "shard-0" in actor["name"]:
                ray.kill(ray.get_actor(actor["name"], actor["namespace"]))
        told = wait_until(lambda: ask(client, "keywords", glossary_id=glossary), lambda told: told.get("degraded"))
        assert told["shards"] == {"answered": 1, "total": 2}
        transcript = ask(client, glossary_id=glossary).raise_for_status()
        assert transcript.json()["biasing"]["degraded"] is True
        assert (transcript.headers["x-harken-degraded"], transcript.headers["x-harken-shards"]) == ("true", "1/2")
        strict = ask(client, glossary_id=glossary, strict="true")
        assert (strict.status_code, strict.json()["error"]["code"]) == (503, "unavailable")
        assert int(strict.headers["retry-after"]) >= 1
        assert client.get("/readyz").status_code == 503
    finally:
        aside.rename(spotter)
    wait_until(lambda: client.get("/readyz"), lambda told: told.get("status") == "ok")
    wait_until(lambda: ask(client, "keywords", glossary_id=glossary), lambda told: told.get("degraded") is False)
    assert ask(client, glossary_id=glossary, strict="true").status_code == 200


def wait_until(asked: Callable[[], httpx2.Response], reached: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """The answer that has come to a state; while an ingress is replaced, nobody listens."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            told = asked().json()
        except httpx2.TransportError as failure:
            told = {"failure": str(failure)}
        if reached(told):
            return told
        assert time.monotonic() < ends, told
        time.sleep(0.5)
