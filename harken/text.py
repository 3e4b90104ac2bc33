"""Text in the form in which it is compared: what counts as a character, a boundary, a script.

`normalise` is the form every metric works on. Runs of punctuation, symbols and white space become *one* space,
because word metrics and segmenters need to know where words and clauses end; character metrics count no spaces
(`characters` drops them). So ``上海人,喜欢speedy 20。`` becomes ``上海人 喜欢speedy 20``.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Literal

import opencc

from harken.numerals import write_numerals

Script = Literal["cn", "oth"]
CharacterClass = Literal["letter", "digit", "ideograph"]
NumberForm = Literal["itn"]
Span = tuple[int, int]

# Unified and compatibility ideographs with the planes reserved for them, and the two signs that stand for one.
HAN = "々〇\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"

APOSTROPHES = "'’‘ʼ′´`"
_HAN = re.compile(f"[{HAN}]")
_ACCENTS = re.compile("[\u0300-\u036f]")
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)
_SPACE_BESIDE_HAN = re.compile(f"(?<=[{HAN}]) | (?=[{HAN}])")
_THOUSANDS = re.compile(r"\d{3}(?!\d)")
_WORD = re.compile(rf"[{HAN}]|\d+|[^\s\d{HAN}]+")


@functools.cache
def is_han(character: str) -> bool:
    """True for one Han character (Chinese ideographs; not kana, bopomofo or Hangul)."""
    return _HAN.match(character) is not None


@functools.lru_cache(maxsize=65536)
def script(token: str) -> Script:
    """``cn`` when the character, or any character of the word, is Han; else ``oth``."""
    return "cn" if _HAN.search(token) else "oth"


def normalise(
    text: str,
    *,
    traditional_to_simplified: bool = True,
    number_form: NumberForm | None = None,
    protect: Sequence[Span] = (),
    fold_accents: bool = False,
) -> str:
    """The text in the form in which it is scored.

    NFKC, lower case, OpenCC traditional to simplified, optionally inverse text normalisation of Chinese numerals
    (``number_form="itn"``: 二十 becomes 20), then Unicode categories P, S and Z become single spaces between
    what they separated. An apostrophe between letters, a decimal point and a comma before three digits separate
    nothing (``it's`` is ``its``, ``1,000`` is ``1000``). Control and format characters, emoji modifiers and combining
    marks without a base vanish; a decomposed accent is composed first, so it costs nothing.

    Args:
        text: any Unicode text.
        protect: character spans ``(start, end)`` of ``text`` whose numerals stay as they are: keyword spans, as
            三宅一生 and 百年灵 are names and not numbers. Only ``number_form="itn"`` looks at them.
        fold_accents: compare ``hermès`` and ``hermes`` as equal (off: a missing accent is one substitution).
    """
    return separate(
        canonicalise(
            text,
            traditional_to_simplified=traditional_to_simplified,
            number_form=number_form,
            protect=protect,
            fold_accents=fold_accents,
        )
    )[0]


def canonicalise(
    text: str,
    *,
    traditional_to_simplified: bool = True,
    number_form: NumberForm | None = None,
    protect: Sequence[Span] = (),
    fold_accents: bool = False,
) -> str:
    """`normalise` without its last step: punctuation and spaces are still there."""

    def canonical(piece: str) -> str:
        piece = unicodedata.normalize("NFKC", piece.translate(_BEFORE_NFKC)).lower()
        if fold_accents:
            piece = remove_accents(piece)
        # Lower case can decompose (İ), and composing afterwards keeps the result stable under a second pass.
        return unicodedata.normalize("NFKC", _simplifier()(piece) if traditional_to_simplified else piece)

    if number_form is None:
        return canonical(text)
    pieces: list[str] = []
    protected: list[Span] = []
    length = position = 0
    for start, end in sorted(protect):
        before, inside = canonical(text[position:start]), canonical(text[max(start, position) : end])
        pieces += [before, inside]
        protected.append((length + len(before), length + len(before) + len(inside)))
        length += len(before) + len(inside)
        position = max(position, end)
    pieces.append(canonical(text[position:]))
    return write_numerals("".join(pieces), protected)


def separate(canonical: str) -> tuple[str, list[int]]:
    """Replace separators in canonical text by single spaces.

    Returns:
        The normalised text and, for each of its characters, the index in ``canonical`` it comes from.
    """
    kept: list[str] = []
    origins: list[int] = []
    boundary = False
    for index, character in enumerate(canonical):
        kind = _kind(character)
        if kind == "separator":
            boundary = boundary or not _joins(canonical, index)
        elif kind == "text" or (kind == "mark" and kept and not boundary):
            if boundary and kept:
                kept.append(" ")
                origins.append(index)
            boundary = False
            kept.append(character)
            origins.append(index)
    return "".join(kept), origins


def delete_punctuation(canonical: str) -> str:
    """Canonical text with punctuation and symbols deleted and white space kept, for raw word error rates."""
    return "".join(
        " " if character.isspace() else character
        for character in canonical
        if character.isspace() or _kind(character) in ("text", "mark")
    )


def characters(normalised: str) -> str:
    """The characters that count: normalised text without its spaces."""
    return normalised.replace(" ", "")


def bare(text: str) -> str:
    """Raw text as it is compared: its normalised characters without spaces."""
    return characters(normalise(text))


def join_han(normalised: str) -> str:
    """Normalised text without the spaces beside Han characters, so that punctuation cannot change the words."""
    return _SPACE_BESIDE_HAN.sub("", normalised)


def mixed_units(normalised: str) -> list[str]:
    """Units of the mixed error rate: each Han character, each run of digits, each word of other letters.

    Letters and digits are parted wherever they meet, so ``speedy20`` and ``speedy 20`` are the same two units.
    """
    return _WORD.findall(normalised)


def unit_spans(text: str) -> list[Span]:
    """Where the units of the mixed error rate (`mixed_units`) stand in raw text, in order, as half-open spans.

    ``it's 1,000元`` has (0, 4), (5, 10) and (10, 11). Units that one character of the text holds (㎡ is an m and a 2)
    count as one.
    """
    pieces = [canonicalise(character, traditional_to_simplified=False) for character in text]
    sources = [index for index, piece in enumerate(pieces) for _ in piece]
    normalised, origins = separate("".join(pieces))
    spans: list[Span] = []
    for unit in _WORD.finditer(normalised):
        start, end = sources[origins[unit.start()]], sources[origins[unit.end() - 1]] + 1
        if spans and start < spans[-1][1]:
            start = spans.pop()[0]
        spans.append((start, end))
    return spans


@functools.cache
def character_class(character: str) -> CharacterClass:
    """``digit``, ``letter`` of a script that puts spaces between words, or else ``ideograph`` (Han, kana, Hangul)."""
    if character.isdigit():
        return "digit"
    # Scripts written without spaces are as wide as ideographs.
    return "ideograph" if is_han(character) or unicodedata.east_asian_width(character) in "WF" else "letter"


def is_word_boundary(left: str, right: str) -> bool:
    """False inside a run of letters and inside a run of digits; any two other neighbours can be two words."""
    return character_class(left) == "ideograph" or character_class(left) != character_class(right)


def remove_accents(text: str) -> str:
    """Drop the combining accents U+0300 to U+036F (``hermès`` becomes ``hermes``); other marks stay."""
    return unicodedata.normalize("NFC", _ACCENTS.sub("", unicodedata.normalize("NFD", text)))


def simplify(text: str) -> str:
    """Traditional to simplified Chinese."""
    return _simplifier()(text)


@functools.cache
def _simplifier() -> Callable[[str], str]:
    convert: Callable[[str], str] = opencc.OpenCC("t2s").convert
    return convert


@functools.cache
def _kind(character: str) -> Literal["text", "mark", "separator", "ignored"]:
    category = unicodedata.category(character)
    if category[0] in "PSZ" or character.isspace():
        return "separator"
    if category[0] == "C" or category == "Me" or ord(character) in _VARIATION_SELECTORS:
        return "ignored"
    return "mark" if category[0] == "M" else "text"


def _joins(text: str, index: int) -> bool:
    """True for an apostrophe between letters, a point between digits and a comma before exactly three."""
    if not 0 < index < len(text) - 1:
        return False
    left, character, right = text[index - 1], text[index], text[index + 1]
    if character in APOSTROPHES:
        return left.isalpha() and right.isalpha() and not (is_han(left) or is_han(right))
    if character == ",":
        return left.isdigit() and _THOUSANDS.match(text, index + 1) is not None
    return character == "." and left.isdigit() and right.isdigit()


class _BeforeNfkc(dict[int, str]):
    """What must happen before NFKC: it would turn ™ into the letters tm and ´ into a space with an accent."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        if character in APOSTROPHES:
            replacement = "'"
        elif character in "™℠" or unicodedata.category(character) == "Sk":
            replacement = " "
        else:
            # Also lone surrogates, which OpenCC cannot take.
            replacement = "" if _kind(character) == "ignored" else character
        self[code] = replacement
        return replacement


_BEFORE_NFKC = _BeforeNfkc()
