"""Terms found by their sound where a transcript spells them otherwise: 戴菲包 for 戴妃包, 画家香树 for 皇家橡树.

Terms and transcripts are read by espeak-ng's Mandarin voice, character by character and word by word, and compared
phoneme by phoneme. Tones do not count, and neither do the contrasts that many accents do not make: zh/z, ch/c, sh/s
and final ng/n. A window of the transcript counts as the term when at most a given share of the phonemes differs.

Short terms sound like everyday words (老花 like 要花, 精钢 like 经常), so a term of fewer than three characters or
five Latin phonemes has to sound the same, tones included.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from actors.tts.espeak import MANDARIN, Engine
from harken.text import HAN, is_han

_UNIT = re.compile(rf"[{HAN}]|\d+|[^\W\d_{HAN}]+")
_BREAK = re.compile(r"[^\w\s\-'’.·]")
_TONE = re.compile(r"\d+$")
# espeak's mnemonics: a point marks the retroflex zh, ch, sh, r; the vowels after them differ from those after z, c, s.
_MERGED = {"ts.": ("ts",), "ts.h": ("tsh",), "s.": ("s",), "i.": ("i[",), "N": ("n",), "ong": ("u", "n")}
# More units than a term has are one character heard as two or a Latin word heard as pieces.
_UNITS_MORE = 2
LEAST_HAN = 3
LEAST_PHONEMES = 5


@dataclass(frozen=True)
class Sound:
    """Phonemes as one character each (tones apart), and how many Han characters they are read from."""

    phonemes: str
    tones: str
    han: int
    units: int

    @property
    def distinctive(self) -> bool:
        """True when it is long enough to be told from everyday words by most of its phonemes."""
        return self.han >= LEAST_HAN or (self.units > self.han and len(self.phonemes) >= LEAST_PHONEMES)


@dataclass(frozen=True)
class SoundAlike:
    """A term heard at ``text[start:end]``; ``distance`` is the share of phonemes that differ."""

    term: str
    start: int
    end: int
    distance: float


class Sounds:
    """Reads units of text aloud, each once; what it has read is kept and pickled with it."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[tuple[str, ...], str]] = {}
        self._codes: dict[str, str] = {}

    def learn(self, texts: Iterable[str]) -> None:
        """Read all units of the texts that are new in one go: opening espeak costs more than reading."""
        units = {unit.group().lower() for text in texts for unit in _UNIT.finditer(text)}
        new = sorted(units - self._read.keys())
        if not new:
            return
        with Engine() as engine:
            for unit, mnemonics in zip(new, engine.phonemes_of(new, MANDARIN), strict=True):
                phonemes = [phoneme for mnemonic in mnemonics for phoneme in _merged(_TONE.sub("", mnemonic))]
                tones = "".join(tone.group() for mnemonic in mnemonics if (tone := _TONE.search(mnemonic)))
                self._read[unit] = (tuple(phonemes), tones)

    def of(self, units: Sequence[str]) -> Sound:
        """The sound of units that were learnt."""
        read = [self._read[unit.lower()] for unit in units]
        phonemes = "".join(self._code(phoneme) for found, _ in read for phoneme in found)
        return Sound(phonemes, " ".join(tones for _, tones in read), sum(map(is_han, units)), len(units))

    def _code(self, phoneme: str) -> str:
        # One character a phoneme, so that distances are computed on strings.
        return self._codes.setdefault(phoneme, chr(0xE000 + len(self._codes)))


class SoundMatcher:
    """Finds terms by sound.

    Args:
        readings: every term with the texts that sound like it, itself among them.
        distance: share of phonemes that may differ, 0 to below 0.5.
    """

    def __init__(self, readings: Mapping[str, Sequence[str]], distance: float) -> None:
        self.distance = distance
        self.sounds = Sounds()
        self.sounds.learn(text for texts in readings.values() for text in texts)
        self.terms: list[str] = []
        self.heard: list[Sound] = []
        for term, texts in readings.items():
            for text in dict.fromkeys(texts):
                sound = self.sounds.of(_units(text))
                if sound.phonemes:
                    self.terms.append(term)
                    self.heard.append(sound)
        self._longest = max((sound.units for sound in self.heard), default=0) + _UNITS_MORE
        self._phonemes = [sound.phonemes for sound in self.heard]
        self._limits = np.array([distance if sound.distinctive else 0.0 for sound in self.heard], np.float32)

    def find(self, texts: Sequence[str], taken: Sequence[Sequence[tuple[int, int]]]) -> list[list[SoundAlike]]:
        """The terms in each text outside its ``taken`` spans, the closest first and then the longest; none overlap."""
        self.sounds.learn(texts)
        windows = [self._windows(text, spans) for text, spans in zip(texts, taken, strict=True)]
        candidates = self._candidates({sound for found in windows for _, _, sound in found})
        return [self._choose(found, candidates) for found in windows]

    def _windows(self, text: str, taken: Sequence[tuple[int, int]]) -> list[tuple[int, int, Sound]]:
        units = [(unit.group(), unit.start(), unit.end()) for unit in _UNIT.finditer(text)]
        closed = [_BREAK.search(text, left[2], right[1]) is not None for left, right in pairwise(units)]
        windows = []
        for first, (_, start, _) in enumerate(units):
            for last in range(first, min(first + self._longest, len(units))):
                end = units[last][2]
                if any(a < end and start < b for a, b in taken) or (last > first and closed[last - 1]):
                    break
                windows.append((start, end, self.sounds.of([unit for unit, _, _ in units[first : last + 1]])))
        return windows

    def _candidates(self, sounds: Iterable[Sound]) -> dict[Sound, list[tuple[float, int]]]:
        """For every sound the terms near enough: distance and place in ``terms``."""
        every = list(sounds)
        if not every or not self._phonemes:
            return {}
        # The cutoff must not lose a distance that is equal to it but for rounding.
        distances = cdist(
            [sound.phonemes for sound in every],
            self._phonemes,
            scorer=Levenshtein.normalized_distance,
            score_cutoff=self.distance + 1e-6,
        )
        candidates: dict[Sound, list[tuple[float, int]]] = {}
        for row, place in zip(*np.nonzero(distances <= self._limits + 1e-6), strict=True):
            term = self.heard[place]
            if term.distinctive or term.tones == every[row].tones:
                candidates.setdefault(every[row], []).append((round(float(distances[row, place]), 4), int(place)))
        return candidates

    def _choose(
        self, windows: Sequence[tuple[int, int, Sound]], candidates: Mapping[Sound, Sequence[tuple[float, int]]]
    ) -> list[SoundAlike]:
        ranked = sorted(
            (distance, -len(self._phonemes[place]), start, end, place)
            for start, end, sound in windows
            for distance, place in candidates.get(sound, ())
        )
        chosen: list[SoundAlike] = []
        for distance, _, start, end, place in ranked:
            if all(end <= found.start or found.end <= start for found in chosen):
                chosen.append(SoundAlike(self.terms[place], start, end, distance))
        return chosen


def _units(text: str) -> list[str]:
    return _UNIT.findall(text)


def _merged(phoneme: str) -> tuple[str, ...]:
    return _MERGED.get(phoneme, (phoneme,) if phoneme else ())
