"""Where somebody speaks in a recording, told by Silero VAD, and the windows that are transcribed.

Silero's ONNX model runs through onnxruntime; of the package ``silero-vad`` (MIT) only the file is used, as importing it
sets PyTorch's number of threads for the whole process.
"""

import functools
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime

from harken.audio import SAMPLE_RATE, check_wave, split_at_pauses
from harken.errors import HarkenError
from harken.vad_settings import VadSettings

HOP = 512
"""Samples that each probability is for (32 ms)."""
_CONTEXT = 64
_STATE = (1, 1, 128)
_MODEL = Path("data") / "silero_vad_16k_sequence.onnx"
# A minute per pass bounds the memory of long recordings.
_HOPS_PER_PASS = 60 * SAMPLE_RATE // HOP


@dataclass(frozen=True)
class Stretch:
    """Samples `start` up to `end` of a wave at 16 kHz."""

    start: int
    end: int

    @property
    def seconds(self) -> tuple[float, float]:
        """Start and end in seconds."""
        return self.start / SAMPLE_RATE, self.end / SAMPLE_RATE


class VoiceActivity:
    """One session of the model; holds no state between recordings and may be used from several threads.

    Args:
        threads: of the session.

    Raises:
        HarkenError: the package ``silero-vad`` is missing or lacks the model's file.
    """

    def __init__(self, settings: VadSettings | None = None, threads: int = 1) -> None:
        self.settings = settings or VadSettings()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # It warns of unused initializers in Silero's file.
        options.log_severity_level = 3
        self._session = onnxruntime.InferenceSession(_model_file(), options, providers=["CPUExecutionProvider"])

    def probabilities(self, wave: np.ndarray) -> np.ndarray:
        """The probability of speech in every 32 ms of a mono wave at 16 kHz: float32 (ceil(samples / 512),).

        Raises:
            HarkenError: an empty, non-finite or not mono wave.
        """
        checked = check_wave(wave, "wave")
        count = -(-len(checked) // HOP)
        padded = np.pad(checked, (_CONTEXT, count * HOP - len(checked)))
        chunks = np.lib.stride_tricks.sliding_window_view(padded, _CONTEXT + HOP)[::HOP]
        hidden, cell = np.zeros(_STATE, np.float32), np.zeros(_STATE, np.float32)
        found = []
        for start in range(0, count, _HOPS_PER_PASS):
            part = np.ascontiguousarray(chunks[start : start + _HOPS_PER_PASS])
            speech, hidden, cell = self._session.run(None, {"input": part, "h": hidden, "c": cell})
            found.append(speech)
        joined: np.ndarray = np.concatenate(found)
        return joined

    def speech(self, wave: np.ndarray) -> list[Stretch]:
        """Where speech is, with its padding, in order; none overlap.

        Raises:
            HarkenError: as `probabilities`.
        """
        return self._padded(self._bursts(self.probabilities(wave)), len(wave))

    def windows(self, wave: np.ndarray, longest: int) -> list[Stretch]:
        """What is to be transcribed: stretches of at most `longest` samples that hold all speech, cut at pauses.

        Speech that is longer than a window is cut at its quietest moments. A recording without speech has no windows.

        Raises:
            HarkenError: as `probabilities`.
        """
        pieces: list[Stretch] = []
        for stretch in self.speech(wave):
            start = stretch.start
            for cut in split_at_pauses(wave[stretch.start : stretch.end], longest):
                pieces.append(Stretch(start, start + len(cut)))
                start += len(cut)
        windows: list[Stretch] = []
        pause = self.settings.longest_pause * SAMPLE_RATE
        for piece in pieces:
            last = windows[-1] if windows else None
            if last and piece.start - last.end <= pause and piece.end - last.start <= longest:
                windows[-1] = Stretch(last.start, piece.end)
            else:
                windows.append(piece)
        return windows

    def _bursts(self, probabilities: np.ndarray) -> list[Stretch]:
        """Runs of speech in samples, without padding."""
        settings = self.settings
        runs: list[Stretch] = []
        start: int | None = None
        for index, probability in enumerate([*probabilities.tolist(), 0.0]):
            if start is None and probability >= settings.threshold and index < len(probabilities):
                start = index * HOP
            elif start is not None and probability < settings.release:
                runs.append(Stretch(start, index * HOP))
                start = None
        if start is not None:
            runs.append(Stretch(start, len(probabilities) * HOP))
        joined: list[Stretch] = []
        for run in runs:
            if joined and run.start - joined[-1].end < settings.least_silence * SAMPLE_RATE:
                joined[-1] = Stretch(joined[-1].start, run.end)
            else:
                joined.append(run)
        return [run for run in joined if run.end - run.start >= settings.least_speech * SAMPLE_RATE]

    def _padded(self, runs: list[Stretch], samples: int) -> list[Stretch]:
        padding = int(self.settings.padding * SAMPLE_RATE)
        padded: list[Stretch] = []
        for index, run in enumerate(runs):
            # Neighbours share the pause between them.
            before = (runs[index - 1].end + run.start) // 2 if index else 0
            after = (run.end + runs[index + 1].start) // 2 if index + 1 < len(runs) else samples
            padded.append(Stretch(max(before, run.start - padding), min(after, run.end + padding, samples)))
        return padded


@functools.cache
def _model_file() -> str:
    found = importlib.util.find_spec("silero_vad")
    if found is None or not found.submodule_search_locations:
        raise HarkenError("package", "silero-vad", "It is not installed: install the project's dependencies.")
    file = Path(found.submodule_search_locations[0]) / _MODEL
    if not file.is_file():
        raise HarkenError("Silero VAD model", str(file), "It is not there: install silero-vad 6.2.3 or later.")
    return str(file)
