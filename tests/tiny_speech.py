"""Speech rows small enough for tests: tones whose pitch says which text they are, in real Parquet parts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from harken.audio import SAMPLE_RATE, encode_flac
from harken.records import write_parquet

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("audio", pa.binary()),
        ("sample_rate", pa.int64()),
        ("duration", pa.float64()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)


def tone_rows(texts: Sequence[str], prefix: str, seconds: float = 0.5) -> list[dict]:
    """One row for each text; equal texts sound alike."""
    pitches = {text: 200.0 + 150.0 * index for index, text in enumerate(sorted(set(texts)))}
    rows = []
    for index, text in enumerate(texts):
        duration = seconds + 0.05 * (index % 7)
        time = np.arange(int(duration * SAMPLE_RATE)) / SAMPLE_RATE
        wave = (0.3 * np.sin(2 * np.pi * pitches[text] * time)).astype(np.float32)
        rows.append(
            {
                "id": f"{prefix}-{index:03d}",
                "text": text,
                "audio": encode_flac(wave, SAMPLE_RATE),
                "sample_rate": SAMPLE_RATE,
                "duration": duration,
                "status": "ok",
                "error": None,
            }
        )
    return rows


def write_parts(folder: Path, rows: Sequence[dict], rows_per_part: int = 8) -> list[Path]:
    """The rows as Parquet parts; returns their paths in order."""
    parts = []
    for start in range(0, len(rows), rows_per_part):
        part = folder / f"part-{start // rows_per_part:05d}.parquet"
        write_parquet(part, rows[start : start + rows_per_part], SCHEMA)
        parts.append(part)
    return parts
