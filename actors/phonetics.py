"""How alike two texts sound: espeak-ng's phonemes as articulatory classes, aligned with graded costs.

What a recogniser makes of a word it has never seen is mostly a near-homophone (铂金包 becomes 博近包, birkin 伯金).
Characters say nothing about that; sounds do, in every language that espeak-ng reads and across scripts.
"""

import functools
import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from actors.tts.espeak import MANDARIN, Engine, languages
from harken.errors import HarkenError
from harken.text import mixed_units, normalise

Sounds = NDArray[np.intp]
"""The sounds of a text as numbers, shape (n,); tones and stress are left out."""

# espeak's mnemonics by place of articulation (lips, teeth, palate, throat) and by manner.
_PLACES = (
    "p ph b f v m w",
    "t th d T D s z ts tsh n l",
    "ts. ts.h s. z. tS tS; tS;h dZ S Z S; ; j n^ l^ r r- R",
    "k kh g X x h N Q ?",
)
_MANNERS = {
    "stop": "p ph b t th d k kh g Q ?",
    "affricate": "ts tsh ts. ts.h tS tS; tS;h dZ",
    "fricative": "f v T D s z s. z. S Z S; ; X x h",
    "nasal": "m n n^ N",
    "liquid": "l l^ r r- R",
    "glide": "w j",
}
_PLACE_STEP = 0.2
_MANNER_STEPS = {
    frozenset({"stop", "affricate"}): 0.2,
    frozenset({"affricate", "fricative"}): 0.2,
    frozenset({"stop", "fricative"}): 0.35,
    frozenset({"liquid", "glide"}): 0.2,
    frozenset({"nasal", "liquid"}): 0.3,
}
_OTHER_MANNER = 0.5
# One place and manner, another sound: voicing and aspiration, which mean different things in different languages.
_TWINS = 0.1
# (height: 0 closed to 1 open, depth: 0 front to 1 back)
_VOWELS = {
    "i": (0.0, 0.0),
    "I": (0.1, 0.1),
    "y": (0.0, 0.2),
    "e": (0.4, 0.0),
    "E": (0.6, 0.1),
    "&": (0.8, 0.2),
    "a": (1.0, 0.4),
    "A": (1.0, 0.6),
    "V": (0.7, 0.6),
    "3": (0.5, 0.5),
    "@": (0.5, 0.5),
    "0": (0.8, 0.9),
    "O": (0.6, 0.9),
    "o": (0.4, 0.9),
    "U": (0.1, 0.9),
    "u": (0.0, 1.0),
}
_VOWEL_SPREAD = 0.7
_VOWEL_FOR_GLIDE = 0.4
_GLIDES = ({"w", "u"}, {"w", "U"}, {"j", "i"}, {"j", "I"}, {"j", "y"})
_VOWEL_FOR_CONSONANT = 1.2
# A sound that is missing or added. Vowels weigh less: they come and go with the syllables of foreign words.
_CONSONANT_WEIGHT, _VOWEL_WEIGHT = 1.0, 0.5
_OTHER = "other"

_TONE = re.compile(r"(?<=\D)(11|35|51|55|214)$")
# What ends a rhyme, as espeak writes it in one mnemonic with the vowel (@r, @L, ong).
_CODAS = {"r": "r", "L": "l", "n": "n", "N": "N", "m": "m", "j": "j", "w": "w"}


def _consonants() -> dict[str, tuple[int, str]]:
    places = {sound: place for place, sounds in enumerate(_PLACES) for sound in sounds.split()}
    return {sound: (places[sound], manner) for manner, sounds in _MANNERS.items() for sound in sounds.split()}


_CONSONANTS = _consonants()
_NAMES = (*_CONSONANTS, *_VOWELS, _OTHER)
_NUMBERS = {sound: number for number, sound in enumerate(_NAMES)}
_WEIGHTS = np.array([_VOWEL_WEIGHT if sound in _VOWELS else _CONSONANT_WEIGHT for sound in _NAMES])


def _substitution(first: str, second: str) -> float:
    if first == second:
        return 0.0
    if first in _CONSONANTS and second in _CONSONANTS:
        (place, manner), (other_place, other_manner) = _CONSONANTS[first], _CONSONANTS[second]
        step = 0.0 if manner == other_manner else _MANNER_STEPS.get(frozenset({manner, other_manner}), _OTHER_MANNER)
        return _TWINS + _PLACE_STEP * abs(place - other_place) + step
    if first in _VOWELS and second in _VOWELS:
        (height, depth), (other_height, other_depth) = _VOWELS[first], _VOWELS[second]
        return _VOWEL_SPREAD * (abs(height - other_height) + abs(depth - other_depth)) / 2
    return _VOWEL_FOR_GLIDE if {first, second} in _GLIDES else _VOWEL_FOR_CONSONANT


_COSTS = np.array([[_substitution(first, second) for second in _NAMES] for first in _NAMES])


class Phonetics:
    """The sounds of texts as a voice of `language` (espeak-ng's code) reads them; every word is read once.

    Raises:
        HarkenError: a language espeak-ng does not know.
    """

    def __init__(self, language: str = MANDARIN) -> None:
        if language.lower() not in languages():
            remedy = (
                f"espeak-ng, which tells how words sound, knows {', '.join(languages())}; judge.method 'paper' does "
            )
            remedy += "without."
            raise HarkenError("language of the sounds", language, remedy)
        self.language = language
        self._known: dict[str, Sounds] = {}

    def learn(self, texts: Iterable[str]) -> None:
        """Read the words of many texts at once: starting espeak-ng takes as long as reading a hundred words."""
        units = {unit for text in texts for unit in mixed_units(normalise(text))}
        unknown = sorted(units - self._known.keys())
        if not unknown:
            return
        with Engine() as engine:
            read = engine.phonemes_of(unknown, self.language)
        for unit, mnemonics in zip(unknown, read, strict=True):
            numbers = [_NUMBERS[sound] for mnemonic in mnemonics for sound in _split(mnemonic)]
            self._known[unit] = np.array(numbers, dtype=np.intp)

    def sounds(self, text: str) -> list[tuple[str, Sounds]]:
        """The units of a text (Han characters, words, runs of digits) with their sounds."""
        units = mixed_units(normalise(text))
        if any(unit not in self._known for unit in units):
            self.learn([text])
        return [(unit, self._known[unit]) for unit in units]

    def joined(self, text: str) -> Sounds:
        """The sounds of a whole text."""
        return join(sounds for _, sounds in self.sounds(text))

    def distance(self, spoken: str, heard: str) -> float:
        """0.0 when they sound the same, 1.0 when one is silence; two random words are about 0.7 apart.

        Example:
            >>> Phonetics().distance("铂金包", "博近包")
            0.0
        """
        return distance(self.joined(spoken), self.joined(heard))


class SoundAlignment:
    """All alignments of what was to be said (n sounds) with what was heard (m sounds), in O(n m)."""

    def __init__(self, spoken: Sounds, heard: Sounds) -> None:
        self._weights = np.concatenate([[0.0], _WEIGHTS[spoken].cumsum()])
        self._forward = _costs(spoken, heard)
        self._backward = _costs(spoken[::-1], heard[::-1])[::-1, ::-1]
        self.cost = float(self._forward[-1, -1])

    def weight(self, start: int = 0, stop: int | None = None) -> float:
        """`weight` of spoken[start:stop]."""
        return float(self._weights[-1 if stop is None else stop] - self._weights[start])

    def gain_without(self, start: int, stop: int) -> float:
        """How much better the alignment gets if spoken[start:stop] was never said.

        Its weight when nothing of it was heard, below 0 when something like it was.
        """
        return self.cost - float((self._forward[start] + self._backward[stop]).min())

    def gain_cut_off(self) -> float:
        """How much better the alignment gets if the speech stopped at the best place."""
        return self.cost - float(self._forward[:, -1].min())

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """What was heard in the place of spoken[start:stop]; insertions that may be its neighbours' are left out."""
        paths = self._forward + self._backward <= self.cost + 1e-9
        begin, end = np.flatnonzero(paths[start])[-1], np.flatnonzero(paths[stop])[0]
        return int(begin), int(max(begin, end))


def join(parts: Iterable[Sounds]) -> Sounds:
    """Sounds one after the other."""
    return np.concatenate([np.zeros(0, dtype=np.intp), *parts])


def weight(sounds: Sounds) -> float:
    """How much is said: 1 a consonant, 0.5 a vowel."""
    return float(_WEIGHTS[sounds].sum())


def distance(spoken: Sounds, heard: Sounds) -> float:
    """The cost of the best alignment over the weight of the longer one; see `Phonetics.distance`."""
    longer = max(weight(spoken), weight(heard))
    return float(_costs(spoken, heard)[-1, -1] / longer) if longer else 0.0


def _costs(reference: Sounds, hypothesis: Sounds) -> NDArray[np.float64]:
    """The cost of aligning every beginning of one with every beginning of the other, shape (n + 1, m + 1)."""
    inserted = np.concatenate([[0.0], _WEIGHTS[hypothesis].cumsum()])
    costs = np.empty((len(reference) + 1, len(hypothesis) + 1))
    costs[0] = inserted
    substituted, deleted = _COSTS[np.ix_(reference, hypothesis)], _WEIGHTS[reference]
    for row in range(len(reference)):
        best = costs[row] + deleted[row]
        np.minimum(best[1:], costs[row, :-1] + substituted[row], out=best[1:])
        # A running minimum with the insertions up to each column taken off gives the best place to begin inserting.
        costs[row + 1] = np.minimum.accumulate(best - inserted) + inserted
    return costs


@functools.cache
def _split(mnemonic: str) -> Sequence[str]:
    """The consonant, or the vowels and the coda, that one mnemonic of espeak stands for."""
    toneless = _TONE.sub("", mnemonic)
    if toneless in _CONSONANTS:
        return [toneless]
    found: list[str] = []
    for letter in toneless.replace("ng", "N"):
        if letter in _VOWELS:
            found.append(letter)
        elif found and letter in _CODAS:
            found.append(_CODAS[letter])
        elif letter.isalpha():
            found.append(_OTHER)
    return found
