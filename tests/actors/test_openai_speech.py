"""The real `openai` client against a local server that really synthesizes."""

from collections.abc import Iterator

import numpy as np
import pytest

from actors.speaker import Speaker
from actors.tts.espeak import EspeakSynthesizer
from actors.tts.interface import SpeechRequest
from actors.tts.openai_speech import OpenAISpeechSynthesizer, repair_wave_length
from harken.config import check
from harken.errors import HarkenError
from harken.records import FAILED, OK
from harken.speech_settings import OpenAISpeechSettings, SpeechSettings
from tests.speech_server import KEY, RATE, SpeechServer, speech_server

VARIABLE = "HARKEN_TEST_SPEECH_KEY"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SpeechServer]:
    monkeypatch.setenv(VARIABLE, KEY)
    with speech_server() as running:
        yield running


def synthesizer(server: SpeechServer, **options: object) -> OpenAISpeechSynthesizer:
    values = {"base_url": server.address, "model": "espeak", "api_key_env": VARIABLE} | options
    return OpenAISpeechSynthesizer(check(values, OpenAISpeechSettings, "test"))


def request(text: str = "喜欢健身", name: str = "row", speaker: str = "cmn", rate: float = 1.0) -> SpeechRequest:
    return SpeechRequest(name, text, text, speaker, rate, seed=3)


@pytest.mark.parametrize("form", ["wav", "flac", "pcm"])
def test_every_format_gives_what_the_server_spoke(server: SpeechServer, form: str) -> None:
    result = synthesizer(server, format=form).synthesize([request()])[0]
    spoken = EspeakSynthesizer(RATE).synthesize([SpeechRequest("x", "", "喜欢健身", "cmn")])[0].wave
    assert result.error is None
    assert result.sample_rate == RATE
    assert result.wave is not None
    assert spoken is not None
    assert np.abs(result.wave - np.clip(spoken, -1, 1)).max() < 1e-3


def test_the_request_holds_voice_rate_and_what_is_switched_on(server: SpeechServer) -> None:
    options = {"sends_seed": True, "instructions": "Calmly.", "accent_instruction": "Speak with a {accent} accent."}
    served = synthesizer(server, **options)
    served.synthesize([SpeechRequest("a", "喜欢", "喜欢", "cmn+f2", 1.25, seed=3, accent="Shanghai")])
    assert server.requests == [
        {
            "input": "喜欢",
            "model": "espeak",
            "voice": "cmn+f2",
            "response_format": "wav",
            "speed": 1.25,
            "seed": 3,
            "instructions": "Calmly. Speak with a Shanghai accent.",
        }
    ]
    assert served.capabilities().adjusts == {"rate", "accent"}
    assert served.capabilities().per_row_seed


def test_results_come_in_the_order_of_the_requests(server: SpeechServer) -> None:
    requests = [request("喜欢健身" * (4 - index), f"row-{index}") for index in range(4)]
    results = synthesizer(server, concurrency=3).synthesize(requests)
    assert [result.id for result in results] == [item.id for item in requests]
    lengths = [len(result.wave) for result in results if result.wave is not None]
    assert lengths == sorted(lengths, reverse=True)
    assert len(lengths) == 4


def test_busy_and_broken_answers_are_tried_again(server: SpeechServer) -> None:
    server.failures = [(429, {"retry-after-ms": "10"}, b"{}"), (500, {"retry-after-ms": "10"}, b"oops")]
    result = synthesizer(server, retries=2).synthesize([request()])[0]
    assert result.wave is not None
    assert len(server.requests) == 3


def test_a_row_that_stays_refused_names_the_answer_and_the_others_are_spoken(server: SpeechServer) -> None:
    results = synthesizer(server).synthesize([request("拒绝", "bad"), request(name="good")])
    assert results[0].wave is None
    assert results[0].error is not None
    assert "400" in results[0].error
    assert "refused" in results[0].error
    assert results[1].wave is not None


def test_a_timeout_is_told_on_the_row(server: SpeechServer) -> None:
    server.hang.clear()
    result = synthesizer(server, retries=0, timeout_seconds=0.5).synthesize([request()])[0]
    assert result.error == "the server did not answer in 0.5 s"


def test_an_answer_that_is_no_audio_is_told_on_the_row(server: SpeechServer) -> None:
    server.failures = [(200, {}, b"<html>busy</html>")]
    result = synthesizer(server).synthesize([request()])[0]
    assert result.wave is None
    assert "no wav" in str(result.error)


def test_a_streamed_wave_without_its_length_is_read_to_its_end(server: SpeechServer) -> None:
    whole = synthesizer(server).synthesize([request()])[0].wave
    server.wrong_length = True
    streamed = synthesizer(server).synthesize([request()])[0].wave
    assert whole is not None
    assert streamed is not None
    assert np.array_equal(streamed, whole)


def test_only_wrong_lengths_are_repaired() -> None:
    assert repair_wave_length(b"fLaC and so on") == b"fLaC and so on"


def test_a_wrong_key_stops_the_stage(server: SpeechServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "another")
    with pytest.raises(HarkenError, match=r"401.*wrong key.*Check the key") as caught:
        synthesizer(server).synthesize([request()])
    assert "another" not in str(caught.value)


def test_a_server_that_is_not_there_stops_the_stage() -> None:
    with speech_server() as gone:
        address = gone.address
    settings = OpenAISpeechSettings(base_url=address, model="m", api_key_env=None, retries=0)
    with pytest.raises(HarkenError, match=r"base_url.*No speech server answers"):
        OpenAISpeechSynthesizer(settings).synthesize([request()])


def test_a_missing_key_names_its_variable(server: SpeechServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(HarkenError, match=VARIABLE):
        synthesizer(server)


def test_rows_become_audio_through_the_speaker(server: SpeechServer) -> None:
    values = {
        "backend": "openai",
        "openai": {
            "base_url": server.address,
            "model": "espeak",
            "api_key_env": VARIABLE,
            "drops": "[0-9é]",
            "licence": {"weights": "Apache-2.0", "output_use": "unrestricted", "commercial": True},
        },
        "voices": {"speakers": ["cmn", "cmn+m3"]},
    }
    speech = check(values, SpeechSettings, "test")
    rows = Speaker(speech, speech.voices, {"hermes": ["air mez"]})(
        [{"id": "a", "text": "喜欢Hermès的2款"}, {"id": "b", "text": "喜欢café"}]
    )
    assert [row["status"] for row in rows] == [OK, FAILED]
    assert rows[0]["text_spoken"] == "喜欢air mez的两款"
    assert rows[0]["commercial_use"] is True
    assert rows[0]["sample_rate"] == 16_000
    assert rows[1]["error"].startswith("unreadable: the backend would leave out 'é'")
    assert [asked["input"] for asked in server.requests] == ["喜欢air mez的两款"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"backend": "espeak", "openai": {"base_url": "x", "model": "m"}}, "speech.openai has no effect"),
        ({"backend": "openai"}, "needs its section"),
        ({"backend": "openai", "openai": {"base_url": "x", "model": "m", "pcm_sample_rate": 8000}}, "pcm_sample_rate"),
        ({"backend": "openai", "openai": {"base_url": "x", "model": "m", "drops": "["}}, "regular expression"),
    ],
)
def test_options_without_effect_are_errors(values: dict, message: str) -> None:
    with pytest.raises(HarkenError, match=message):
        check(values | {"voices": {"speakers": ["a"]}}, SpeechSettings, "test")


def test_a_pitch_that_the_protocol_cannot_ask_for_is_an_error(server: SpeechServer) -> None:
    values = {
        "backend": "openai",
        "openai": {"base_url": server.address, "model": "m", "api_key_env": VARIABLE},
        "voices": {"speakers": ["cmn"], "pitch": [-2, 2]},
    }
    speech = check(values, SpeechSettings, "test")
    with pytest.raises(HarkenError, match=r"voices\.pitch"):
        Speaker(speech, speech.voices, {})
