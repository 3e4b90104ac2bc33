"""Finds out when each unit of a speech row's text is said, for rows whose synthesizer or corpus does not tell."""

import numpy as np
import pyarrow as pa
import torch

from actors.timed_speaker import TIMED_SPEECH_SCHEMA
from harken.audio import SAMPLE_RATE, decode_audio, resample
from harken.errors import HarkenError, first_line
from harken.forced_alignment import Alignment, align
from harken.records import FAILED, OK, Row
from harken.unit_times import unit_rows
from harken.whisper import Device, load_whisper

ALIGNED_SPEECH_SCHEMA = TIMED_SPEECH_SCHEMA.append(pa.field("confidence", pa.float64()))


class Aligner:
    """Speech rows in, the same with ``units`` and ``confidence`` out (`ALIGNED_SPEECH_SCHEMA`), same order.

    A row that has units or failed earlier stays as it is, without a confidence. `confidence` is
    `harken.forced_alignment.Alignment`'s; a row below `least_confidence`, whose text is probably not what is said,
    and one that cannot be aligned (audio longer than the window, more tokens than anybody says in it) fail with the
    cause 'alignment', unreadable audio with the cause 'audio'. Of the nano model on espeak's speech, right texts have
    0.31 and above, and 19 of 20 wrong ones less than 0.25. `threads` are PyTorch's CPU threads in this process.

    Raises:
        HarkenError: a wrong model or language, or no GPU for ``device="cuda"``.
    """

    def __init__(
        self,
        model: str,
        language: str = "zh",
        device: Device = "auto",
        batch_size: int = 16,
        least_confidence: float = 0.3,
        threads: int = 1,
    ) -> None:
        torch.set_num_threads(threads)
        self.whisper = load_whisper(model, device)
        self.whisper.prompt_tokens(language)
        self.language = language
        self.batch_size = batch_size
        self.least_confidence = least_confidence

    def __call__(self, rows: list[Row]) -> list[Row]:
        found: list[Row] = [{"units": None, "confidence": None} | row for row in rows]
        waves: dict[int, np.ndarray] = {}
        for index, row in enumerate(found):
            if row["units"] is None and (row.get("status") or OK) == OK:
                try:
                    wave, rate = decode_audio(row["audio"] or b"", name=row["id"])
                    waves[index] = resample(wave, rate, SAMPLE_RATE)
                except HarkenError as failure:
                    row |= {"status": FAILED, "error": f"audio: {failure}"}
        texts = [found[index]["text"] for index in waves]
        for index, outcome in zip(waves, self._align(list(waves.values()), texts), strict=True):
            found[index] |= outcome
        return found

    def _align(self, waves: list[np.ndarray], texts: list[str]) -> list[Row]:
        try:
            aligned = align(self.whisper, waves, texts, self.language, self.batch_size)
        except (HarkenError, RuntimeError) as failure:
            # One row (or a batch too large for the GPU) must not cost its neighbours their times.
            if len(waves) > 1:
                half = len(waves) // 2
                return self._align(waves[:half], texts[:half]) + self._align(waves[half:], texts[half:])
            reason = f"{failure.value}: {failure.remedy}" if isinstance(failure, HarkenError) else first_line(failure)
            return [{"status": FAILED, "error": f"alignment: {reason}"}]
        return [self._outcome(alignment) for alignment in aligned]

    def _outcome(self, alignment: Alignment) -> Row:
        row: Row = {"units": unit_rows(alignment.units), "confidence": alignment.confidence}
        if alignment.confidence < self.least_confidence:
            found = f"confidence {alignment.confidence:.3f} of at least {self.least_confidence:g}"
            row |= {"units": None, "status": FAILED, "error": f"alignment: {found}: the text may not be what is said"}
        return row
