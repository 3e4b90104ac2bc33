import json

import openai
import pytest

from harken.audio import decode_audio
from tests.serve.service import NANO, NanoBackend, Server


@pytest.fixture
def client(open_service: Server) -> openai.OpenAI:
    """The unmodified client of OpenAI."""
    return openai.OpenAI(base_url=f"{open_service.url}/v1", api_key="any", max_retries=0, timeout=120)


@pytest.fixture
def heard(backend: NanoBackend, spoken: bytes) -> str:
    wave, _ = decode_audio(spoken)
    return backend._whisper.transcribe([wave])[0].text


def test_openai_client_transcribes(client: openai.OpenAI, spoken: bytes, heard: str) -> None:
    answer = client.audio.transcriptions.create(file=("a.flac", spoken), model="whisper-1", language="zh")
    assert answer.text == heard
    assert heard
    assert answer.usage.seconds == pytest.approx(len(decode_audio(spoken)[0]) / 16_000, abs=1e-3)


@pytest.mark.parametrize("response_format", ["text", "srt", "vtt"])
def test_openai_client_gets_the_other_formats(
    client: openai.OpenAI, spoken: bytes, heard: str, response_format: str
) -> None:
    answer = client.audio.transcriptions.create(file=spoken, model=NANO, response_format=response_format)
    assert heard in answer
    starts = {"text": heard, "srt": "1\n00:00:00,000 --> 00:00:0", "vtt": "WEBVTT\n\n00:00:00.000 --> 00:00:0"}
    assert answer.startswith(starts[response_format])


def test_openai_client_gets_words_and_segments(client: openai.OpenAI, spoken: bytes, heard: str) -> None:
    answer = client.audio.transcriptions.create(
        file=spoken, model=NANO, response_format="verbose_json", timestamp_granularities=["word", "segment"]
    )
    assert answer.language == "zh"
    assert answer.segments[0].text == heard
    assert answer.segments[0].avg_logprob < 0
    assert " ".join(word.word for word in answer.words) == heard
    only_words = client.audio.transcriptions.create(
        file=spoken, model=NANO, response_format="verbose_json", timestamp_granularities=["word"]
    )
    assert only_words.segments is None
    assert only_words.words


def test_openai_client_streams(client: openai.OpenAI, spoken: bytes, heard: str) -> None:
    events = list(client.audio.transcriptions.create(file=spoken, model=NANO, stream=True))
    assert [event.type for event in events[-2:]] == ["transcript.text.delta", "transcript.text.done"]
    assert "".join(event.delta for event in events[:-1]) == heard
    assert events[-1].text == heard


def test_openai_client_sends_keywords(client: openai.OpenAI, backend: NanoBackend, spoken: bytes) -> None:
    sent = ["Ｓｐｅｅｄｙ　20", "<|zh|>Kelly\x07"]
    answer = client.audio.transcriptions.create(file=spoken, model=NANO, keywords=sent, prompt="<|en|>包\n包")
    assert backend.asked[-1].keywords == ("Speedy 20", "Kelly")
    assert backend.asked[-1].prompt == "包 包"
    assert answer.biasing["shards"] == {"answered": 4, "total": 4}
    assert answer.biasing["degraded"] is False


def test_openai_client_lists_models(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == [NANO]
    assert client.models.retrieve(NANO).owned_by == "harken"
    with pytest.raises(openai.NotFoundError, match="no model"):
        client.models.retrieve("large")


def test_openai_client_understands_errors(client: openai.OpenAI, spoken: bytes) -> None:
    with pytest.raises(openai.NotFoundError) as unknown:
        client.audio.transcriptions.create(file=spoken, model="large")
    assert unknown.value.code == "model_not_found"
    assert unknown.value.param == "model"
    assert unknown.value.request_id
    with pytest.raises(openai.BadRequestError, match="knows zh, en"):
        client.audio.transcriptions.create(file=spoken, model=NANO, language="xx")
    with pytest.raises(openai.BadRequestError, match="Unknown field 'include"):
        client.audio.transcriptions.create(file=spoken, model=NANO, include=["logprobs"])
    with pytest.raises(openai.APIStatusError) as format_refused:
        client.audio.transcriptions.create(file=b"\x1a\x45\xdf\xa3" + bytes(100), model=NANO)
    assert format_refused.value.status_code == 415
    assert "webm" in format_refused.value.message


@pytest.mark.parametrize(
    ("data", "status", "param"),
    [
        ({}, 400, "model"),
        ({"model": NANO, "langauge": "zh"}, 400, "langauge"),
        ({"model": NANO, "temperature": "hot"}, 400, "temperature"),
        ({"model": NANO, "temperature": "nan"}, 400, "temperature"),
        ({"model": NANO, "temperature": "1.01"}, 400, "temperature"),
        ({"model": NANO, "temperature": "-0.1"}, 400, "temperature"),
        ({"model": NANO, "prompt": "x" * 4001}, 400, "prompt"),
        ({"model": NANO, "language": "klingon"}, 400, "language"),
        ({"model": NANO, "language": ""}, 400, "language"),
        ({"model": NANO, "response_format": "xml"}, 400, "response_format"),
        ({"model": NANO, "stream": "true", "response_format": "srt"}, 400, "stream"),
        ({"model": NANO, "timestamp_granularities[]": "word"}, 400, "timestamp_granularities"),
        ({"model": NANO, "keywords[]": ["a"] * 101}, 400, "keywords"),
        ({"model": NANO, "keywords[]": ["<|zh|>"]}, 400, "keywords"),
        ({"model": [NANO, NANO]}, 400, "model"),
        ({"model": NANO, "glossary_id": "../../etc"}, 404, "glossary_id"),
    ],
)
def test_wrong_fields_are_named(open_service: Server, spoken: bytes, data: dict, status: int, param: str) -> None:
    with open_service.client() as client:
        answer = client.post("/v1/audio/transcriptions", data=data, files={"file": spoken})
    assert answer.status_code == status, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param


def test_a_form_without_a_file_or_with_two(open_service: Server, spoken: bytes) -> None:
    with open_service.client() as client:
        missing = client.post("/v1/audio/transcriptions", files={"model": (None, NANO)})
        two = client.post("/v1/audio/transcriptions", data={"model": NANO}, files=[("file", spoken), ("file", spoken)])
        text = client.post("/v1/audio/transcriptions", files={"model": (None, NANO), "file": (None, "/etc/passwd")})
        link = client.post("/v1/audio/transcriptions", json={"model": NANO, "file": "http://localhost/a.wav"})
    assert (missing.status_code, missing.json()["error"]["param"]) == (400, "file")
    assert two.status_code == 400
    assert text.status_code == 400
    assert link.status_code == 415


def test_keywords_are_spotted(open_service: Server, spoken: bytes, heard: str) -> None:
    with open_service.client() as client:
        answer = client.post(
            "/v1/audio/keywords", data={"keywords": [heard[:2], "Kelly"]}, files={"file": spoken}
        ).json()
        nothing = client.post("/v1/audio/keywords", files={"file": spoken})
    assert [(found["term"], found["score"]) for found in answer["keywords"]] == [(heard[:2], 0.9)]
    assert answer["shards"] == {"answered": 4, "total": 4}
    assert nothing.status_code == 400


def test_a_degraded_search_is_told_and_strict_refuses_it(
    open_service: Server, backend: NanoBackend, spoken: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    from serve.backend import Search

    monkeypatch.setattr(backend, "search", Search(4, 3))
    sent = {"model": NANO, "keywords[]": ["Kelly"]}
    with open_service.client() as client:
        loose = client.post("/v1/audio/transcriptions", data=sent, files={"file": spoken})
        strict = client.post("/v1/audio/transcriptions", data={**sent, "strict": "true"}, files={"file": spoken})
        streamed = client.post(
            "/v1/audio/transcriptions", data={**sent, "strict": "true", "stream": "true"}, files={"file": spoken}
        )
        unready = client.get("/readyz")
    assert loose.json()["biasing"]["degraded"] is True
    assert (loose.headers["x-harken-degraded"], loose.headers["x-harken-shards"]) == ("true", "3/4")
    assert (strict.status_code, strict.headers["retry-after"]) == (503, "5")
    last = json.loads(streamed.text.strip().splitlines()[-1].removeprefix("data: "))
    assert last["error"]["code"] == "unavailable"
    assert unready.status_code == 503
    assert "3 of 4" in unready.json()["error"]["message"]


def test_work_ends_when_the_client_leaves(
    open_service: Server, backend: NanoBackend, spoken: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx2

    monkeypatch.setattr(backend, "hold", 60.0)
    backend.cancelled.clear()
    with open_service.client() as client, pytest.raises(httpx2.ReadTimeout):
        client.post(
            "/v1/audio/transcriptions", data={"model": NANO}, files={"file": spoken}, timeout=httpx2.Timeout(60, read=3)
        )
    assert backend.cancelled.wait(60)
