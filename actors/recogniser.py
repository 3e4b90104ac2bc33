"""What every recogniser that can judge has in common: FLAC bytes in, what was heard of them out."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pyarrow as pa

from harken.acoustics import measure
from harken.audio import SAMPLE_RATE, decode_audio, resample
from harken.errors import HarkenError
from harken.records import FAILED, OK, Row

HYPOTHESIS_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("hypothesis", pa.string()),
        ("average_logprob", pa.float64()),
        ("truncated", pa.bool_()),
        ("windows", pa.int64()),
        ("level_db", pa.float64()),
        ("range_db", pa.float64()),
        ("clipped", pa.float64()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)


class Recogniser(ABC):
    """Rows ``{"id", "audio", "sample_rate"[, "status", "error"]}`` in, rows of `HYPOTHESIS_SCHEMA` out, same order.

    The face of every recogniser that can judge: a subclass only has to hear waves (`hear`). A row that failed
    earlier stays failed with its error; unreadable audio fails with the cause 'audio'. The columns of
    `harken.acoustics` are measured here, where the wave is decoded anyway.
    """

    @abstractmethod
    def hear(self, waves: list[np.ndarray]) -> list[Row]:
        """What is said in 16 kHz mono waves, in their order, as rows of some of ``{"hypothesis", "average_logprob",
        "truncated", "windows"}``; a wave that cannot be heard gives ``{"status": "failed", "error": "cause: why"}``.

        Raises:
            HarkenError: no wave can be heard at all, whatever it holds.
        """

    def __call__(self, rows: list[Row]) -> list[Row]:
        results, waves = take_waves(rows, HYPOTHESIS_SCHEMA.names)
        heard = self.hear(list(waves.values())) if waves else []
        for index, outcome in zip(waves, heard, strict=True):
            results[index] |= outcome
        return results


def take_waves(rows: Sequence[Row], columns: Sequence[str]) -> tuple[list[Row], dict[int, np.ndarray]]:
    """Blank results of speech rows with their acoustics, and by the row's place the waves (16 kHz, mono) to be heard.

    A row that failed earlier, or whose audio cannot be read, has failed in its result and has no wave.

    Args:
        rows: as `Recogniser` takes them.
        columns: of a result; those of `HYPOTHESIS_SCHEMA` are among them.
    """
    results = [_blank(row, columns) for row in rows]
    waves: dict[int, np.ndarray] = {}
    for index, row in enumerate(rows):
        if results[index]["status"] == OK:
            try:
                wave, rate = decode_audio(row["audio"] or b"", name=row["id"])
                waves[index] = resample(wave, rate, SAMPLE_RATE)
                results[index] |= asdict(measure(waves[index]))
            except HarkenError as failure:
                results[index] |= {"status": FAILED, "error": f"audio: {failure}"}
    return results, waves


def _blank(row: Row, columns: Sequence[str]) -> Row:
    blank: Row = dict.fromkeys(columns)
    blank |= {"id": row["id"], "status": row.get("status") or OK}
    if blank["status"] == FAILED:
        blank["error"] = row.get("error") or "unknown"
    return blank
