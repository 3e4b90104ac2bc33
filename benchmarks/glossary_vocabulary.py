"""What the glossary benchmark's glossaries hold and what its utterances say.

The terms are nested: a smaller glossary is the beginning of a larger one. First those that are said, then what is
easily taken for them, then as many others as are wanted.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import jieba

from actors.acronyms import acronym_readings
from actors.phoneme_reader import espeak_voice, read_phonemes
from compression.inventory import Phonemes
from harken.corpora.corpus import text_lines
from harken.records import Row, fingerprint, generator
from harken.spotting_settings import SequenceSettings
from harken.text import is_han
from harken.word_sequences import vocabulary

CHINESE, ENGLISH = "zh", "en"
# Words of these folds are in no training set of configs/nano-spotter.yaml; what no term is comes from the second.
SAID_FOLD, UNSAID_FOLD = (0.9, 1.0), (0.8, 0.9)
SHORT_PHONEMES = 3
_WORDS_PER_UTTERANCE = (3, 5)
_REPEATS = 3
# Times the said ones: most words of a large dictionary hold the sound of another one.
_UNSAID = 4
_POOL = 30_000
_CONSONANTS = "BCDFGHJKLMNPQRSTVWXZ"


@dataclass(frozen=True)
class Said:
    """An utterance to be spoken, and the terms it says."""

    text: str
    language: str
    terms: tuple[str, ...]
    phonemes: Phonemes


@dataclass
class Vocabulary:
    """Terms and utterances.

    Attributes:
        terms: ``{"term", "language"[, "spoken"]}`` in the order in which glossaries take them.
        needed: how many of them every glossary must have: those that are said and those they are taken for.
        utterances: each says three to five terms, every term is said about three times.
        unsaid: utterances of words that are no terms.
        groups: terms that are said, by what makes them hard.
        confusable: of a said term the terms that are nearly it or in it.
    """

    terms: list[Row] = field(default_factory=list)
    needed: int = 0
    utterances: list[Said] = field(default_factory=list)
    unsaid: list[Said] = field(default_factory=list)
    groups: dict[str, list[str]] = field(default_factory=dict)
    confusable: dict[str, list[str]] = field(default_factory=dict)


def draw_vocabulary(size: int, said: int, names: Sequence[str], words: Path | None, seed: int) -> Vocabulary:
    """Terms for glossaries up to `size`, of which about `said` are said in either language.

    Args:
        names: terms that recordings say (the unseen synthesizer's).
        words: a list of Latin words, one a line, such as /usr/share/dict/words; None: invented names.

    Raises:
        HarkenError: more said terms than the folds hold, or a word list that cannot be read.
    """
    nouns = sorted(_nouns(), key=lambda noun: fingerprint("others", seed, noun))
    voice = espeak_voice(CHINESE)
    draw = generator("glossary benchmark", seed)
    chinese = _words_of("jieba", said, SAID_FOLD, seed)
    # Enough to hold something easily taken for most of them.
    pool = nouns[:_POOL]
    sounds = read_phonemes([*pool, *chinese], voice)
    latin = [word for word in _words_of("invented", said // 2 + len(names), SAID_FOLD, seed) if word not in set(names)]
    latin = latin[: said // 2]
    stress = max(2, said // 4)
    short = [word for word in pool if 0 < len(sounds[word]) <= SHORT_PHONEMES and word not in chinese]
    short = draw.sample(short, min(stress, len(short)))
    acronyms = _acronyms(stress, draw)
    neighbours = _neighbours(chinese, pool, sounds)
    inner = _inner(chinese, set(nouns))
    confusable: dict[str, list[str]] = defaultdict(list)
    for found in (neighbours, inner):
        for term, others in found.items():
            confusable[term] += others
    vocabulary = Vocabulary(
        groups={
            "one phoneme away": sorted(neighbours),
            "holds another term": sorted(inner),
            f"{SHORT_PHONEMES} phonemes or fewer": short,
            "acronyms": acronyms,
        },
        confusable=dict(confusable),
    )
    spoken = {term: acronym_readings(term, ENGLISH)[0] for term in acronyms}
    _fill_utterances(vocabulary, [*chinese, *short], CHINESE, {}, draw)
    _fill_utterances(vocabulary, [*latin, *acronyms], ENGLISH, spoken, draw)
    known = _rows(CHINESE, [*chinese, *short]) + _rows(ENGLISH, [*latin, *acronyms, *names])
    beside = _rows(CHINESE, (term for others in confusable.values() for term in others))
    vocabulary.needed = len({(row["language"], row["term"]) for row in [*known, *beside]})
    unsaid = _words_of("jieba", _UNSAID * said, UNSAID_FOLD, seed)
    others = _others(nouns, words, seed)
    blocked = set(unsaid)
    rows = (row for row in [*known, *beside, *others] if row["term"] not in blocked)
    distinct = {(row["language"], row["term"]): row for row in rows}
    vocabulary.terms = list(islice(distinct.values(), size))
    sounds = read_phonemes([*(row["term"] for row in vocabulary.terms if row["language"] == CHINESE), *unsaid], voice)
    _fill_unsaid(vocabulary, unsaid, sounds)
    return vocabulary


def _fill_utterances(
    vocabulary: Vocabulary, terms: Sequence[str], language: str, spoken: Mapping[str, str], draw: random.Random
) -> None:
    texts = {term: spoken.get(term, term) for term in terms}
    sounds = read_phonemes(texts.values(), espeak_voice(language))
    stream = iter([term for _ in range(_REPEATS) for term in draw.sample(list(terms), len(terms))])
    while chosen := tuple(dict.fromkeys(islice(stream, draw.randint(*_WORDS_PER_UTTERANCE)))):
        phonemes = tuple(sound for term in chosen for sound in sounds[texts[term]])
        vocabulary.utterances.append(Said(_joined([texts[term] for term in chosen]), language, chosen, phonemes))


def _fill_unsaid(vocabulary: Vocabulary, words: Sequence[str], sounds: Mapping[str, Phonemes]) -> None:
    """Utterances of words that hold the sound of no Chinese term."""
    terms = {sounds[row["term"]] for row in vocabulary.terms if row["language"] == CHINESE}
    clear = [word for word in words if not any(run in terms for run in _runs(sounds[word]))]
    for start in range(0, len(clear) - _WORDS_PER_UTTERANCE[0] + 1, _WORDS_PER_UTTERANCE[1]):
        chosen = clear[start : start + _WORDS_PER_UTTERANCE[1]]
        phonemes = tuple(sound for word in chosen for sound in sounds[word])
        vocabulary.unsaid.append(Said(_joined(chosen), CHINESE, (), phonemes))


def _joined(words: Sequence[str]) -> str:
    # A comma, so that no other word arises where two meet.
    return "，".join(words) if is_han(words[0][0]) else ", ".join(words)


def _runs(phonemes: Phonemes) -> Iterator[Phonemes]:
    for start in range(len(phonemes)):
        for end in range(start + 1, len(phonemes) + 1):
            yield phonemes[start:end]


def _neighbours(terms: Sequence[str], words: Sequence[str], sounds: Mapping[str, Phonemes]) -> dict[str, list[str]]:
    """For terms the words that differ in one phoneme: at most two each."""
    masked: dict[tuple[int, Phonemes], list[str]] = defaultdict(list)
    wanted = {key for term in terms for key in _masked(sounds[term])}
    for word in words:
        for key in _masked(sounds[word]):
            if key in wanted:
                masked[key].append(word)
    found = {}
    for term in terms:
        others = {word for key in _masked(sounds[term]) for word in masked[key] if sounds[word] != sounds[term]}
        if others:
            found[term] = sorted(others)[:2]
    return found


def _masked(phonemes: Phonemes) -> list[tuple[int, Phonemes]]:
    return [(place, phonemes[:place] + phonemes[place + 1 :]) for place in range(len(phonemes))]


def _inner(terms: Sequence[str], words: set[str]) -> dict[str, list[str]]:
    """For terms of three ideographs and more the words at their beginning and end."""
    parts = {term: [part for part in (term[:2], term[-2:]) if part in words] for term in terms if len(term) > 2}
    return {term: found for term, found in parts.items() if found}


def _acronyms(count: int, draw: random.Random) -> list[str]:
    found: dict[str, None] = {}
    while len(found) < count:
        found["".join(draw.sample(_CONSONANTS, 3))] = None
    return list(found)


def _words_of(source: str, count: int, fold: tuple[float, float], seed: int) -> list[str]:
    settings = SequenceSettings.model_validate({"words": source, "vocabulary": count, "fold": fold, "count": 1})
    return vocabulary(settings, seed)


def _others(nouns: Sequence[str], words: Path | None, seed: int) -> Iterator[Row]:
    """The nouns and names in the order given and Latin words in none, two to one while there are any of both."""
    latin = _words_of("invented", 20_000, (0.0, 0.8), seed) if words is None else _latin(words)
    mixed = sorted(latin, key=lambda word: fingerprint("others", seed, word))
    streams = [iter(_rows(CHINESE, nouns)), iter(_rows(ENGLISH, mixed))]
    while True:
        taken = [*islice(streams[0], 2), *islice(streams[1], 1)]
        if not taken:
            return
        yield from taken


def _latin(path: Path) -> list[str]:
    lines = (line for _, line in text_lines(path, "word list"))
    return sorted({line for line in lines if line.isascii() and line.isalpha() and 4 <= len(line) <= 14})


def _rows(language: str, terms: Iterable[str]) -> list[Row]:
    return [{"term": term, "language": language} for term in dict.fromkeys(terms)]


def _nouns() -> list[str]:
    """The nouns and names of two to six ideographs in jieba's dictionary."""
    found = []
    for line in Path(jieba.__file__).with_name("dict.txt").read_text(encoding="utf-8").splitlines():
        word, _, tag = line.split()
        if tag.startswith("n") and 2 <= len(word) <= 6 and all(map(is_han, word)):
            found.append(word)
    return found
