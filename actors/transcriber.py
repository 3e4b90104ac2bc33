"""Hears speech rows: FLAC bytes in, what a recogniser made of them out."""

from abc import ABC, abstractmethod
from dataclasses import asdict

import numpy as np
import pyarrow as pa
import torch

from harken.acoustics import measure
from harken.audio import SAMPLE_RATE, decode_audio, resample
from harken.errors import HarkenError
from harken.records import FAILED, OK, Row
from harken.whisper import Device, Hypothesis, load_whisper

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
        results = [_blank(row) for row in rows]
        waves: dict[int, np.ndarray] = {}
        for index, row in enumerate(rows):
            if results[index]["status"] == OK:
                try:
                    wave, rate = decode_audio(row["audio"] or b"", name=row["id"])
                    waves[index] = resample(wave, rate, SAMPLE_RATE)
                    results[index] |= asdict(measure(waves[index]))
                except HarkenError as failure:
                    results[index] |= {"status": FAILED, "error": f"audio: {failure}"}
        heard = self.hear(list(waves.values())) if waves else []
        for index, outcome in zip(waves, heard, strict=True):
            results[index] |= outcome
        return results


class Transcriber(Recogniser):
    """Whisper as a recogniser.

    Batches hold waves of similar length (`harken.whisper.Whisper.transcribe`). A wave that the model itself breaks on
    fails with the cause 'decoding'. `truncated` says that the token limit came before the end of the text;
    `windows` how many pieces longer audio was cut into. `threads` are PyTorch's CPU threads in this process; the
    results depend on neither `threads` nor `batch_size`.

    Raises:
        HarkenError: a wrong model, adapter or language, or no GPU for ``device="cuda"``.
    """

    def __init__(
        self,
        model: str,
        language: str = "zh",
        batch_size: int = 16,
        max_new_tokens: int = 128,
        device: Device = "auto",
        adapter: str | None = None,
        threads: int = 1,
    ) -> None:
        torch.set_num_threads(threads)
        self.whisper = load_whisper(model, device, adapter)
        self.whisper.prompt_tokens(language)
        self.language = language
        self.batch_size = batch_size
        self.max_new_tokens = max_new_tokens

    def hear(self, waves: list[np.ndarray]) -> list[Row]:
        try:
            heard = self.whisper.transcribe(waves, SAMPLE_RATE, self.language, self.batch_size, self.max_new_tokens)
        except RuntimeError as failure:
            # One utterance (or a batch too large for the GPU) must not cost its neighbours their transcripts.
            if len(waves) == 1:
                reason = str(failure).strip().splitlines()[0]
                return [{"status": FAILED, "error": f"decoding: {reason}"}]
            return [outcome for wave in waves for outcome in self.hear([wave])]
        return [_found(hypothesis) for hypothesis in heard]


def _blank(row: Row) -> Row:
    blank: Row = dict.fromkeys(HYPOTHESIS_SCHEMA.names)
    blank |= {"id": row["id"], "status": row.get("status") or OK}
    if blank["status"] == FAILED:
        blank["error"] = row.get("error") or "unknown"
    return blank


def _found(hypothesis: Hypothesis) -> Row:
    return {
        "hypothesis": hypothesis.text,
        "average_logprob": hypothesis.average_logprob,
        "truncated": hypothesis.truncated,
        "windows": hypothesis.windows,
    }
