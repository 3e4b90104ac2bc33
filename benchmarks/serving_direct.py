"""The transcriber's own parts called one after another: no HTTP, no file to decode, no batches, nobody else's call."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import ray
import torch

from actors.listener import Listener, Passage, Wave
from actors.phoneme_reader import espeak_voice
from actors.phonetics import Phonetics
from compression.storage import load_spotter
from harken.biasing.biaser import Biaser
from harken.biasing.transcript import join_transcripts
from harken.vad import VoiceActivity
from harken.whisper import load_whisper
from serve.graph_settings import GraphSettings
from serve.replicas.figures import Stages
from serve.replicas.windows import find_windows


@dataclass(frozen=True)
class DirectText:
    """What was written, in how many seconds, in all and by stage."""

    text: str
    seconds: float
    stages: Mapping[str, float]


class Direct:
    """`Parts` in a process that Ray has started as it starts replicas, so that both are scheduled alike.

    Seconds are taken inside that process: the call is in none of them.
    """

    def __init__(self, settings: GraphSettings) -> None:
        options = {"num_cpus": settings.transcriber.replicas.cpus, "num_gpus": settings.transcriber.replicas.gpus}
        self._parts: Any = ray.remote(Parts).options(**options).remote(settings)

    def transcribe(self, wave: np.ndarray) -> DirectText:
        """As `Parts.transcribe`."""
        found: DirectText = ray.get(self._parts.transcribe.remote(wave))
        return found


class Parts:
    """What a replica of the service holds of its default model, with as many threads."""

    def __init__(self, settings: GraphSettings) -> None:
        own, model = settings.transcriber, settings.models[settings.default_model]
        torch.set_num_threads(own.threads)
        whisper = load_whisper(model.folder, own.device, None if model.adapter is None else str(model.adapter))
        self._language = model.language or "zh"
        biaser = Biaser(whisper, Phonetics(espeak_voice(self._language).lower()), own.biasing)
        spotter = load_spotter(settings.glossary.spotter, whisper.device)
        self._listener = Listener(biaser, spotter, whisper, own.max_new_tokens)
        self._voice = VoiceActivity(own.vad)

    def transcribe(self, wave: np.ndarray) -> DirectText:
        """The text of a 16 kHz mono wave, without terms."""
        stages, began = Stages(), perf_counter()
        with stages.timed("windows"):
            windows = find_windows(self._voice, wave, self._listener.longest_samples)
        found = []
        for window in windows:
            with stages.timed("encode"):
                heard = self._listener.encode([Wave(window.samples, False)])[0]
            with stages.timed("decode"):
                found += self._listener.write([Passage(heard, (), self._language)])
        text = join_transcripts([one.transcript for one in found], [window.start for window in windows]).text
        return DirectText(text, perf_counter() - began, stages.seconds)
