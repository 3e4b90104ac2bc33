"""Hears speech rows with a glossary: the same search and the same biasing as the service's, in batches.

An utterance is encoded once, its compressed frames are searched for terms, and the unbiased and the biased text are
decoded from the same encoder output (`BiasedTranscriber`). A spotter and its glossary belong to the encoder they were
made with, so an adapted model (`GuidedTranscriber`) is told what was detected through that encoder, and encodes an
utterance once itself, to decode it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from actors.biased_rows import BIASED_SCHEMA, BiasedWindow, biased_columns, detections_of, stretches_of
from actors.listener import Listener, Passage, Wave
from actors.phoneme_reader import espeak_voice
from actors.phonetics import Phonetics
from actors.recogniser import take_waves
from compression.cascade.search import Cascade
from compression.features import encoder_shape
from compression.glossary.glossary import open_glossary
from compression.glossary.manifest import Models
from compression.search_model import SearchModel
from compression.storage import load_spotter
from harken.audio import SAMPLE_RATE, split_at_pauses
from harken.biasing.biaser import Biaser
from harken.biasing.settings import BiasingSettings
from harken.cascade_settings import CascadeSettings
from harken.detection import Detection
from harken.digests import model_digest
from harken.errors import first_line
from harken.records import FAILED, Row
from harken.vad import Stretch, VoiceActivity
from harken.vad_settings import VadSettings
from harken.whisper import Device, load_whisper


@dataclass(frozen=True)
class Window:
    """A stretch of the recording of row `row`: its samples at 16 kHz, and what is known to be in it."""

    row: int
    stretch: Stretch
    samples: np.ndarray
    detections: tuple[Detection, ...] = ()


class _WindowTranscriber(ABC):
    """Speech rows in, rows of `BIASED_SCHEMA` out, same order; windows of all rows of a call share batches.

    A row that failed earlier stays failed with its error; unreadable audio fails with the cause 'audio', a window that
    the model itself breaks on with the cause 'decoding'.
    """

    batch_size: int

    @abstractmethod
    def windows(self, place: int, row: Row, wave: np.ndarray) -> list[Window]:
        """The windows of the row at a place, in order; none where nobody speaks."""

    @abstractmethod
    def write(self, windows: Sequence[Window]) -> list[BiasedWindow]:
        """What is said in a batch of windows."""

    def __call__(self, rows: list[Row]) -> list[Row]:
        results, waves = take_waves(rows, BIASED_SCHEMA.names)
        windows = [window for place, wave in waves.items() for window in self.windows(place, rows[place], wave)]
        written: dict[int, BiasedWindow | str] = {}
        by_length = sorted(range(len(windows)), key=lambda number: (len(windows[number].samples), number))
        for start in range(0, len(by_length), self.batch_size):
            batch = by_length[start : start + self.batch_size]
            written.update(zip(batch, self._attempt([windows[number] for number in batch]), strict=True))
        for place in waves:
            own = [written[number] for number, window in enumerate(windows) if window.row == place]
            failures = [outcome for outcome in own if isinstance(outcome, str)]
            if failures:
                results[place] |= {"status": FAILED, "error": failures[0]}
            else:
                results[place] |= biased_columns([one for one in own if isinstance(one, BiasedWindow)])
        return results

    def _attempt(self, windows: Sequence[Window]) -> list[BiasedWindow | str]:
        try:
            return list(self.write(windows))
        except RuntimeError as failure:
            # One window (or a batch too large for the GPU) must not cost its neighbours their transcripts.
            if len(windows) == 1:
                return [f"decoding: {first_line(failure)}"]
            return [outcome for window in windows for outcome in self._attempt([window])]


class BiasedTranscriber(_WindowTranscriber):
    """Speech rows ``{"id", "audio", "sample_rate"[, "status", "error"]}`` in, rows of `BIASED_SCHEMA` out.

    Args:
        model: the Whisper that writes, and whose encoder spotter and glossary belong to.
        spotter: folder of the spotter.
        search: folder of the search model.
        glossary: folder of the store.
        version: of the store, whichever is the newest by now.
        vad: None: recordings are cut at pauses and nothing is left out.
        threads: PyTorch's and the search's CPU threads in this process.

    Raises:
        HarkenError: a wrong model or language, spotter, search model or glossary, or ones that do not fit.
    """

    def __init__(
        self,
        model: str,
        spotter: Path,
        search: Path,
        glossary: Path,
        version: int,
        cascade: CascadeSettings,
        vad: VadSettings | None,
        rules: BiasingSettings,
        language: str = "zh",
        batch_size: int = 16,
        max_new_tokens: int = 128,
        device: Device = "auto",
        threads: int = 1,
    ) -> None:
        torch.set_num_threads(threads)
        whisper = load_whisper(model, device)
        whisper.prompt_tokens(language)
        loaded = load_spotter(spotter, whisper.device)
        loaded.check_encoder(encoder_shape(whisper))
        search_model = SearchModel.load(search, loaded)
        models = Models(encoder=model_digest(model), spotter=search_model.spotter, search=search_model.fingerprint())
        opened = open_glossary(glossary, models, version=version, threads=threads)
        self.cascade = Cascade(loaded, search_model, opened, cascade)
        self.listener = Listener(Biaser(whisper, _sounds(language), rules), loaded, whisper, max_new_tokens)
        self.voice = VoiceActivity(vad, threads) if vad else None
        self.language = language
        self.batch_size = batch_size

    def windows(self, place: int, row: Row, wave: np.ndarray) -> list[Window]:
        longest = self.listener.longest_samples
        stretches = self.voice.windows(wave, longest) if self.voice else _cut(wave, longest)
        return [Window(place, one, wave[one.start : one.end]) for one in stretches]

    def write(self, windows: Sequence[Window]) -> list[BiasedWindow]:
        heard = self.listener.encode([Wave(window.samples, spotted=True) for window in windows])
        passages = [
            Passage(one, tuple(self.cascade.detect(one.compressed)) if one.compressed else (), self.language)
            for one in heard
        ]
        written = self.listener.write(passages)
        return [
            BiasedWindow(window.stretch, passage.detections, one.transcript)
            for window, passage, one in zip(windows, passages, written, strict=True)
        ]


class GuidedTranscriber(_WindowTranscriber):
    """Speech rows with the columns ``speech`` and ``terms`` of a `BiasedTranscriber` in, rows of the same kind out.

    Args:
        model: the Whisper that writes.

    Raises:
        HarkenError: a wrong model or language.
    """

    def __init__(
        self,
        model: str,
        rules: BiasingSettings,
        language: str = "zh",
        batch_size: int = 16,
        max_new_tokens: int = 128,
        device: Device = "auto",
        threads: int = 1,
    ) -> None:
        torch.set_num_threads(threads)
        self.whisper = load_whisper(model, device)
        self.whisper.prompt_tokens(language)
        self.biaser = Biaser(self.whisper, _sounds(language), rules)
        self.language = language
        self.max_new_tokens = max_new_tokens
        self.batch_size = batch_size

    def windows(self, place: int, row: Row, wave: np.ndarray) -> list[Window]:
        return [
            Window(place, stretch, wave[stretch.start : stretch.end], detections)
            for stretch, detections in zip(stretches_of(row), detections_of(row), strict=True)
        ]

    def write(self, windows: Sequence[Window]) -> list[BiasedWindow]:
        transcripts = self.biaser.transcribe(
            self.whisper.encode(self.whisper.features([window.samples for window in windows])),
            [len(window.samples) / SAMPLE_RATE for window in windows],
            [window.detections for window in windows],
            self.language,
            self.max_new_tokens,
        )
        return [
            BiasedWindow(window.stretch, window.detections, transcript)
            for window, transcript in zip(windows, transcripts, strict=True)
        ]


def _cut(wave: np.ndarray, longest: int) -> list[Stretch]:
    stretches, start = [], 0
    for piece in split_at_pauses(wave, longest):
        stretches.append(Stretch(start, start + len(piece)))
        start += len(piece)
    return stretches


def _sounds(language: str) -> Phonetics:
    return Phonetics(espeak_voice(language).lower())
