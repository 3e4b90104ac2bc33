import numpy as np
import pyarrow as pa
import pytest

from actors.transcriber import HYPOTHESIS_SCHEMA, Transcriber
from harken.audio import SAMPLE_RATE, encode_flac
from harken.errors import HarkenError
from tests.tiny_whisper import save_tiny_whisper


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_tiny_whisper(tmp_path_factory.mktemp("tiny")))


@pytest.fixture(scope="module")
def transcriber(folder: str) -> Transcriber:
    return Transcriber(folder, max_new_tokens=8)


def speech(identity: str, seconds: float = 0.5, rate: int = SAMPLE_RATE) -> dict:
    generator = np.random.default_rng(len(identity))
    wave = (0.1 * generator.standard_normal(int(seconds * rate))).astype(np.float32)
    return {"id": identity, "audio": encode_flac(wave, rate), "sample_rate": rate, "status": "ok", "error": None}


def test_one_bad_row_costs_no_other(transcriber):
    rows = [
        speech("a"),
        {"id": "earlier", "audio": None, "sample_rate": None, "status": "failed", "error": "synthesis: silence"},
        {"id": "broken", "audio": b"not a recording", "sample_rate": SAMPLE_RATE, "status": "ok", "error": None},
        {"id": "nothing", "audio": None, "sample_rate": None, "status": "ok", "error": None},
        speech("slow", rate=8_000),
        speech("long", seconds=4.5),
    ]
    heard = transcriber(rows)
    assert [row["id"] for row in heard] == [row["id"] for row in rows]
    assert [row["status"] for row in heard] == ["ok", "failed", "failed", "failed", "ok", "ok"]
    assert heard[1]["error"] == "synthesis: silence"
    assert heard[2]["error"].startswith("audio: ")
    assert "'broken'" in heard[2]["error"]
    assert heard[3]["error"].startswith("audio: ")
    assert heard[5]["windows"] == 3
    for row in (heard[0], heard[4], heard[5]):
        assert row["hypothesis"]
        assert row["average_logprob"] < 0
        assert row["level_db"] == pytest.approx(-20, abs=1)
        assert row["range_db"] < 5
    assert pa.Table.from_pylist(heard, schema=HYPOTHESIS_SCHEMA).num_rows == len(rows)


def test_neighbours_do_not_change_what_is_heard(transcriber):
    rows = [speech("a", 0.4), speech("bb", 0.9), speech("ccc", 0.6)]
    together = transcriber(rows)
    assert together == [
        transcriber([row])[0] | {"average_logprob": pytest.approx(heard["average_logprob"], abs=1e-5)}
        for row, heard in zip(rows, together, strict=True)
    ]


def test_a_row_the_model_breaks_on_fails_alone(folder):
    transcriber = Transcriber(folder, max_new_tokens=4)
    decode = transcriber.whisper.decode

    def breaks_on_long_utterances(encoded, *arguments):
        if encoded.last_hidden_state.shape[0] > 1 or longest["samples"] > SAMPLE_RATE:
            raise RuntimeError("out of memory")
        return decode(encoded, *arguments)

    features = transcriber.whisper.features
    longest = {"samples": 0}

    def remember(waves, *arguments):
        longest["samples"] = max(len(wave) for wave in waves)
        return features(waves, *arguments)

    transcriber.whisper.decode, transcriber.whisper.features = breaks_on_long_utterances, remember
    heard = transcriber([speech("short"), speech("long", 1.5), speech("other")])
    assert [row["status"] for row in heard] == ["ok", "failed", "ok"]
    assert heard[1]["error"] == "decoding: out of memory"


def test_bad_settings_are_found_when_the_actor_is_built(folder, tmp_path):
    with pytest.raises(HarkenError, match="language"):
        Transcriber(folder, language="xx")
    with pytest.raises(HarkenError, match="model folder"):
        Transcriber(str(tmp_path))


def test_a_model_that_breaks_without_a_word_fails_the_row_alone(transcriber, monkeypatch):
    def breaks(waves: list[np.ndarray], *_: object) -> list:
        raise RuntimeError

    monkeypatch.setattr(transcriber.whisper, "transcribe", breaks)
    heard = transcriber([speech("a"), speech("bb")])
    assert [row["error"] for row in heard] == ["decoding: RuntimeError"] * 2
