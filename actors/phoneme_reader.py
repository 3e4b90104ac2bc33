"""The phonemes of words as espeak-ng reads them: what makes two terms sound alike, or nearly.

Unlike `actors.phonetics` and `actors.sounds`, which compare what was said with what was heard, nothing is merged here:
a phoneme is one of espeak's mnemonics, with its tone in Mandarin, so that terms which differ in a tone are neighbours
and not the same.
"""

from collections.abc import Iterable, Sequence

from actors.tts.espeak import MANDARIN, Engine
from compression.inventory import Phonemes
from harken.text import mixed_units, normalise


def read_phonemes(texts: Iterable[str], voice: str = MANDARIN) -> dict[str, Phonemes]:
    """The phonemes of each text, read as a whole; () for one without anything to read.

    Args:
        voice: espeak's name, such as ``cmn`` (which reads Latin words as English) or ``de``.

    Raises:
        HarkenError: a voice that is not installed.

    Example:
        >>> read_phonemes(["task", "—"], "en")
        {'task': ('t', 'aa', 's', 'k'), '—': ()}
    """
    distinct = sorted(set(texts))
    with Engine() as engine:
        return dict(zip(distinct, map(tuple, engine.phonemes_of(distinct, voice)), strict=True))


def espeak_voice(language: str) -> str:
    """espeak's voice for the phonemes of a language by Whisper's code."""
    return {"zh": MANDARIN, "en": "en-us"}.get(language, language)


def read_units(texts: Sequence[str], voice: str = MANDARIN) -> list[list[Phonemes]]:
    """The phonemes of every unit (Han character, word, run of digits) of each text; every distinct unit is read once.

    Raises:
        HarkenError: a voice that is not installed.
    """
    divided = [mixed_units(normalise(text)) for text in texts]
    known = read_phonemes((unit for units in divided for unit in units), voice)
    return [[known[unit] for unit in units] for units in divided]
