"""The real `openai` client against a local server."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from actors.recogniser import HYPOTHESIS_SCHEMA
from actors.served_recogniser import ServedRecogniser
from harken.audio import SAMPLE_RATE, encode_flac
from harken.errors import HarkenError
from harken.judge_settings import RecogniserServerSettings
from tests.transcription_server import KEY, TranscriptionServer, transcription_server

VARIABLE = "HARKEN_TEST_RECOGNISER_KEY"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TranscriptionServer]:
    monkeypatch.setenv(VARIABLE, KEY)

    def recognise(wave: np.ndarray, rate: int) -> str:
        return f"<|zh|><|NEUTRAL|><|Speech|>{len(wave)} samples at {rate}, loudest {np.abs(wave).max():.2f}"

    with transcription_server(recognise) as running:
        yield running


def recogniser(server: TranscriptionServer, **options: object) -> ServedRecogniser:
    values = {"base_url": server.address, "model": "sensevoice", "api_key_env": VARIABLE, "retries": 1} | options
    return ServedRecogniser(RecogniserServerSettings(**values))


def speech(identity: str, level: float, rate: int = SAMPLE_RATE) -> dict:
    wave = np.full(rate // 2, level, np.float32)
    return {"id": identity, "audio": encode_flac(wave, rate), "sample_rate": rate, "status": "ok", "error": None}


def test_every_wave_is_sent_whole_and_answers_stay_in_order(server):
    rows = [speech(f"r{index}", index / 10) for index in range(1, 9)]
    heard = recogniser(server)([*rows, {"id": "old", "audio": None, "status": "failed", "error": "synthesis: x"}])
    expected = [f"8000 samples at 16000, loudest {index / 10:.2f}" for index in range(1, 9)]
    assert [row["hypothesis"] for row in heard] == [*expected, None]
    assert [row["status"] for row in heard] == ["ok"] * 8 + ["failed"]
    assert heard[0]["level_db"] == pytest.approx(-20, abs=0.1)
    assert pa.Table.from_pylist(heard, schema=HYPOTHESIS_SCHEMA).num_rows == 9
    assert server.fields[0] == {"model": "sensevoice", "response_format": "json", "language": "zh"}


def test_the_language_is_left_out_for_servers_that_refuse_it(server):
    recogniser(server, sends_language=False)([speech("a", 0.1)])
    assert "language" not in server.fields[0]


def test_a_busy_server_is_asked_again_and_a_refused_row_fails_alone(server):
    server.failures = [(503, "busy")]
    assert recogniser(server)([speech("a", 0.1)])[0]["status"] == "ok"
    server.failures = [(400, "too quiet")]
    heard = recogniser(server, concurrency=1)([speech("a", 0.1), speech("b", 0.2)])
    assert [row["status"] for row in heard] == ["failed", "ok"]
    assert heard[0]["error"].startswith("server: it answered 400: ")
    assert "too quiet" in heard[0]["error"]


def test_a_wrong_key_and_a_missing_server_stop_the_stage(server, monkeypatch):
    monkeypatch.setenv(VARIABLE, "another")
    with pytest.raises(HarkenError, match="answered 401"):
        recogniser(server)([speech("a", 0.1)])
    with pytest.raises(HarkenError, match="No recogniser answers"):
        recogniser(server, base_url="http://127.0.0.1:9/v1", retries=0)([speech("a", 0.1)])
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(HarkenError, match=VARIABLE):
        recogniser(server)
