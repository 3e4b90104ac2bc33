"""Utterances without a text to take them from: random sequences of words, each word in one fold only."""

import functools
import itertools
import random
from collections.abc import Iterator
from pathlib import Path

from harken.errors import HarkenError
from harken.records import Row, fingerprint, generator
from harken.spotting_settings import SequenceSettings

_NOUNS = ("n", "nr", "ns", "nt", "nz")
_LEAST_FREQUENCY = 20
_CHARACTERS = range(2, 5)
_ONSETS = (*"bcdfghjklmnprstvz", "br", "cl", "dr", "fl", "gr", "pr", "st", "tr", "ch", "sh")
_VOWELS = (*"aeiou", "ai", "ou", "ee", "ia")
_CODAS = ("", "", "n", "l", "r", "s", "t", "x", "nt", "ck")
# Far more than any vocabulary, so that folds of the invented names hold enough.
_INVENTED = 60_000


def vocabulary(settings: SequenceSettings, seed: int) -> list[str]:
    """The words in use, sorted: drawn from the fold, the same for the same settings and seed.

    Raises:
        HarkenError: the fold holds fewer words than asked for, or the word list cannot be read.
    """
    least, most = settings.fold
    words = [word for word in _words(settings.words) if least <= _share(word) < most]
    if len(words) < settings.vocabulary:
        raise HarkenError(
            "sequences.vocabulary",
            settings.vocabulary,
            f"The fold {least:g} to {most:g} of {settings.words} holds {len(words)} words: ask for fewer or widen it.",
        )
    return sorted(generator("vocabulary", seed, str(settings.words)).sample(words, settings.vocabulary))


def sequence_rows(settings: SequenceSettings, language: str, seed: int) -> list[Row]:
    """``{"id", "text", "language"}`` of `settings.count` utterances, in which all words are about equally frequent.

    Chinese words are parted by a comma, so that no other word arises where two meet; others by a space.
    """
    words = vocabulary(settings, seed)
    identity = fingerprint("sequences", settings.model_dump(mode="json"), language, seed)
    draw = generator(identity, "order")
    stream = _rounds(words, draw)
    separator = "，" if language == "zh" else " "
    rows = []
    for index in range(settings.count):
        said = list(itertools.islice(stream, draw.randint(*settings.words_per_utterance)))
        rows.append(
            {"id": fingerprint(identity, index), "text": separator.join(dict.fromkeys(said)), "language": language}
        )
    return rows


def _rounds(words: list[str], draw: random.Random) -> Iterator[str]:
    while True:
        yield from draw.sample(words, len(words))


def _share(word: str) -> float:
    return int(fingerprint("fold", word), 16) / 16**16


@functools.cache
def _words(source: str | Path) -> tuple[str, ...]:
    if source == "jieba":
        return _jieba_nouns()
    if source == "invented":
        draw = generator("invented names")
        return tuple(dict.fromkeys(_invented(draw) for _ in range(_INVENTED)))
    try:
        lines = Path(source).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as failure:
        raise HarkenError("word list", str(source), f"It cannot be read as UTF-8 text ({failure}).") from None
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip()))


def _jieba_nouns() -> tuple[str, ...]:
    import jieba

    lines = Path(jieba.__file__).with_name("dict.txt").read_text(encoding="utf-8").splitlines()
    found = []
    for word, frequency, tag in (line.split() for line in lines):
        if tag in _NOUNS and int(frequency) >= _LEAST_FREQUENCY and len(word) in _CHARACTERS:
            found.append(word)
    return tuple(found)


def _invented(draw: random.Random) -> str:
    syllables = draw.choice((2, 2, 2, 3, 3))
    return "".join(draw.choice(_ONSETS) + draw.choice(_VOWELS) for _ in range(syllables)) + draw.choice(_CODAS)
