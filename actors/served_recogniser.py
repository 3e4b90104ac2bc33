"""A recogniser behind a server with OpenAI's `POST /v1/audio/transcriptions`: the adapter of the second judge.

Non-autoregressive recognisers (SenseVoice, Paraformer) cannot fall into a decoder's loops, which makes them good
second judges; FunASR, speaches and others serve them this way. Anything else fits behind `Recogniser.hear`.
"""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openai
import soundfile

from actors.credentials import api_key
from actors.recogniser import Recogniser
from harken.audio import SAMPLE_RATE
from harken.errors import HarkenError, first_line
from harken.judge_settings import RecogniserServerSettings
from harken.records import FAILED, Row

# Every row would fail alike: the stage stops instead, and its finished parts are kept.
_NOT_THE_ROWS_FAULT = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)
# SenseVoice puts language, emotion and events before its text: <|zh|><|NEUTRAL|><|Speech|><|woitn|>.
_TAGS = re.compile(r"<\|[^|<>]*\|>")


class ServedRecogniser(Recogniser):
    """A transcription server as a recogniser; a row that it refuses fails with the cause 'server'.

    Raises:
        HarkenError: the environment variable that should hold the key is not set.
    """

    def __init__(self, settings: RecogniserServerSettings, language: str | None = "zh") -> None:
        self.settings = settings
        self._options: dict[str, Any] = {"language": language} if language and settings.sends_language else {}
        self._client = openai.OpenAI(
            api_key=api_key(settings.api_key_env, "judge.second.server.api_key_env"),
            base_url=settings.base_url,
            timeout=settings.timeout_seconds,
            max_retries=settings.retries,
        )

    def hear(self, waves: list[np.ndarray]) -> list[Row]:
        with ThreadPoolExecutor(max_workers=self.settings.concurrency) as pool:
            answers = list(pool.map(self._ask, waves))
        failures = [answer for answer in answers if isinstance(answer, openai.OpenAIError)]
        unreached = [failure for failure in failures if type(failure) is openai.APIConnectionError]
        if unreached and len(unreached) == len(answers):
            remedy = f"No recogniser answers there ({unreached[0].__cause__}): start it, then run again."
            raise HarkenError("judge.second.server.base_url", self.settings.base_url, remedy)
        return [self._outcome(answer) for answer in answers]

    def _ask(self, wave: np.ndarray) -> str | openai.OpenAIError:
        """The transcript, or what the client gave up with."""
        settings = self.settings
        stream = io.BytesIO()
        soundfile.write(stream, wave, SAMPLE_RATE, format="WAV", subtype="PCM_16")
        try:
            answer: Any = self._client.audio.transcriptions.create(
                file=("speech.wav", stream.getvalue()), model=settings.model, response_format="json", **self._options
            )
            return str(answer.text)
        except _NOT_THE_ROWS_FAULT as failure:
            remedy = f"{settings.base_url} answered {failure.status_code}: {first_line(failure)}. "
            remedy += "Check the key, the model and the address."
            raise HarkenError("judge.second.server.model", settings.model, remedy) from None
        except openai.OpenAIError as failure:
            return failure

    def _outcome(self, answer: str | openai.OpenAIError) -> Row:
        if isinstance(answer, str):
            return {"hypothesis": _TAGS.sub("", answer).strip(), "truncated": False, "windows": 1}
        if isinstance(answer, openai.APITimeoutError):
            reason = f"it did not answer in {self.settings.timeout_seconds:g} s"
        elif isinstance(answer, openai.APIStatusError):
            reason = f"it answered {answer.status_code}: {first_line(answer)}"
        else:
            reason = f"{type(answer).__name__}: {first_line(answer)}"
        return {"status": FAILED, "error": f"server: {reason}"}
