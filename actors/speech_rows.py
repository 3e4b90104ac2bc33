"""Rows of speech: their columns, and how audio and recordings fill them."""

import numpy as np
import pyarrow as pa

from harken.audio import SAMPLE_RATE, encode_flac, read_audio, resample
from harken.errors import HarkenError
from harken.records import FAILED, OK, Row

SPEECH_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("text_spoken", pa.string()),
        ("audio", pa.binary()),
        ("sample_rate", pa.int64()),
        ("duration", pa.float64()),
        ("speaker", pa.string()),
        ("style", pa.string()),
        ("licence", pa.string()),
        ("commercial_use", pa.bool_()),
        ("augmentation", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)

RECORDED = "recording"


class RecordingReader:
    """Rows ``{"id", "text", "audio_path"}`` in, speech rows out; they fail with the cause 'recording' or 'too long'."""

    def __init__(self, max_seconds: float) -> None:
        self.max_seconds = max_seconds

    def __call__(self, rows: list[Row]) -> list[Row]:
        return [
            dict.fromkeys(SPEECH_SCHEMA.names)
            | {"id": row["id"], "text": row["text"], "status": OK}
            | recorded(row["audio_path"], self.max_seconds)
            for row in rows
        ]


def recorded(path: str, max_seconds: float) -> Row:
    """The columns of a speech row that a recording fills, or its failure."""
    try:
        wave, rate = read_audio(path)
        return {"speaker": RECORDED, "augmentation": "{}"} | encoded(resample(wave, rate, SAMPLE_RATE), max_seconds)
    except HarkenError as failure:
        return {"status": FAILED, "error": f"recording: {failure}"}


def encoded(wave: np.ndarray, max_seconds: float) -> Row:
    """The columns that hold 16 kHz audio, or the failure 'too long'."""
    duration = len(wave) / SAMPLE_RATE
    if duration > max_seconds:
        return {"status": FAILED, "error": f"too long: {duration:.1f} s of at most {max_seconds:g} s"}
    return {"audio": encode_flac(wave, SAMPLE_RATE), "sample_rate": SAMPLE_RATE, "duration": duration}
