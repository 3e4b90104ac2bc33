"""Synthesizers whose model is behind a server or a program and cannot be asked: its facts are stated by the user."""

from __future__ import annotations

import re

from actors.tts.interface import Licence, SpeechRequest
from actors.tts.phonemes import outside
from harken.speech_settings import ServedModelSettings


class ServedModel:
    """The parts of `Synthesizer` that `ServedModelSettings` answers."""

    def __init__(self, settings: ServedModelSettings) -> None:
        stated = settings.licence
        self._licence = Licence(stated.code, stated.weights, stated.output_use, stated.commercial)
        self._drops = re.compile(settings.drops) if settings.drops else None

    def speakers(self) -> list[str]:
        """Empty: there is no list of voices; the server or program answers for one it does not know."""
        return []

    def unreadable(self, request: SpeechRequest) -> list[str]:
        """What `drops` matches outside phonemes, each once."""
        return list(dict.fromkeys(self._drops.findall(outside(request.text_spoken)))) if self._drops else []
