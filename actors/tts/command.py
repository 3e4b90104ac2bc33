"""Any program as a synthesizer: it is given a text and the name of an audio file to write.

The arguments are a template without a shell, so no text can be taken for a command:
`["mytts", "--voice", "{speaker}", "--out", "{output}", "--file", "{text_file}"]`. What the template does not use
cannot be varied. `{rate}` is the row's rate factor times `rate_scale`, `{pitch}` is in semitones.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np

from actors.tts.interface import Capabilities, SpeechRequest, SpeechResult
from actors.tts.served import ServedModel
from harken.audio import read_audio
from harken.errors import HarkenError
from harken.speech_settings import CommandSpeechSettings, placeholders

# The end of what a program says before it fails is what tells why.
_STDERR_BYTES = 2_000


class CommandSynthesizer(ServedModel):
    """A program as a `Synthesizer`; raises `HarkenError` at construction when it is not there."""

    def __init__(self, settings: CommandSpeechSettings, language: str) -> None:
        super().__init__(settings)
        self.settings, self.language = settings, language
        self._uses = placeholders(settings.command)
        program = settings.command[0]
        found = shutil.which(program)
        if found is None:
            raise HarkenError("speech command", program, "No such program: install it on every node or give its path.")
        self._program = found

    def capabilities(self) -> Capabilities:
        settings = self.settings
        control = {"preset": "speaker" in self._uses, "phoneme": settings.phonemes}
        return Capabilities(
            languages=frozenset(settings.languages),
            control=frozenset(name for name, has in control.items() if has),
            per_row_speaker="speaker" in self._uses,
            per_row_seed="seed" in self._uses,
            sample_rate=0,
            max_characters=settings.max_characters,
            licence=self._licence,
            adjusts=frozenset(self._uses & {"rate", "pitch", "accent"}),
            any_speaker=True,
        )

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[SpeechResult]:
        for request in requests:
            if request.style:
                raise HarkenError("speech command style", sorted(request.style), "A command takes no style keys")
        with ThreadPoolExecutor(max_workers=self.settings.concurrency) as pool:
            return list(pool.map(self._one, requests))

    def _one(self, request: SpeechRequest) -> SpeechResult:
        wave: np.ndarray | None = None
        rate, error = 0, None
        with tempfile.TemporaryDirectory(prefix="speech") as name:
            folder = Path(name)
            output = folder / f"speech{self.settings.suffix}"
            try:
                arguments = self._arguments(request, folder, output)
                error = self._run(arguments, folder)
                if error is None:
                    wave, rate = read_audio(output)
            except HarkenError as failure:
                error = str(failure).replace(str(folder) + os.sep, "")
        return SpeechResult(request.id, wave, rate, request.text_spoken, error=error)

    def _arguments(self, request: SpeechRequest, folder: Path, output: Path) -> list[str]:
        text_file = folder / "text.txt"
        if "text_file" in self._uses:
            text_file.write_text(request.text_spoken, encoding="utf-8")
        values = {
            "text": request.text_spoken,
            "text_file": str(text_file),
            "speaker": request.speaker,
            "output": str(output),
            "rate": f"{request.rate * self.settings.rate_scale:.4g}",
            "pitch": f"{request.pitch:.4g}",
            "seed": str(request.seed),
            "language": self.language,
            "accent": request.accent,
        }
        # Without a shell a text can still pass for an option.
        if request.text_spoken.startswith("-") and any(part.startswith("{text}") for part in self.settings.command):
            raise HarkenError("text", request.text_spoken, "It would be taken for an option: use {text_file}.")
        return [self._program, *(part.format_map(values) for part in self.settings.command[1:])]

    def _run(self, arguments: list[str], folder: Path) -> str | None:
        """Run the program; returns what went wrong."""
        with (folder / "stderr").open("w+b") as errors:
            try:
                # A session of its own, so that what the program started ends with it.
                process = subprocess.Popen(
                    arguments,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=errors,
                    start_new_session=True,
                )
            except (OSError, ValueError) as failure:
                return f"{self._program} cannot be started: {failure}"
            try:
                status = process.wait(self.settings.timeout_seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                return f"{self._program} did not end in {self.settings.timeout_seconds:g} s{_said(errors)}"
            if status != 0:
                return f"{self._program} exited with {status}{_said(errors)}"
        return None


def _said(errors: BinaryIO) -> str:
    """The end of what the program wrote to stderr, on one line."""
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - _STDERR_BYTES))
    said = " ".join(errors.read().decode("utf-8", "replace").split())
    return f": {said}" if said else ""
