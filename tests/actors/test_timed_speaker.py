"""Speech rows with the times of their units."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from actors.speaker import Speaker
from actors.timed_speaker import TIMED_SPEECH_SCHEMA, TimedSpeaker
from harken.records import FAILED, OK, Row, read_parquet, write_parquet
from harken.settings import AugmentationSettings, SpeechSettings, VoiceSettings
from harken.text import unit_spans

VOICES = VoiceSettings(speakers=("cmn", "cmn+f2", "cmn+m3"))
ROWS = [{"id": "a", "text": "中年男性，上海人"}, {"id": "b", "text": "喜欢Speedy系列"}]


def timed(voices: VoiceSettings = VOICES, pronunciations: dict[str, list[str]] | None = None) -> TimedSpeaker:
    return TimedSpeaker(SpeechSettings(voices=voices), voices, pronunciations or {})


def times(row: Row) -> list[float]:
    return [time for unit in row["units"] for time in (unit["start"], unit["end"])]


def test_a_timed_row_is_the_speakers_row_and_its_units():
    rows = timed()(ROWS)
    plain = Speaker(SpeechSettings(voices=VOICES), VOICES, {})(ROWS)
    assert [{name: value for name, value in row.items() if name != "units"} for row in rows] == plain
    for row in rows:
        assert [(unit["character_start"], unit["character_end"]) for unit in row["units"]] == unit_spans(row["text"])
        assert times(row) == sorted(times(row))
        assert 0 <= times(row)[0] < times(row)[-1] <= row["duration"]


def test_units_follow_the_speed():
    def with_speed(**settings) -> Row:
        changes = AugmentationSettings(noise_probability=0.0, **settings)
        return timed(VoiceSettings(speakers=("cmn",), augmentation=changes))(ROWS[:1])[0]

    clean, slow = with_speed(), with_speed(speed_probability=1.0, speed=(0.5, 0.5))
    assert times(slow) == pytest.approx([2 * time for time in times(clean)])
    assert times(slow)[-1] <= slow["duration"]


def test_rows_whose_times_are_not_known_have_none(tmp_path: Path):
    recording = tmp_path / "a.wav"
    soundfile.write(recording, np.sin(np.arange(16000) / 20).astype(np.float32) * 0.3, 16000)
    rows = timed(pronunciations={"speedy": ["斯比迪"]})(
        [
            *ROWS,
            {"id": "recording", "text": "x", "audio_path": str(recording)},
            {"id": "failed", "text": "", "status": FAILED, "error": "no keyword: x"},
            {"id": "emoji", "text": "喜欢😀"},
        ]
    )
    assert [row["units"] is None for row in rows] == [False, True, True, True, True]
    assert [row["status"] for row in rows] == [OK, OK, OK, FAILED, FAILED]


def test_rows_are_the_same_after_parquet(tmp_path: Path):
    rows = timed()([*ROWS, {"id": "failed", "text": "", "status": FAILED, "error": "no keyword: x"}])
    write_parquet(tmp_path / "part.parquet", rows, TIMED_SPEECH_SCHEMA)
    assert read_parquet(tmp_path / "part.parquet") == rows
