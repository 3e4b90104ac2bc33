"""What is worth knowing about a glossary before it is searched: which terms will cause trouble, and why.

A common word as a term fires all the time; one of three sounds is heard in half of all speech; a term inside another
is said whenever the other is. Only common words are kept out of a glossary, and only unless they are allowed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harken.glossary_settings import CurationSettings
from harken.glossary_terms import read_glossary, spelling_key
from harken.text import is_han, simplify

HOMOPHONES = "homophones"
SHORT = "short"
COMMON = "common"
BLOCKED = "blocked"
CONTAINS = "contains"
CONTAINED = "contained"
UNSPOKEN = "unspoken"

MEANINGS: Mapping[str, str] = {
    HOMOPHONES: "Several spellings of one sound: one acoustic entry, told apart by whoever reads the transcript.",
    SHORT: "So few phonemes that much else sounds like it.",
    COMMON: "A word of everyday speech.",
    BLOCKED: "A common word that is not allowed: left out of the store.",
    CONTAINS: "Its sound holds that of another term, which is heard whenever it is said.",
    CONTAINED: "Its sound is part of another term's.",
    UNSPOKEN: "No engine could speak it and it has no recording: not in the store.",
}
"""Every flag and what it means, in the order of a report."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """What curation knows of an entry: its spellings, the first of which it is called by, and its phonemes.

    `phonemes` are empty where they are not known, as of a term that is recorded and not read.
    """

    spellings: tuple[str, ...]
    phonemes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Findings:
    """The flags of each candidate, in the candidates' order, and the first term that each one contains.

    `contained`: (index of the longer, index of the one in it), by the longer; for every longer one the longest.
    """

    flags: list[tuple[str, ...]]
    contained: list[tuple[int, int]] = field(default_factory=list)

    def blocked(self) -> list[int]:
        """The candidates that do not go into the store."""
        return [index for index, flags in enumerate(self.flags) if BLOCKED in flags]


class CommonWords:
    """Words of everyday speech: the head of jieba's dictionary for Han terms and the user's own list for any.

    Args:
        allowed: terms that are never blocked.

    Raises:
        HarkenError: a list that is missing or broken.
    """

    def __init__(self, settings: CurationSettings) -> None:
        self.common = _frequent_words(settings.most_common) | _listed(settings.common_words)
        self.allowed = _listed(settings.allowed)

    def is_common(self, term: str) -> bool:
        """Whether a term is one of these words, in whatever spelling of case, width or Chinese variant."""
        return _form(term) in self.common

    def is_allowed(self, term: str) -> bool:
        """Whether a term stays whatever it is."""
        return _form(term) in self.allowed


def curate(candidates: Sequence[Candidate], settings: CurationSettings, words: CommonWords | None = None) -> Findings:
    """Flag candidates; the result for one depends on the others by containment alone.

    Raises:
        HarkenError: a word list that is missing or broken.
    """
    words = words or CommonWords(settings)
    contained = list(_containments(candidates, settings.least_phonemes))
    holders, held = {longer for longer, _ in contained}, {inner for _, inner in contained}
    flags = []
    for index, candidate in enumerate(candidates):
        common = any(map(words.is_common, candidate.spellings))
        tests = {
            HOMOPHONES: len(candidate.spellings) > 1,
            SHORT: 0 < len(candidate.phonemes) < settings.least_phonemes,
            COMMON: common,
            BLOCKED: common and not any(map(words.is_allowed, candidate.spellings)),
            CONTAINS: index in holders,
            CONTAINED: index in held,
        }
        flags.append(tuple(flag for flag, holds in tests.items() if holds))
    return Findings(flags, contained)


def _containments(candidates: Sequence[Candidate], least: int) -> Iterable[tuple[int, int]]:
    """For each candidate the longest other one whose phonemes are a run of its own; short ones are in everything."""
    places = {
        candidate.phonemes: index for index, candidate in enumerate(candidates) if len(candidate.phonemes) >= least
    }
    lengths = sorted({len(phonemes) for phonemes in places}, reverse=True)
    for index, candidate in enumerate(candidates):
        inner = _longest_run(candidate.phonemes, places, lengths)
        if inner is not None:
            yield index, inner


def _longest_run(
    phonemes: tuple[str, ...], places: Mapping[tuple[str, ...], int], lengths: Sequence[int]
) -> int | None:
    for length in lengths:
        if length < len(phonemes):
            for start in range(len(phonemes) - length + 1):
                inner = places.get(phonemes[start : start + length])
                if inner is not None:
                    return inner
    return None


def _form(term: str) -> str:
    return spelling_key(simplify(term))


def _listed(path: Path | None) -> frozenset[str]:
    return frozenset() if path is None else frozenset(_form(term.term) for term in read_glossary(path).terms)


def _frequent_words(count: int) -> frozenset[str]:
    """The most frequent words of jieba's dictionary that are of Han characters alone."""
    if not count:
        return frozenset()
    import jieba

    found = []
    for line in Path(jieba.__file__).with_name("dict.txt").read_text(encoding="utf-8").splitlines():
        word, frequency, _ = line.split()
        if all(map(is_han, word)):
            found.append((-int(frequency), word))
    return frozenset(_form(word) for _, word in sorted(found)[:count])
