"""Speaks texts, or reads the recordings a manifest names: rows of text in, rows of audio out."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from actors.augmenter import Augmenter
from actors.pronunciation import Pronouncer
from actors.speech_rows import SPEECH_SCHEMA, encoded, recorded
from actors.tts.backends import build_synthesizer, check_phonemes, check_voices
from actors.tts.interface import SpeechRequest, SpeechResult
from actors.tts.phonemes import groups, respell_outside
from harken.audio import SAMPLE_RATE, resample
from harken.cardinals import spell_numbers
from harken.records import FAILED, OK, Row, generator
from harken.settings import SpeechSettings, VoiceSettings

__all__ = ["SPEECH_SCHEMA", "Speaker"]

# Names that backends give to the language whose numbers can be spelled out.
MANDARIN = frozenset({"cmn", "zh", "zh-cn", "zh-hans", "mandarin", "chinese"})
# Half a step of 16-bit audio: below it every sample would be stored as zero.
INAUDIBLE = 0.5 / 32768


class Speaker:
    """Rows ``{"id", "text"[, "reading", "audio_path", "status", "error"]}`` in, speech rows (`SPEECH_SCHEMA`) out.

    A row's `reading` is what is spoken for its text, as it stands, phonemes between double brackets included.

    The voice, its rate (factor), pitch (semitones), intonation (factor), accent, the reading of a term that has
    several and the augmentation are drawn from the row's id. A row that failed earlier stays failed with its error;
    one that fails here has the cause 'unreadable' (the backend would leave characters out), 'too long', 'synthesis'
    or 'recording'. `commercial_use` is None where the voice's licence is not known, and for recordings.

    Raises:
        HarkenError: a speaker the backend does not know, a variation it cannot make, phonemes it cannot read, or a
            noise folder without recordings.
    """

    def __init__(
        self, speech: SpeechSettings, voices: VoiceSettings, pronunciations: Mapping[str, Sequence[str]]
    ) -> None:
        self.synthesizer = build_synthesizer(speech)
        self.capabilities = self.synthesizer.capabilities()
        self.voices = voices
        self.language = speech.language
        self.max_seconds = speech.max_seconds
        self.pronouncer = Pronouncer(pronunciations)
        self.augmenter = Augmenter(voices.augmentation)
        check_voices(self.synthesizer, voices)
        check_phonemes(self.synthesizer, speech, voices, pronunciations)

    def __call__(self, rows: list[Row]) -> list[Row]:
        requests = {row["id"]: self._readable(self.request(row)) for row in rows if self._to_be_spoken(row)}
        fit = [request for request, objection in requests.values() if objection is None]
        results = {result.id: result for result in self.synthesizer.synthesize(fit)}
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
                finished.append(blank | recorded(row["audio_path"], self.max_seconds))
            else:
                request, objection = requests[row["id"]]
                if objection is None:
                    finished.append(blank | self._spoken(request, results[row["id"]]))
                else:
                    finished.append(blank | self._voice(request) | {"status": FAILED, "error": objection})
        return finished

    @staticmethod
    def _to_be_spoken(row: Row) -> bool:
        return row.get("status", OK) == OK and not row.get("audio_path")

    def request(self, row: Row) -> SpeechRequest:
        """What the backend is asked for, as drawn from the row's id, before it is checked to be readable."""
        draw = generator(row["id"], "voice")
        adjusts = self.capabilities.adjusts
        # Every value is drawn, so that a row keeps its voice and seed whatever the backend can vary.
        speaker = draw.choice(self.voices.speakers)
        rate, pitch = draw.uniform(*self.voices.rate), draw.uniform(*self.voices.pitch)
        seed = draw.randrange(2**31)
        style = {"range": 50 * draw.uniform(*self.voices.intonation)}
        return SpeechRequest(
            id=row["id"],
            text_label=row["text"],
            text_spoken=row.get("reading") or self.pronouncer.respell(row["text"], row["id"]),
            speaker=speaker,
            rate=rate if "rate" in adjusts else 1.0,
            pitch=pitch if "pitch" in adjusts else 0.0,
            seed=seed,
            accent=draw.choice(self.voices.accents) if self.voices.accents else "",
            style=style if "intonation" in adjusts else {},
        )

    def _readable(self, request: SpeechRequest) -> tuple[SpeechRequest, str | None]:
        """The request, its numbers in words if digits would be left out, and why the backend is not given it."""
        stated = groups(request.text_spoken)
        if stated and "phoneme" not in self.capabilities.control:
            return request, f"unreadable: the backend reads no phonemes such as {stated[0]}"
        left_out = self.synthesizer.unreadable(request)
        if self.language.lower() in MANDARIN and any(map(str.isdigit, left_out)):
            request = replace(request, text_spoken=respell_outside(request.text_spoken, spell_numbers))
            left_out = self.synthesizer.unreadable(request)
        if left_out:
            named = ", ".join(f"{unit!r} (U+{ord(unit):04X})" if len(unit) == 1 else repr(unit) for unit in left_out)
            return request, f"unreadable: the backend would leave out {named}; give the term a pronunciation"
        length, longest = len(request.text_spoken), self.capabilities.max_characters
        return request, f"too long: {length} characters of at most {longest}" if length > longest else None

    def _voice(self, request: SpeechRequest) -> Row:
        """What was asked for: the columns that describe the voice."""
        style: Row = {"rate": request.rate, "pitch": request.pitch, **request.style}
        accent = request.accent or self.capabilities.accents.get(request.speaker)
        if accent:
            style["accent"] = accent
        return {
            "text_spoken": request.text_spoken,
            "speaker": request.speaker,
            "style": json.dumps(style, ensure_ascii=False),
            "licence": self.capabilities.licence.output_use,
            "commercial_use": self.capabilities.licence.commercial,
        }

    def _spoken(self, request: SpeechRequest, result: SpeechResult) -> Row:
        row = self._voice(request) | {"text_spoken": result.text_actual}
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
        wave, applied = self.augmenter(clean, request.id)
        return row | encoded(wave, self.max_seconds) | {"augmentation": json.dumps(applied)}
