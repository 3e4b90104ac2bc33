"""What is transcribed: notes with terms, sentences without, speech in other languages and in none, and no speech."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actors.pronunciation import Pronouncer
from actors.tts.espeak import EspeakSynthesizer, voice_name
from actors.tts.interface import SpeechRequest
from harken.audio import SAMPLE_RATE, read_audio, resample
from harken.records import read_manifest
from harken.unit_times import UnitTime

ANOTHER_ENGINE = Path("examples/spotting/unheard_engine.jsonl")
# Neither the embedded Whisper nor its spotter has learnt from these.
VOICES = tuple(voice_name(variant) for variant in ("m6", "m8", "steph", "edward", "quincy"))
# These the Whisper has not heard; the guards are fitted with them.
FIT_VOICES = tuple(voice_name(variant) for variant in ("f4", "m5", "Annie"))
_LOUD = 0.1


@dataclass(frozen=True)
class Spoken:
    """A text with its recording at 16 kHz, and when its units are said, where the synthesizer tells."""

    id: str
    text: str
    wave: np.ndarray
    units: tuple[UnitTime, ...] = ()

    @property
    def seconds(self) -> float:
        return len(self.wave) / SAMPLE_RATE


def read_rows(path: Path, start: int = 0, count: int | None = None) -> list[dict[str, str]]:
    """Rows ``{"id", "text"}`` of a JSONL file: so many from `start`."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return rows[start:] if count is None else rows[start : start + count]


def speak(
    rows: Sequence[Mapping[str, str]], voices: Sequence[str], pronouncer: Pronouncer | None = None
) -> list[Spoken]:
    """Each row in the next voice; with a pronouncer as it says the terms, and without the times of the text's units."""
    requests = []
    for index, row in enumerate(rows):
        spoken = pronouncer.respell(row["text"], row["id"]) if pronouncer else row["text"]
        voice = voices[index % len(voices)]
        requests.append(SpeechRequest(row["id"], row["text"], spoken, voice, timed=pronouncer is None))
    found = []
    for request, result in zip(requests, EspeakSynthesizer().synthesize(requests), strict=True):
        assert result.wave is not None
        wave = resample(result.wave, result.sample_rate, SAMPLE_RATE)
        found.append(Spoken(request.id, request.text_label, wave, () if pronouncer else result.units))
    return found


def foreign(start: int = 0, count: int | None = None) -> list[Spoken]:
    """English sentences of an engine that no model has heard."""
    rows = read_manifest(ANOTHER_ENGINE)[start:]
    found = []
    for row in rows[:count]:
        wave, rate = read_audio(ANOTHER_ENGINE.parent / row["audio"])
        found.append(Spoken(str(row["id"]), row["text"], resample(wave, rate, SAMPLE_RATE)))
    return found


def backwards(spoken: Sequence[Spoken]) -> list[Spoken]:
    """Recordings from their end to their beginning: voices that say nothing."""
    return [Spoken(f"{one.id} backwards", "", np.ascontiguousarray(one.wave[::-1])) for one in spoken]


def without_speech(seconds: float = 3.0) -> list[Spoken]:
    """Silence, noise at three levels, hum and clicks, so long each."""
    samples = int(seconds * SAMPLE_RATE)
    draw = np.random.default_rng(0)
    moments = np.arange(samples) / SAMPLE_RATE
    clicks = np.zeros(samples)
    clicks[:: SAMPLE_RATE // 3] = 0.8
    waves = {
        "silence": np.zeros(samples),
        **{f"noise {level:g}": level * draw.standard_normal(samples) for level in (0.001, 0.03, 0.3)},
        "pink noise": _coloured(samples, 1, draw),
        "brown noise": _coloured(samples, 2, draw),
        "hum": 0.3 * np.sin(2 * np.pi * 50 * moments),
        "clicks": clicks,
    }
    return [Spoken(name, "", wave.astype(np.float32)) for name, wave in waves.items()]


def _coloured(samples: int, power: int, draw: np.random.Generator) -> np.ndarray:
    """Noise whose power falls with so many powers of the frequency."""
    spectrum = np.fft.rfft(draw.standard_normal(samples))
    wave = np.fft.irfft(spectrum / np.maximum(np.arange(len(spectrum)), 1) ** (power / 2), samples)
    noise: np.ndarray = _LOUD * wave / wave.std()
    return noise
