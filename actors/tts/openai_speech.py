"""Any server with OpenAI's `POST /v1/audio/speech`: vLLM or speaches with CosyVoice, Qwen3-TTS, Kokoro and others.

`SpeechRequest.speaker` is the server's voice name, `rate` its `speed`. Retries with jitter that honour Retry-After
are the `openai` client's own. The key is read from the environment and appears in no setting, row or log.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import openai

from actors.credentials import api_key
from actors.tts.interface import Capabilities, SpeechRequest, SpeechResult
from actors.tts.served import ServedModel
from harken.audio import check_wave, decode_audio
from harken.errors import HarkenError, first_line
from harken.speech_settings import OpenAISpeechSettings

# Every row would fail alike: the stage stops instead, and its finished parts are kept.
_NOT_THE_ROWS_FAULT = (openai.AuthenticationError, openai.PermissionDeniedError, openai.NotFoundError)
_SLOWEST, _FASTEST = 0.25, 4.0  # `speed` in the protocol


class OpenAISpeechSynthesizer(ServedModel):
    """A speech server as a `Synthesizer`.

    Raises:
        HarkenError: the environment variable that should hold the key is not set.
    """

    def __init__(self, settings: OpenAISpeechSettings) -> None:
        super().__init__(settings)
        self.settings = settings
        # Connections run into a limit of their own; the timeout is for one attempt, not for all retries.
        self._client = openai.OpenAI(
            api_key=api_key(settings.api_key_env, "speech.openai.api_key_env"),
            base_url=settings.base_url,
            timeout=settings.timeout_seconds,
            max_retries=settings.retries,
        )

    def capabilities(self) -> Capabilities:
        settings = self.settings
        adjusts = {"rate"} if settings.sends_rate else set()
        control = {"preset"}
        if settings.accent_instruction:
            adjusts.add("accent")
        if settings.instructions or settings.accent_instruction:
            control.add("instruct")
        if settings.phonemes:
            control.add("phoneme")
        return Capabilities(
            languages=frozenset(settings.languages),
            control=frozenset(control),
            per_row_speaker=True,
            per_row_seed=settings.sends_seed,
            sample_rate=settings.pcm_sample_rate if settings.format == "pcm" else 0,
            max_characters=settings.max_characters,
            licence=self._licence,
            adjusts=frozenset(adjusts),
            any_speaker=True,
        )

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[SpeechResult]:
        for request in requests:
            if request.style:
                raise HarkenError("speech server style", sorted(request.style), "The protocol takes no style keys")
            if not _SLOWEST <= request.rate <= _FASTEST:
                remedy = f"Keep voices.rate in {_SLOWEST}..{_FASTEST}"
                raise HarkenError(f"speech server rate of request {request.id}", request.rate, remedy)
        if not requests:
            return []
        with ThreadPoolExecutor(max_workers=self.settings.concurrency) as pool:
            answers = list(pool.map(self._ask, requests))
        unreached = [answer for answer in answers if isinstance(answer, openai.APIConnectionError)]
        timed_out = [answer for answer in unreached if isinstance(answer, openai.APITimeoutError)]
        if len(unreached) == len(answers) and not timed_out:
            remedy = f"No speech server answers there ({unreached[0].__cause__}): start it, then run again."
            raise HarkenError("speech.openai.base_url", self.settings.base_url, remedy)
        return [self._result(request, answer) for request, answer in zip(requests, answers, strict=True)]

    def _ask(self, request: SpeechRequest) -> bytes | openai.OpenAIError:
        """The server's answer, or what the client gave up with."""
        settings = self.settings
        instructions = [settings.instructions or ""]
        if request.accent and settings.accent_instruction:
            instructions.append(settings.accent_instruction.replace("{accent}", request.accent))
        options: dict[str, Any] = {}
        if any(instructions):
            options["instructions"] = " ".join(filter(None, instructions))
        if settings.sends_rate:
            options["speed"] = round(request.rate, 3)
        if settings.sends_seed:
            options["extra_body"] = {"seed": request.seed}
        try:
            answer = self._client.audio.speech.create(
                input=request.text_spoken,
                model=settings.model,
                voice=request.speaker,
                response_format=settings.format,
                **options,
            )
            return answer.content
        except _NOT_THE_ROWS_FAULT as failure:
            remedy = f"{settings.base_url} answered {failure.status_code}: {first_line(failure)}. "
            remedy += "Check the key, the model and the address."
            raise HarkenError("speech server model", settings.model, remedy) from None
        except openai.OpenAIError as failure:
            return failure

    def _result(self, request: SpeechRequest, answer: bytes | openai.OpenAIError) -> SpeechResult:
        wave: np.ndarray | None = None
        rate, error = 0, None
        if isinstance(answer, openai.OpenAIError):
            error = self._explain(answer)
        else:
            try:
                wave, rate = self._decode(answer, request.id)
            except HarkenError as failure:
                error = f"the server's answer is no {self.settings.format}: {failure.remedy}"
        return SpeechResult(request.id, wave, rate, request.text_spoken, error=error)

    def _explain(self, failure: openai.OpenAIError) -> str:
        if isinstance(failure, openai.APIStatusError):
            return f"the server answered {failure.status_code}: {first_line(failure)}"
        if isinstance(failure, openai.APITimeoutError):
            return f"the server did not answer in {self.settings.timeout_seconds:g} s"
        return f"{type(failure).__name__}: {first_line(failure)}"

    def _decode(self, content: bytes, name: str) -> tuple[np.ndarray, int]:
        if self.settings.format != "pcm":
            return decode_audio(repair_wave_length(content), name=name)
        if len(content) % 2:
            remedy = f"It has {len(content)} bytes, which is no whole number of 16-bit samples."
            raise HarkenError("audio", name, remedy)
        wave = np.frombuffer(content, "<i2").astype(np.float32) / 32768
        return check_wave(wave, name), self.settings.pcm_sample_rate


def repair_wave_length(content: bytes) -> bytes:
    """A WAV whose header states a length beyond its end (servers that stream cannot know it) with the true one.

    Anything else, and a WAV that is right, is returned as it is.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return content
    position = 12
    while position + 8 <= len(content):
        name, size = content[position : position + 4], struct.unpack_from("<I", content, position + 4)[0]
        present = len(content) - position - 8
        if name == b"data" and size > present:
            repaired = bytearray(content)
            struct.pack_into("<I", repaired, position + 4, present)
            struct.pack_into("<I", repaired, 4, len(content) - 8)
            return bytes(repaired)
        position += 8 + size + size % 2
    return content
