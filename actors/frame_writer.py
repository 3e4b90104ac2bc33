"""Encodes recordings with Whisper and stores the hidden states: rows of audio in, rows that say where in out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import torch
from torch import Tensor

from compression.features import check_layers, keyword_frames, trim_silence, utterance_frames
from compression.frame_store import FrameNotes, write_frames
from harken.audio import SAMPLE_RATE, decode_audio, resample
from harken.digests import model_digest
from harken.errors import HarkenError
from harken.records import FAILED, OK, Row, fingerprint
from harken.spotter_settings import EnrolmentSettings
from harken.whisper import Device, load_whisper

FRAMES_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("file", pa.string()),
        ("frames", pa.int64()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)

Kind = Literal["keyword", "utterance"]


class FrameWriter:
    """Rows ``{"id", "audio"[, "status", "error"]}`` in, rows of `FRAMES_SCHEMA` out, in the same order.

    One call writes one file into `folder`; its name, in the column `file`, comes from the rows' ids and the settings,
    so that rows which are encoded again replace their file. `frames` counts the encoder frames of the recording.

    A row that failed earlier stays failed with its error; one that fails here has the cause 'audio' (it cannot be
    decoded), 'silent' (keywords only: an utterance may be), 'too long' or 'encoding' (the model broke on it alone).

    Args:
        model: folder or hub id of the Whisper.
        layers: encoder layers to store, counted from 1, ascending.
        enrolment: how keywords are trimmed and padded; no part of an utterance's frames.
        kind: what the rows are.
        folder: where the files go; every node must see it.
        max_seconds: the longest recording, a keyword without the silence around it; None: the encoder's window.
            Keywords must fit the spotter's `verifier.keyword_seconds`.
        device, batch_size, threads: of the encoder; PyTorch's CPU threads are those of this process.

    Raises:
        HarkenError: a wrong model, layers that it does not have, or no GPU for ``device="cuda"``; later a folder that
            cannot be written, or frames beyond float16.
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
        torch.set_num_threads(threads)
        self.whisper = load_whisper(model, device)
        check_layers(self.whisper, layers)
        self.enrolment, self.kind, self.folder, self.batch_size = enrolment, kind, folder, batch_size
        self.notes = FrameNotes(model_digest(model), tuple(layers), enrolment if kind == "keyword" else None)
        window = self.whisper.window_seconds
        self.max_seconds = window if max_seconds is None else min(max_seconds, window)

    def __call__(self, rows: list[Row]) -> list[Row]:
        results: list[Row] = [
            {"id": row["id"], "file": None, "frames": None, "status": row.get("status", OK), "error": row.get("error")}
            for row in rows
        ]
        waves: dict[int, np.ndarray] = {}
        for index, row in enumerate(rows):
            if results[index]["status"] == OK:
                wave = self._wave(row)
                if isinstance(wave, str):
                    results[index] |= {"status": FAILED, "error": wave}
                else:
                    waves[index] = wave
        frames: dict[str, Tensor] = {}
        file = f"{self.kind}-{fingerprint(self.notes.as_json(), [row['id'] for row in rows])}.safetensors"
        for index, outcome in zip(waves, self._encode(list(waves.values())), strict=True):
            if isinstance(outcome, str):
                results[index] |= {"status": FAILED, "error": outcome}
            else:
                frames[rows[index]["id"]] = outcome
                results[index] |= {"file": file, "frames": outcome.shape[1]}
        if frames:
            write_frames(self.folder / file, frames, self.notes)
        return results

    def _wave(self, row: Row) -> np.ndarray | str:
        """The row's 16 kHz wave, or why it is not encoded."""
        try:
            wave, rate = decode_audio(row["audio"] or b"", name=row["id"])
        except HarkenError as failure:
            return f"audio: {failure}"
        speech = wave = resample(wave, rate, SAMPLE_RATE)
        if self.kind == "keyword":
            if self.enrolment.trim_db is not None:
                speech = trim_silence(wave, self.enrolment.trim_db)
            if not speech.any():
                return "silent: there is no sound in the recording"
        seconds = len(speech) / SAMPLE_RATE
        return f"too long: {seconds:.1f} s of at most {self.max_seconds:g} s" if seconds > self.max_seconds else wave

    def _encode(self, waves: list[np.ndarray]) -> list[Tensor | str]:
        """The frames of each wave, or why there are none."""
        try:
            return list(self.frames(waves)) if waves else []
        except RuntimeError as failure:
            # One recording (or a batch too large for the GPU) must not cost its neighbours their frames.
            if len(waves) == 1:
                return [f"encoding: {str(failure).strip().splitlines()[0]}"]
            return [outcome for wave in waves for outcome in self._encode([wave])]

    def frames(self, waves: Sequence[np.ndarray]) -> list[Tensor]:
        """Hidden states of 16 kHz waves, float32 (layers, frames, width) each."""
        layers = self.notes.layers
        if self.kind == "keyword":
            return keyword_frames(self.whisper, waves, layers, self.enrolment, self.batch_size)
        return utterance_frames(self.whisper, waves, layers, self.batch_size)
