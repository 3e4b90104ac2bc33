"""espeak-ng from the `espeakng-loader` wheel, called in-process: many voices, no network, the same bytes every time.

A voice name is espeak's own `LANGUAGE` or `LANGUAGE+VARIANT` ("cmn+f2", "en-us+m3"). The Mandarin voice reads Latin
words as English. Phonemes are espeak's own mnemonics (``espeak-ng -x`` prints them), those of the voice's language
until ``_^_en`` and a space switch to another's. `SpeechRequest.rate` 1.0 is 175 words per minute; `pitch` is in
semitones (at most 8.5 to each side: espeak's own scale ends there); `style` takes `range` (0..99, how lively the
intonation is) and `volume` (0..200).
"""

from __future__ import annotations

import _ctypes
import ctypes
import functools
import os
import tempfile
import threading
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import espeakng_loader
import numpy as np
import soxr

from actors.tts.interface import Capabilities, Licence, SpeechRequest, SpeechResult
from actors.tts.phonemes import groups, outside
from harken.errors import HarkenError

ENGINE_RATE = 22_050
WORDS_PER_MINUTE = 175
# Measured on the plain Mandarin voice: 46 units up are 8.8 semitones, 50 down are 7.8.
PITCH_UNITS_PER_SEMITONE = 5.7
MANDARIN = "cmn"

# The nano model is trained on the first list only. The second is for tests: the nano model's unseen-voice figures and
# any evaluation set that must share no voice with training.
TRAINING_VARIANTS = ("", "f1", "f2", "f3", "f5", "m1", "m2", "m3", "m4", "m7", "Alicia", "Andy", "linda", "paul")
HELD_OUT_VARIANTS = ("f4", "m5", "m6", "m8", "Annie", "steph", "edward", "quincy")


def voice_name(variant: str, language: str = MANDARIN) -> str:
    """espeak's voice name for a language and a variant ("" is the plain voice)."""
    return f"{language}+{variant}" if variant else language


TRAINING_VOICES = tuple(voice_name(variant) for variant in TRAINING_VARIANTS)
HELD_OUT_VOICES = tuple(voice_name(variant) for variant in HELD_OUT_VARIANTS)

_RATE, _VOLUME, _PITCH, _RANGE = 1, 2, 3, 4  # espeak_PARAMETER
_AUDIO_OUTPUT_SYNCHRONOUS = 2
_INITIALIZE_DONT_EXIT = 0x8000
_CHARS_UTF8 = 1
_PHONEMES = 0x100
_SWITCH = "_^_"
_TWO_MORE_SYLLABLES = "|mama"
# They last 0.18 seconds or more; without them two readings of one word differ by a millisecond.
_THEIR_SAMPLES = ENGINE_RATE // 10
# espeak keeps its data path in a fixed buffer of 160 bytes and reads past it silently.
_LONGEST_DATA_PATH = 150
# espeak-ng 1.52.0 never frees the dictionary of a text's second language: about 185 KB an utterance that mixes two,
# because every utterance has a library of its own (see `Engine`). After so many a process is given up.
UTTERANCES_PER_PROCESS = 2000
# The library has global state: one engine at a time in a process.
_ENGINE_LOCK = threading.RLock()


@functools.cache
def _data_path() -> str:
    path = espeakng_loader.get_data_path()
    if len(os.fsencode(path)) <= _LONGEST_DATA_PATH:
        return path
    link = Path(tempfile.mkdtemp(prefix="espeak")) / "data"
    link.symlink_to(path)
    if len(os.fsencode(link)) > _LONGEST_DATA_PATH:
        remedy = f"Set TMPDIR to a folder shorter than {_LONGEST_DATA_PATH} bytes."
        raise HarkenError("espeak-ng data path", path, remedy)
    return str(link)


@functools.cache
def variants() -> tuple[str, ...]:
    """The voice variants that the installed espeak-ng has."""
    return tuple(sorted(entry.name for entry in (Path(_data_path()) / "voices" / "!v").iterdir()))


@functools.cache
def languages() -> tuple[str, ...]:
    """The language codes that the installed espeak-ng has, lower case."""
    found = [entry.name.lower() for entry in (Path(_data_path()) / "lang").rglob("*") if entry.is_file()]
    return tuple(sorted(found))


def check_voice(voice: str) -> None:
    """Raises HarkenError for a voice that is not installed (espeak itself would silently speak with another)."""
    language, _, variant = voice.partition("+")
    if language.lower() not in languages():
        raise HarkenError("espeak-ng language", language, f"Known languages: {', '.join(languages())}")
    if variant and variant not in variants():
        raise HarkenError("espeak-ng voice variant", variant, f"Known variants: {', '.join(variants())}")


class Engine:
    """One initialised espeak-ng library; a context manager. Holds the process-wide lock while open.

    Loading the library afresh is what makes its output a function of the request: espeak carries state (noise
    generator, smoothing) from one utterance to the next. Bulk generation that needs no per-utterance determinism
    keeps one engine open.
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._chunks: list[np.ndarray] = []

    def __enter__(self) -> Engine:
        _ENGINE_LOCK.acquire()
        try:
            self._library = ctypes.CDLL(espeakng_loader.get_library_path())
            self._declare()
            rate = self._library.espeak_Initialize(
                _AUDIO_OUTPUT_SYNCHRONOUS, 0, _data_path().encode(), _INITIALIZE_DONT_EXIT
            )
            if rate != ENGINE_RATE:
                raise HarkenError("espeak-ng initialisation", rate, "Reinstall the espeakng-loader package")
            self._library.espeak_ng_SetRandSeed(self.seed)
            self._library.espeak_SetSynthCallback(self._callback)
        except BaseException:
            _ENGINE_LOCK.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._library.espeak_Terminate()
            handle = self._library._handle
            del self._library
            _ctypes.dlclose(handle)
        finally:
            _ENGINE_LOCK.release()

    def _declare(self) -> None:
        callback_type = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)

        def collect(samples: ctypes._Pointer[ctypes.c_short], count: int, _events: int | None) -> int:
            if samples and count > 0:
                self._chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
            return 0

        self._callback = callback_type(collect)
        library = self._library
        library.espeak_Initialize.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_char_p, ctypes.c_int]
        library.espeak_ng_SetRandSeed.argtypes = [ctypes.c_long]
        library.espeak_Synth.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.c_uint,
            ctypes.c_int,
            ctypes.c_uint,
            ctypes.c_uint,
            ctypes.POINTER(ctypes.c_uint),
            ctypes.c_void_p,
        ]
        library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
        library.espeak_TextToPhonemes.restype = ctypes.c_char_p

    def _use_voice(self, voice: str) -> None:
        check_voice(voice)
        if self._library.espeak_SetVoiceByName(voice.encode()) != 0:
            raise HarkenError("espeak-ng voice", voice, "Use LANGUAGE or LANGUAGE+VARIANT, such as cmn+f2")

    def speak(
        self,
        text: str,
        voice: str,
        words_per_minute: int = WORDS_PER_MINUTE,
        pitch: int = 50,
        pitch_range: int = 50,
        volume: int = 100,
        phonemes: bool = False,
    ) -> np.ndarray:
        """`text` in `voice` as float32 mono at 22,050 Hz, shape (samples,); empty when there is nothing to read.

        With `phonemes`, what stands between double brackets is read as such.
        """
        self._use_voice(voice)
        for name, value in ((_RATE, words_per_minute), (_PITCH, pitch), (_RANGE, pitch_range), (_VOLUME, volume)):
            self._library.espeak_SetParameter(name, int(value), 0)
        self._chunks.clear()
        encoded = text.encode()
        flags = _CHARS_UTF8 | (_PHONEMES if phonemes else 0)
        status = self._library.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, flags, None, None)
        self._library.espeak_Synchronize()
        if status != 0:
            raise RuntimeError(f"espeak_Synth returned {status}")
        if not self._chunks:
            return np.zeros(0, np.float32)
        return np.concatenate(self._chunks).astype(np.float32) / 32768

    def phonemes(self, text: str, voice: str) -> list[str]:
        """espeak's phoneme mnemonics for `text` (stress marks dropped, Mandarin tones kept as their own units)."""
        return self.phonemes_of([text], voice)[0]

    def phonemes_of(self, texts: Sequence[str], voice: str) -> list[list[str]]:
        """`phonemes` of many texts; the voice is loaded once."""
        self._use_voice(voice)
        return [self._phonemes(text) for text in texts]

    def _phonemes(self, text: str) -> list[str]:
        rest = ctypes.c_char_p(text.encode())
        clauses = []
        while rest.value:
            clauses.append(self._library.espeak_TextToPhonemes(ctypes.byref(rest), _CHARS_UTF8, ord("_") << 8) or b"")
        words = b" ".join(clauses).decode().replace("_", " ").split()
        return [unit for unit in (word.strip("',%=|-") for word in words) if unit and not unit.startswith("(")]


def _is_read(character: str) -> bool:
    """True for letters, digits and symbols; marks, spaces and punctuation may be silent."""
    return unicodedata.category(character)[0] in "LNS"


def _is_known(engine: Engine, group: str, voice: str) -> bool:
    """False when espeak stops inside one of the words of a phoneme group: it says nothing, and neither the rest.

    Syllables behind a word that is read to its end make it longer; behind a phoneme that is not known they are lost.
    """
    switch = ""
    words = group[2:-2].split()
    for word in words:
        if word.startswith(_SWITCH):
            switch = f"{word} "
            continue
        alone, longer = (
            engine.speak(f"[[{switch}{word}{end}]]", voice, phonemes=True) for end in ("", _TWO_MORE_SYLLABLES)
        )
        if len(longer) - len(alone) < _THEIR_SAMPLES:
            return False
    return any(not word.startswith(_SWITCH) for word in words)


class EspeakSynthesizer:
    """espeak-ng as a `Synthesizer`. The wave depends on the request alone, not on the order or the process."""

    def __init__(self, sample_rate: int = 16_000) -> None:
        if not 8_000 <= sample_rate <= 48_000:
            raise HarkenError("espeak-ng sample rate", sample_rate, "Use 8000 to 48000 Hz")
        self.sample_rate = sample_rate
        # voice language -> character -> whether it is heard at all
        self._heard: dict[str, dict[str, bool]] = {}

    def capabilities(self) -> Capabilities:
        return Capabilities(
            languages=frozenset(languages()),
            control=frozenset({"preset", "phoneme"}),
            per_row_speaker=True,
            per_row_seed=True,
            sample_rate=self.sample_rate,
            max_characters=10_000,
            licence=Licence("GPL-3.0-or-later", "GPL-3.0-or-later", output_use="unrestricted", commercial=True),
            adjusts=frozenset({"rate", "pitch", "intonation"}),
        )

    def speakers(self) -> list[str]:
        """The Mandarin voices (which read Latin words as English). Any other `LANGUAGE+VARIANT` works as well."""
        return [MANDARIN, *(voice_name(variant) for variant in variants())]

    def unreadable(self, request: SpeechRequest) -> list[str]:
        """Letters, digits and symbols that make no sound of their own in the voice's language (emoji, for one), and
        phonemes that are not known in it."""
        voice = request.speaker.partition("+")[0]
        heard = self._heard.setdefault(voice, {})
        characters = [character for character in dict.fromkeys(outside(request.text_spoken)) if _is_read(character)]
        units = [*characters, *dict.fromkeys(groups(request.text_spoken))]
        unknown = [unit for unit in units if unit not in heard]
        if unknown:
            plain = [unit for unit in unknown if not groups(unit)]
            with Engine() as engine:
                heard |= zip(plain, map(bool, engine.phonemes_of(plain, voice)), strict=True)
                heard |= {unit: _is_known(engine, unit, voice) for unit in unknown if groups(unit)}
        return [unit for unit in units if not heard[unit]]

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[SpeechResult]:
        settings = [self._settings(request) for request in requests]
        return [self._one(request, values) for request, values in zip(requests, settings, strict=True)]

    def _settings(self, request: SpeechRequest) -> dict[str, int]:
        check_voice(request.speaker)
        unknown = set(request.style) - {"range", "volume"}
        if unknown:
            raise HarkenError("espeak-ng style", sorted(unknown), "Known style keys: range, volume")
        values = {
            "words_per_minute": (round(WORDS_PER_MINUTE * request.rate), 80, 450),
            "pitch": (round(50 + request.pitch * PITCH_UNITS_PER_SEMITONE), 0, 99),
            "pitch_range": (round(float(request.style.get("range", 50))), 0, 99),
            "volume": (round(float(request.style.get("volume", 100))), 0, 200),
        }
        for name, (value, low, high) in values.items():
            if not low <= value <= high:
                raise HarkenError(f"espeak-ng {name} of request {request.id}", value, f"Keep it in {low}..{high}")
        return {name: value for name, (value, _, _) in values.items()}

    def _one(self, request: SpeechRequest, settings: dict[str, int]) -> SpeechResult:

        wave: np.ndarray | None = None
        error: str | None = None
        try:
            with Engine(request.seed) as engine:
                spoken = engine.speak(
                    request.text_spoken, request.speaker, phonemes=bool(groups(request.text_spoken)), **settings
                )
            # For an empty text espeak still gives a stretch of digital silence.
            if np.any(spoken):
                wave = soxr.resample(spoken, ENGINE_RATE, self.sample_rate).astype(np.float32)
            else:
                error = f"espeak-ng read nothing in {request.text_spoken!r}"
        except RuntimeError as failure:
            error = str(failure)
        return SpeechResult(request.id, wave, self.sample_rate, request.text_spoken, error=error)
