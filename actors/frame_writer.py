"""Encodes recordings with Whisper and stores the hidden states: rows of audio in, rows that say where in out."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
from torch import Tensor

from actors.recording_encoder import Kind, RecordingEncoder
from compression.frame_store import FrameNotes, write_frames
from harken.digests import model_digest
from harken.records import FAILED, OK, Row, fingerprint
from harken.spotter_settings import EnrolmentSettings
from harken.whisper import Device

FRAMES_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("file", pa.string()),
        ("frames", pa.int64()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)


class FrameWriter(RecordingEncoder):
    """Rows ``{"id", "audio"[, "status", "error"]}`` in, rows of `FRAMES_SCHEMA` out, in the same order.

    One call writes one file into `folder`; its name, in the column `file`, comes from the rows' ids and the settings,
    so that rows which are encoded again replace their file. `frames` counts the encoder frames of the recording.

    A row that failed earlier stays failed with its error; one that fails here has a cause of
    `RecordingEncoder.encode`.

    Args:
        folder: where the files go; every node must see it.
        model, layers, enrolment, kind, device, batch_size, threads: as of `RecordingEncoder`.
        max_seconds: the same; keywords must fit the spotter's `verifier.keyword_seconds`.

    Raises:
        HarkenError: as `RecordingEncoder`; later a folder that cannot be written, or frames beyond float16.
    """

    def __init__(
        self,
        model: str,
        layers: Sequence[int],
        enrolment: EnrolmentSettings,
        kind: Kind,
        folder: Path,
        max_seconds: float | None = None,
        device: Device = "auto",
        batch_size: int = 16,
        threads: int = 1,
    ) -> None:
        super().__init__(model, layers, enrolment, kind, max_seconds, device, batch_size, threads)
        self.folder = folder
        self.notes = FrameNotes(model_digest(model), tuple(layers), enrolment if kind == "keyword" else None)

    def __call__(self, rows: list[Row]) -> list[Row]:
        file = f"{self.kind}-{fingerprint(self.notes.as_json(), [row['id'] for row in rows])}.safetensors"
        results: list[Row] = []
        frames: dict[str, Tensor] = {}
        for row, outcome in zip(rows, self.encode(rows), strict=True):
            if isinstance(outcome, str):
                results.append({"id": row["id"], "file": None, "frames": None, "status": FAILED, "error": outcome})
            else:
                frames[row["id"]] = outcome
                kept = {"file": file, "frames": outcome.shape[1]}
                results.append({"id": row["id"], **kept, "status": OK, "error": None})
        if frames:
            write_frames(self.folder / file, frames, self.notes)
        return results
