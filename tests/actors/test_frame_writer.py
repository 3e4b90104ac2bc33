from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch

from actors.frame_writer import FRAMES_SCHEMA, FrameWriter
from actors.tts.espeak import EspeakSynthesizer
from actors.tts.interface import SpeechRequest
from compression.frame_encoder import EncodedFrames
from compression.frame_store import StoredFrames
from harken.audio import SAMPLE_RATE, encode_flac
from harken.errors import HarkenError
from harken.spotter_settings import EnrolmentSettings

NANO = str(Path(__file__).resolve().parents[2] / "models" / "nano")
ENROLMENT = EnrolmentSettings()
TERMS = ("老花", "speedy", "马衔扣")


@pytest.fixture(scope="module")
def speech() -> dict[str, bytes]:
    results = EspeakSynthesizer().synthesize([SpeechRequest(term, term, term, "cmn+f2") for term in TERMS])
    return {result.id: encode_flac(result.wave, result.sample_rate) for result in results}


def row(identity: str, audio: bytes | None, status: str = "ok", error: str | None = None) -> dict:
    return {"id": identity, "audio": audio, "status": status, "error": error}


def noise(seconds: float, level: float = 0.1) -> bytes:
    wave = level * np.random.default_rng(0).standard_normal(int(seconds * SAMPLE_RATE))
    return encode_flac(wave.astype(np.float32), SAMPLE_RATE)


@pytest.fixture(scope="module")
def rows(speech: dict[str, bytes]) -> list[dict]:
    return [
        row("老花", speech["老花"]),
        row("earlier", None, "failed", "synthesis: silence"),
        row("silent", noise(1.0, level=0.0)),
        row("long", noise(10.5)),
        row("broken", b"not a recording"),
        row("speedy", speech["speedy"]),
        row("马衔扣", speech["马衔扣"]),
    ]


def causes(results: list[dict]) -> list[str | None]:
    return [result["error"] and result["error"].split(":")[0] for result in results]


def test_one_bad_row_costs_no_other(rows, speech, tmp_path):
    writer = FrameWriter(NANO, (2, 4), ENROLMENT, "keyword", tmp_path, batch_size=2)
    results = writer(rows)
    assert [result["id"] for result in results] == [row["id"] for row in rows]
    assert causes(results) == [None, "synthesis", "silent", "too long", "audio", None, None]
    assert results[3]["error"] == "too long: 10.5 s of at most 10 s"
    assert pa.Table.from_pylist(results, schema=FRAMES_SCHEMA).num_rows == len(rows)
    (written,) = tmp_path.iterdir()
    assert {result["file"] for result in results if result["status"] == "ok"} == {written.name}

    stored = StoredFrames(dict.fromkeys(TERMS, written), _utterances(tmp_path / "u", speech), (2, 4))
    encoded = EncodedFrames(writer.whisper, speech, speech, (2, 4), ENROLMENT)
    for result in results:
        if result["status"] == "ok":
            frames = stored.keyword(result["id"])
            assert frames.shape[1] == result["frames"]
            for one, other in (
                (frames, encoded.keyword(result["id"])),
                (stored.utterance(result["id"]), encoded.utterance(result["id"])),
            ):
                # A batch may change the last bit of a half.
                assert torch.allclose(one.float(), other.float(), rtol=2e-3, atol=1e-3)


def _utterances(folder: Path, speech: dict[str, bytes]) -> dict[str, Path]:
    results = FrameWriter(NANO, (2, 4), ENROLMENT, "utterance", folder)([row(*item) for item in speech.items()])
    return {result["id"]: folder / result["file"] for result in results}


def test_a_rerun_writes_the_same_file_and_other_settings_another(rows, tmp_path):
    writer = FrameWriter(NANO, (4,), ENROLMENT, "keyword", tmp_path)
    first = writer(rows)
    (written,) = tmp_path.iterdir()
    content = written.read_bytes()
    assert writer(rows) == first
    assert written.read_bytes() == content
    writer(rows[::-1])
    FrameWriter(NANO, (4,), EnrolmentSettings(trim_db=30.0), "keyword", tmp_path)(rows)
    assert len(list(tmp_path.iterdir())) == 3


def test_an_utterance_may_be_silent_and_rows_of_which_none_is_left_write_nothing(rows, tmp_path):
    writer = FrameWriter(NANO, (4,), ENROLMENT, "utterance", tmp_path)
    assert causes(writer(rows)) == [None, "synthesis", None, "too long", "audio", None, None]
    assert {result["file"] for result in writer([rows[1], rows[4]])} == {None}
    assert len(list(tmp_path.iterdir())) == 1


def test_a_keywords_length_is_that_of_its_speech(speech, tmp_path):
    silence = np.zeros(2 * SAMPLE_RATE, np.float32)
    word = 0.1 * np.ones(SAMPLE_RATE, np.float32)
    padded = encode_flac(np.concatenate([silence, word, silence]), SAMPLE_RATE)
    rows = [row("padded", padded), row("longer", noise(1.3))]
    keywords = FrameWriter(NANO, (4,), ENROLMENT, "keyword", tmp_path, max_seconds=1.1)
    assert causes(keywords(rows)) == [None, "too long"]
    untrimmed = FrameWriter(NANO, (4,), EnrolmentSettings(trim_db=None), "keyword", tmp_path, max_seconds=1.1)
    assert causes(untrimmed(rows)) == ["too long", "too long"]


class BreaksOnShort(FrameWriter):
    """Stands for a GPU that is too small for a batch, and for a recording that the model cannot bear."""

    def frames(self, waves):
        if len(waves) > 1 or len(waves[0]) < 0.2 * SAMPLE_RATE:
            raise RuntimeError("out of memory\nin some kernel")
        return super().frames(waves)


def test_a_batch_that_breaks_is_encoded_one_by_one(speech, tmp_path):
    rows = [row("老花", speech["老花"]), row("short", noise(0.1)), row("speedy", speech["speedy"])]
    results = BreaksOnShort(NANO, (4,), ENROLMENT, "keyword", tmp_path)(rows)
    assert [result["error"] for result in results] == [None, "encoding: out of memory", None]


def test_layers_that_the_model_lacks_are_refused(tmp_path):
    with pytest.raises(HarkenError, match=r"encoder layers: \[0, 4\]\. Name some of 1 to 4"):
        FrameWriter(NANO, (0, 4), ENROLMENT, "keyword", tmp_path)
