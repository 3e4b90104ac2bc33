"""Speaks texts, or reads the recordings a manifest names: rows of text in, rows of audio out."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from actors.pronunciation import Pronouncer
from actors.tts.espeak import EspeakSynthesizer
from actors.tts.interface import SpeechRequest, SpeechResult, Synthesizer
from harken.audio import SAMPLE_RATE, encode_flac, read_audio, resample
from harken.augment import NOISE_COLOURS, add_noise, gain
from harken.errors import HarkenError
from harken.records import FAILED, OK, Row, generator
from harken.settings import AugmentationSettings, SpeechSettings, VoiceSettings

SPEECH_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("text_spoken", pa.string()),
        ("audio", pa.binary()),
        ("sample_rate", pa.int64()),
        ("duration", pa.float64()),
        ("speaker", pa.string()),
        ("style", pa.string()),
        ("licence", pa.string()),
        ("augmentation", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)

RECORDED = "recording"
# Half a step of 16-bit audio: below it every sample would be stored as zero.
INAUDIBLE = 0.5 / 32768


def build_synthesizer(speech: SpeechSettings) -> Synthesizer:
    """The backend that ``speech.backend`` names."""
    return EspeakSynthesizer(SAMPLE_RATE)


class Speaker:
    """Rows ``{"id", "text"[, "audio_path", "status", "error"]}`` in, speech rows (`SPEECH_SCHEMA`) out.

    The voice, its rate (factor), pitch (semitones), intonation (factor) and the augmentation are drawn from the
    row's id. A row that failed earlier stays failed with its error; one that fails here has the cause
    'synthesis', 'too long' or 'recording'.

    Raises:
        HarkenError: a speaker the backend does not know.
    """

    def __init__(self, speech: SpeechSettings, voices: VoiceSettings, pronunciations: Mapping[str, str]) -> None:
        self.synthesizer = build_synthesizer(speech)
        self.voices = voices
        self.max_seconds = speech.max_seconds
        self.pronouncer = Pronouncer(pronunciations)
        self.output_use = self.synthesizer.capabilities().licence.output_use
        check_speakers(self.synthesizer, voices)

    def __call__(self, rows: list[Row]) -> list[Row]:
        requests = {row["id"]: self._request(row) for row in rows if self._to_be_spoken(row)}
        results = {result.id: result for result in self.synthesizer.synthesize(list(requests.values()))}
        finished = []
        for row in rows:
            blank = dict.fromkeys(SPEECH_SCHEMA.names) | {
                "id": row["id"],
                "text": row.get("text"),
                "status": OK,
            }
            if row.get("status", OK) == FAILED:
                finished.append(blank | {"status": FAILED, "error": row["error"]})
            elif row.get("audio_path"):
                finished.append(blank | self._recorded(row["audio_path"]))
            else:
                finished.append(blank | self._spoken(requests[row["id"]], results[row["id"]]))
        return finished

    @staticmethod
    def _to_be_spoken(row: Row) -> bool:
        return row.get("status", OK) == OK and not row.get("audio_path")

    def _request(self, row: Row) -> SpeechRequest:
        draw = generator(row["id"], "voice")
        return SpeechRequest(
            id=row["id"],
            text_label=row["text"],
            text_spoken=self.pronouncer.respell(row["text"]),
            speaker=draw.choice(self.voices.speakers),
            rate=draw.uniform(*self.voices.rate),
            pitch=draw.uniform(*self.voices.pitch),
            seed=draw.randrange(2**31),
            style={"range": 50 * draw.uniform(*self.voices.intonation)},
        )

    def _spoken(self, request: SpeechRequest, result: SpeechResult) -> Row:
        row: Row = {
            "text_spoken": result.text_actual,
            "speaker": request.speaker,
            "style": json.dumps({"rate": request.rate, "pitch": request.pitch, **request.style}),
            "licence": self.output_use,
        }
        if result.wave is None:
            return row | {"status": FAILED, "error": f"synthesis: {result.error}"}
        if result.truncated:
            return row | {
                "status": FAILED,
                "error": "synthesis: the backend stopped before the end of the text",
            }
        if np.abs(result.wave).max() < INAUDIBLE:
            return row | {"status": FAILED, "error": f"synthesis: silence for {request.text_spoken!r}"}
        clean = resample(result.wave, result.sample_rate, SAMPLE_RATE)
        wave, applied = augment(clean, self.voices.augmentation, request.id)
        return row | self._encoded(wave) | {"augmentation": json.dumps(applied)}

    def _recorded(self, path: str) -> Row:
        try:
            wave, rate = read_audio(path)
            return {"speaker": RECORDED, "augmentation": "{}"} | self._encoded(resample(wave, rate, SAMPLE_RATE))
        except HarkenError as failure:
            return {"status": FAILED, "error": f"recording: {failure}"}

    def _encoded(self, wave: np.ndarray) -> Row:
        duration = len(wave) / SAMPLE_RATE
        if duration > self.max_seconds:
            return {
                "status": FAILED,
                "error": f"too long: {duration:.1f} s of at most {self.max_seconds:g} s",
            }
        return {"audio": encode_flac(wave, SAMPLE_RATE), "sample_rate": SAMPLE_RATE, "duration": duration}


def augment(wave: np.ndarray, settings: AugmentationSettings, identity: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Noise and gain as drawn from the row's id; returns the wave and what was applied."""
    draw = generator(identity, "augmentation")
    applied: dict[str, Any] = {}
    if draw.random() < settings.noise_probability:
        applied["noise_snr_db"] = round(draw.uniform(*settings.noise_snr_db), 2)
        applied["noise_colour"] = draw.choice(NOISE_COLOURS)
        source = np.random.default_rng(draw.randrange(2**63))
        wave = add_noise(wave, source, applied["noise_snr_db"], applied["noise_colour"], SAMPLE_RATE)
    if draw.random() < settings.gain_probability:
        applied["gain_db"] = round(draw.uniform(*settings.gain_db), 2)
        wave = gain(wave, applied["gain_db"])
    return wave, applied


def check_speakers(synthesizer: Synthesizer, voices: VoiceSettings) -> None:
    """Raise the error that names the first speaker the backend does not know."""
    import difflib

    known = synthesizer.speakers()
    for speaker in voices.speakers:
        if speaker not in known:
            nearest = difflib.get_close_matches(speaker, known, n=3, cutoff=0.0)
            raise HarkenError("voice", speaker, f"The backend does not know it; near ones: {', '.join(nearest)}.")
