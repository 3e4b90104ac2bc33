"""CMU Flite, the small English synthesizer, through its command-line program (optional: package `flite` in Debian).

`SpeechRequest.rate` divides Flite's duration stretch; `pitch` is in semitones around the voice's mean pitch.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
import soxr

from actors.tts.interface import Capabilities, Licence, SpeechRequest, SpeechResult
from harken.errors import HarkenError

# Mean pitch in Hz of each built-in voice.
VOICES = {"kal": 105.0, "awb": 130.0, "rms": 95.0, "slt": 170.0}


def flite_binary() -> str | None:
    """The path of the installed `flite` program, or None."""
    return shutil.which("flite")


class FliteSynthesizer:
    """Flite as a `Synthesizer`; raises `HarkenError` at construction when the program is not installed."""

    def __init__(self, sample_rate: int = 16_000) -> None:
        binary = flite_binary()
        if binary is None:
            remedy = "Install it (Debian and Ubuntu: apt install flite) or use espeak."
            raise HarkenError("speech engine", "flite", remedy)
        self._binary = binary
        self.sample_rate = sample_rate

    def capabilities(self) -> Capabilities:
        return Capabilities(
            languages=frozenset({"en-us"}),
            control=frozenset({"preset"}),
            per_row_speaker=True,
            per_row_seed=False,
            sample_rate=self.sample_rate,
            max_characters=2_000,
            licence=Licence("BSD-style (CMU)", "BSD-style (CMU)", output_use="unrestricted", commercial=True),
            adjusts=frozenset({"rate", "pitch"}),
        )

    def speakers(self) -> list[str]:
        return list(VOICES)

    def unreadable(self, request: SpeechRequest) -> list[str]:
        return [character for character in dict.fromkeys(request.text_spoken) if not character.isascii()]

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[SpeechResult]:
        for request in requests:
            self._check(request)
        return [self._one(request) for request in requests]

    def _check(self, request: SpeechRequest) -> None:
        if request.speaker not in VOICES:
            raise HarkenError("flite voice", request.speaker, f"Known voices: {', '.join(VOICES)}")
        if request.style:
            raise HarkenError("flite style", sorted(request.style), "Flite takes no style keys")
        if not 0.4 <= request.rate <= 2.5:
            raise HarkenError(f"flite rate of request {request.id}", request.rate, "Keep it in 0.4..2.5")
        if not request.text_spoken.isascii():
            raise HarkenError(f"flite text of request {request.id}", request.text_spoken, "Flite reads English only")

    def _one(self, request: SpeechRequest) -> SpeechResult:
        pitch = VOICES[request.speaker] * 2 ** (request.pitch / 12)
        wave: np.ndarray | None = None
        error: str | None = None
        with tempfile.TemporaryDirectory(prefix="flite") as folder:
            target = Path(folder) / "speech.wav"
            command = [self._binary, "-voice", request.speaker, "--setf", f"duration_stretch={1 / request.rate:.3f}"]
            command += ["--setf", f"int_f0_target_mean={pitch:.1f}", "-t", request.text_spoken, "-o", str(target)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0 or not target.exists():
                error = f"flite exited with {done.returncode}: {done.stderr.strip()}"
            else:
                spoken, rate = soundfile.read(target, dtype="float32")
                wave = soxr.resample(spoken, rate, self.sample_rate).astype(np.float32)
                if not len(wave):
                    wave, error = None, f"flite read nothing in {request.text_spoken!r}"
        return SpeechResult(request.id, wave, self.sample_rate, request.text_spoken, error=error)
