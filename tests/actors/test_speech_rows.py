from pathlib import Path

import numpy as np
import soundfile

from actors.speech_rows import SPEECH_SCHEMA, RecordingReader
from harken.audio import SAMPLE_RATE, decode_audio


def test_recordings_become_speech_rows(tmp_path: Path) -> None:
    tone = 0.3 * np.sin(2 * np.pi * 220 * np.arange(44_100) / 44_100)
    soundfile.write(tmp_path / "tone.wav", tone, 44_100)
    (tmp_path / "broken.wav").write_bytes(b"no audio at all")
    rows = [
        {"id": name, "text": name, "audio_path": str(tmp_path / f"{name}.wav")} for name in ("tone", "broken", "gone")
    ]
    good, broken, gone = RecordingReader(max_seconds=5)(rows)
    assert set(good) == set(SPEECH_SCHEMA.names)
    wave, rate = decode_audio(good["audio"])
    assert (good["status"], rate, good["duration"]) == ("ok", SAMPLE_RATE, 1.0)
    assert np.abs(wave).max() > 0.25
    for row, name in ((broken, "broken.wav"), (gone, "gone.wav")):
        assert row["status"] == "failed"
        assert row["error"].startswith("recording:")
        assert name in row["error"]


def test_a_recording_longer_than_the_window_says_so(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "long.wav", np.zeros(3 * SAMPLE_RATE), SAMPLE_RATE)
    (row,) = RecordingReader(max_seconds=2)([{"id": "a", "text": "a", "audio_path": str(tmp_path / "long.wav")}])
    assert (row["status"], row["error"]) == ("failed", "too long: 3.0 s of at most 2 s")
