"""Hears speech rows: FLAC bytes in, what Whisper made of them out."""

import numpy as np
import pyarrow as pa
import torch

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
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)


class Transcriber:
    """Rows ``{"id", "audio", "sample_rate"[, "status", "error"]}`` in, rows of `HYPOTHESIS_SCHEMA` out, same order.

    A row that failed earlier stays failed with its error; unreadable audio fails with the cause 'audio', a
    decoding that the model itself breaks on with the cause 'decoding'. `truncated` says that the token limit
    came before the end of the text; `windows` how many pieces longer audio was cut into. `threads` are PyTorch's
    CPU threads in this process; the results depend on neither `threads` nor `batch_size`.

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

    def __call__(self, rows: list[Row]) -> list[Row]:
        results = [_blank(row) for row in rows]
        waves: dict[int, np.ndarray] = {}
        for index, row in enumerate(rows):
            if results[index]["status"] == OK:
                try:
                    wave, rate = decode_audio(row["audio"] or b"", name=row["id"])
                    waves[index] = resample(wave, rate, SAMPLE_RATE)
                except HarkenError as failure:
                    results[index] |= {"status": FAILED, "error": f"audio: {failure}"}
        for index, outcome in self._hear(waves).items():
            results[index] |= outcome
        return results

    def _hear(self, waves: dict[int, np.ndarray]) -> dict[int, Row]:
        if not waves:
            return {}
        try:
            heard = self.whisper.transcribe(
                list(waves.values()), SAMPLE_RATE, self.language, self.batch_size, self.max_new_tokens
            )
            return {index: _found(hypothesis) for index, hypothesis in zip(waves, heard, strict=True)}
        except RuntimeError as failure:
            # One utterance (or a batch too large for the GPU) must not cost its neighbours their transcripts.
            if len(waves) == 1:
                reason = str(failure).strip().splitlines()[0]
                return {index: {"status": FAILED, "error": f"decoding: {reason}"} for index in waves}
        outcomes: dict[int, Row] = {}
        for index, wave in waves.items():
            outcomes |= self._hear({index: wave})
        return outcomes


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
