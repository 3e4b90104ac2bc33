"""espeak-ng's events as times of units: what it says about each word and phoneme while it speaks.

espeak reports a word's place in the text and the audio position at which it begins, and with phoneme events on, the
same for every phoneme (struct ``espeak_EVENT`` of ``speak_lib.h``, revision 12). Its words are not Harken's units:

- A number or a Latin word may be several words to it (``22`` in Mandarin, ``MM``, the i of ``iPhone``): the unit
  lasts from the first to the last.
- Mandarin words that its dictionary has (上海, 偏好) are one word of several characters, reported at the first. Their
  characters are parted where the syllables are, a boundary that Mandarin's phonemes tell but for a lone ``n`` between
  two vowels, which is taken for the beginning of the second (可能, not 天安).
- Where the syllables are not as many as the characters (儿 that melts into the syllable before it), the word is
  parted evenly.
"""

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from harken.text import Span, is_han, unit_spans
from harken.unit_times import UnitTime

_LIST_TERMINATED, _WORD, _PHONEME = 0, 1, 7  # espeak_EVENT_TYPE
# Pauses and the switches of language, such as (en), stand among the phonemes.
_SILENT = ("_", "(")
_STRESS = "',%=|-"
_VOWELS = frozenset("aeiouyAEIOUY@&")


class _Identity(ctypes.Union):
    _fields_ = (("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8))


class _Event(ctypes.Structure):
    _fields_ = (
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Identity),
    )


@dataclass(frozen=True)
class SpeechEvent:
    """Something that begins at `seconds` of the speech and at index `character` of the text.

    `kind` is espeak's ``espeak_EVENT_TYPE``; `phoneme` its mnemonic for a phoneme, else "".
    """

    kind: int
    character: int
    seconds: float
    phoneme: str = ""


@dataclass(frozen=True)
class _Sound:
    phoneme: str
    start: float
    end: float


@dataclass
class _Word:
    character: int
    start: float
    sounds: list[_Sound] = field(default_factory=list)


def read_events(address: int) -> list[SpeechEvent]:
    """The events of one call of espeak's callback, from the address of their array."""
    array = ctypes.cast(address, ctypes.POINTER(_Event))
    events = []
    index = 0
    while array[index].type != _LIST_TERMINATED:
        event = array[index]
        phoneme = event.id.string.decode("utf-8", "replace") if event.type == _PHONEME else ""
        # espeak counts characters from 1, and in milliseconds.
        events.append(SpeechEvent(event.type, event.text_position - 1, event.audio_position / 1000, phoneme))
        index += 1
    return events


def unit_times(text: str, events: Sequence[SpeechEvent]) -> tuple[UnitTime, ...]:
    """The times of all units of `text`, which was spoken with these events; () where the events do not tell them."""
    spans = unit_spans(text)
    owners = {character: index for index, (start, end) in enumerate(spans) for character in range(start, end)}
    # Units that are said in the same words, and those words.
    groups: list[tuple[list[Span], list[_Word]]] = []
    said: list[list[_Word]] = [[] for _ in spans]
    for word in _words(events):
        if word.character in owners:
            said[owners[word.character]].append(word)
    for span, words in zip(spans, said, strict=True):
        if words:
            groups.append(([span], words))
        elif groups:
            groups[-1][0].append(span)
        else:
            return ()
    units = [unit for members, words in groups for unit in _part(text, members, words)]
    in_order = all(left.end <= right.start for left, right in pairwise(units))
    return tuple(units) if in_order else ()


def _words(events: Sequence[SpeechEvent]) -> list[_Word]:
    """The words that are heard; the last event ends the last sound."""
    words: list[_Word] = []
    for event, following in pairwise(events):
        if event.kind == _WORD:
            words.append(_Word(event.character, event.seconds))
        elif event.kind == _PHONEME and words and not event.phoneme.startswith(_SILENT):
            words[-1].sounds.append(_Sound(event.phoneme.strip(_STRESS), event.seconds, following.seconds))
    return [word for word in words if word.sounds]


def _part(text: str, spans: Sequence[Span], words: Sequence[_Word]) -> list[UnitTime]:
    """The stretch of some words, parted among the units that are said in them."""
    start, end = words[0].start, words[-1].sounds[-1].end
    edges = [start]
    if len(spans) > 1:
        if all(is_han(text[first]) for first, _ in spans):
            edges = [start, *_syllable_starts([sound for word in words for sound in word.sounds])[1:]]
        if len(edges) != len(spans):
            edges = [start + (end - start) * index / len(spans) for index in range(len(spans))]
    return [UnitTime(*span, *times) for span, times in zip(spans, pairwise([*edges, end]), strict=True)]


def _syllable_starts(sounds: Sequence[_Sound]) -> list[float]:
    """Where Mandarin's syllables begin: one vowel each, which a nasal may close."""
    nuclei = [index for index, sound in enumerate(sounds) if sound.phoneme[:1] in _VOWELS]
    starts = [sounds[0].start] if nuclei else []
    for left, right in pairwise(nuclei):
        between = [sound.phoneme for sound in sounds[left + 1 : right]]
        closed = between[:1] == ["N"] or (between[:1] == ["n"] and len(between) > 1)
        starts.append(sounds[left + 1 + closed].start)
    return starts
