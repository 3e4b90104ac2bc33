"""Whisper's hidden states of recordings in rows; a recording that cannot be encoded costs no other one its frames."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from compression.features import check_layers, keyword_frames, trim_silence, utterance_frames
from harken.audio import SAMPLE_RATE, decode_audio, resample
from harken.errors import HarkenError, first_line
from harken.records import OK, Row
from harken.spotter_settings import EnrolmentSettings
from harken.whisper import Device, Whisper, load_whisper

Kind = Literal["keyword", "utterance"]


class RecordingEncoder:
    """Encodes rows ``{"id", "audio"[, "status", "error"]}``.

    Args:
        model: the Whisper, or its folder or hub id.
        layers: encoder layers to give, counted from 1, ascending.
        enrolment: how keywords are trimmed and padded; no part of an utterance's frames.
        kind: what the rows are.
        max_seconds: the longest recording, a keyword without the silence around it; None: the encoder's window.
        device, batch_size, threads: of the encoder; PyTorch's CPU threads are those of this process.

    Raises:
        HarkenError: a wrong model, layers that it does not have, or no GPU for ``device="cuda"``.
    """

    def __init__(
        self,
        model: str | Whisper,
        layers: Sequence[int],
        enrolment: EnrolmentSettings,
        kind: Kind,
        max_seconds: float | None = None,
        device: Device = "auto",
        batch_size: int = 16,
        threads: int = 1,
    ) -> None:
        torch.set_num_threads(threads)
        self.whisper = load_whisper(model, device) if isinstance(model, str) else model
        check_layers(self.whisper, layers)
        self.layers, self.enrolment, self.kind, self.batch_size = tuple(layers), enrolment, kind, batch_size
        window = self.whisper.window_seconds
        self.max_seconds = window if max_seconds is None else min(max_seconds, window)

    def encode(self, rows: Sequence[Row]) -> list[Tensor | str]:
        """Of each row its hidden states, float32 (layers, frames, width), or why there are none.

        That is the error with which it failed earlier, or one of the cause 'audio' (it cannot be decoded), 'silent'
        (keywords only: an utterance may be), 'too long' or 'encoding' (the model broke on it alone).
        """
        outcomes: list[Tensor | str] = [str(row.get("error")) for row in rows]
        waves: dict[int, np.ndarray] = {}
        for index, row in enumerate(rows):
            if row.get("status", OK) == OK:
                wave = self._wave(row)
                if isinstance(wave, str):
                    outcomes[index] = wave
                else:
                    waves[index] = wave
        for index, outcome in zip(waves, self._encode(list(waves.values())), strict=True):
            outcomes[index] = outcome
        return outcomes

    def frames(self, waves: Sequence[np.ndarray]) -> list[Tensor]:
        """Hidden states of 16 kHz waves, float32 (layers, frames, width) each."""
        if self.kind == "keyword":
            return keyword_frames(self.whisper, waves, self.layers, self.enrolment, self.batch_size)
        return utterance_frames(self.whisper, waves, self.layers, self.batch_size)

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
                return [f"encoding: {first_line(failure)}"]
            return [outcome for wave in waves for outcome in self._encode([wave])]
