"""Capital letters in a term: said one by one (LVMH), as a word (NASA), or, by different people, in both ways (SKU)."""

import re

# As English readers spell them, which espeak's Mandarin voice and Flite read as well.
_NAMES = {
    "A": "ay",
    "B": "bee",
    "C": "see",
    "D": "dee",
    "E": "ee",
    "F": "eff",
    "G": "jee",
    "H": "aitch",
    "I": "eye",
    "J": "jay",
    "K": "kay",
    "L": "ell",
    "M": "em",
    "N": "en",
    "O": "oh",
    "P": "pee",
    "Q": "cue",
    "R": "are",
    "S": "ess",
    "T": "tee",
    "U": "you",
    "V": "vee",
    "W": "double you",
    "X": "ex",
    "Y": "why",
    "Z": "zee",
}
_ENGLISH_LETTERS = frozenset({"zh", "en"})
# Longer runs of capitals are words that somebody wrote in capitals.
_RUN = re.compile(r"(?<![A-Za-z])[A-Z]{2,5}(?![A-Za-z])")
_VOWELS = frozenset("AEIOUY")


def acronym_readings(term: str, language: str) -> tuple[str, ...]:
    """How a term with capital letters may be said: letter by letter, then as a word if it has a vowel; else nothing.

    >>> acronym_readings("NASA 包", "zh")
    ('en ay ess ay 包', 'nasa 包')
    >>> acronym_readings("GG", "en")
    ('jee jee',)
    """
    runs = _RUN.findall(term)
    if not runs:
        return ()
    spelled = " ".join(_RUN.sub(lambda run: f" {_letters(run.group(), language)} ", term).split())
    if not any(_VOWELS & set(run) for run in runs):
        return (spelled,)
    return spelled, _RUN.sub(lambda run: run.group().lower(), term)


def _letters(run: str, language: str) -> str:
    return " ".join(_NAMES[letter] if language in _ENGLISH_LETTERS else letter for letter in run)
