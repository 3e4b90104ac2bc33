"""Hears speech rows with Whisper: FLAC bytes in, what it made of them out."""

import numpy as np
import torch

from actors.recogniser import HYPOTHESIS_SCHEMA, Recogniser
from harken.audio import SAMPLE_RATE
from harken.errors import first_line
from harken.records import FAILED, Row
from harken.whisper import Device, Hypothesis, load_whisper

__all__ = ["HYPOTHESIS_SCHEMA", "Transcriber"]


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
                return [{"status": FAILED, "error": f"decoding: {first_line(failure)}"}]
            return [outcome for wave in waves for outcome in self.hear([wave])]
        return [_found(hypothesis) for hypothesis in heard]


def _found(hypothesis: Hypothesis) -> Row:
    return {
        "hypothesis": hypothesis.text,
        "average_logprob": hypothesis.average_logprob,
        "truncated": hypothesis.truncated,
        "windows": hypothesis.windows,
    }
