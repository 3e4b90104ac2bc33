"""Rows with audio and text in, the times of their units out."""

from pathlib import Path

import pytest

from actors.aligner import ALIGNED_SPEECH_SCHEMA, Aligner
from actors.speaker import Speaker
from actors.timed_speaker import TimedSpeaker
from harken.records import FAILED, OK, Row, read_parquet, write_parquet
from harken.settings import AugmentationSettings, SpeechSettings, VoiceSettings
from harken.text import unit_spans

NANO = Path(__file__).resolve().parents[2] / "models" / "nano"
VOICES = VoiceSettings(speakers=("cmn", "cmn+f2"), augmentation=AugmentationSettings(noise_probability=0.0))
TEXTS = ("中年男性，上海人", "年轻女生，上班用。", "她说下周要来试一下。")


@pytest.fixture(scope="module")
def aligner() -> Aligner:
    return Aligner(str(NANO), device="cpu")


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    speaker = Speaker(SpeechSettings(voices=VOICES), VOICES, {})
    return speaker([{"id": f"row-{index}", "text": text} for index, text in enumerate(TEXTS)])


def test_rows_get_the_times_of_their_units(aligner, rows, tmp_path):
    aligned = aligner(rows)
    for before, row in zip(rows, aligned, strict=True):
        assert row["status"] == OK
        assert {name: row[name] for name in before} == before
        assert [(unit["character_start"], unit["character_end"]) for unit in row["units"]] == unit_spans(row["text"])
        assert 0 <= row["units"][0]["start"] < row["units"][-1]["end"] <= row["duration"] + 0.04
        assert row["confidence"] > 0.4
    write_parquet(tmp_path / "part.parquet", aligned, ALIGNED_SPEECH_SCHEMA)
    assert read_parquet(tmp_path / "part.parquet") == aligned


def test_rows_that_have_units_or_failed_stay_as_they_are(aligner):
    timed = TimedSpeaker(SpeechSettings(voices=VOICES), VOICES, {})([{"id": "a", "text": TEXTS[0]}])
    failed = {"id": "b", "text": "x", "audio": None, "status": FAILED, "error": "synthesis: silence"}
    assert aligner([*timed, failed]) == [timed[0] | {"confidence": None}, failed | {"units": None, "confidence": None}]


def test_one_row_that_cannot_be_aligned_costs_no_other(aligner, rows):
    broken = [
        rows[0],
        rows[0] | {"id": "other text", "text": TEXTS[2]},
        rows[1] | {"id": "marks", "text": "。。"},
        rows[1] | {"id": "too much", "text": TEXTS[0] * 20},
        rows[1] | {"id": "damaged", "audio": b"not a recording"},
        rows[2],
    ]
    aligned = aligner(broken)
    assert [row["status"] for row in aligned] == [OK, FAILED, FAILED, FAILED, FAILED, OK]
    assert [row["units"] is None for row in aligned] == [False, True, True, True, True, False]
    confidence, marks, much, damaged = (row["error"] for row in aligned[1:5])
    assert confidence.startswith("alignment: confidence 0.")
    assert aligned[1]["confidence"] < aligner.least_confidence
    assert marks.startswith("alignment: 。。: It has no letter")
    assert much.startswith("alignment: ")
    assert "tokens" in much
    assert damaged.startswith("audio: ")
    assert aligned[0]["units"] == aligner(rows[:1])[0]["units"]


def test_nothing_to_align_is_no_error(aligner):
    assert aligner([]) == []
