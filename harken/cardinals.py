"""Arabic digits in the words a Mandarin speaker says, for voices that cannot read digits.

The opposite of `harken.numerals`: 30岁 is read 三十岁, 1955年 一九五五年, 3.5万 三点五万, 20% 百分之二十. Numbers
that are names (long ones, ones after a letter such as M41112, ones with a leading zero) are read digit by digit. A
term that is read otherwise belongs into the pronunciation lexicon, which comes first.
"""

import re

_DIGITS = "零一二三四五六七八九"
_UNITS = ("", "十", "百", "千")
_GROUPS = ("", "万", "亿", "万亿")
_NUMBER = re.compile(r"([0-9０-９]+)(?:\.([0-9０-９]+))?([%％]?)")
_COUNTED = re.compile("[个件只款条双次位套对种枚瓶]")
# From here on a number without units is a telephone, order or model number, unless it is round.
_LONGEST_QUANTITY = 4
_LONGEST = 16


def spell_numbers(text: str) -> str:
    """``text`` with every number in words; everything else stays as it is.

    Example:
        >>> spell_numbers("30岁,买了2个speedy 25,1955年的M41112打8.5折")
        '三十岁,买了两个speedy 二十五,一九五五年的M四一一一二打八点五折'
    """
    return _NUMBER.sub(_spell, text)


def cardinal(value: int) -> str:
    """A whole number from 0 to below 10**16 in words: 20 is 二十, 105 一百零五, 35000 三万五千."""
    if value == 0:
        return _DIGITS[0]
    words, gap = "", False
    for group in reversed(range(len(_GROUPS))):
        section = value // 10_000**group % 10_000
        if section == 0:
            gap = bool(words)
            continue
        # A zero is said where a place is skipped between two that are not.
        if words and (gap or section < 1_000):
            words += _DIGITS[0]
        words += _section(section) + _GROUPS[group]
        gap = False
    return words.removeprefix("一") if words.startswith("一十") else words


def _section(section: int) -> str:
    """A number from 1 to 9999 in words, with 一十 for 10."""
    words, gap = "", False
    for place in reversed(range(4)):
        digit = section // 10**place % 10
        if digit == 0:
            gap = bool(words)
            continue
        words += (_DIGITS[0] if gap else "") + _DIGITS[digit] + _UNITS[place]
        gap = False
    return words


def _spell(match: re.Match[str]) -> str:
    whole, fraction, percent = match.groups()
    if fraction is None and not percent and _is_a_name(whole, match.string, match.start(), match.end()):
        return _one_by_one(whole)
    words = cardinal(int(whole)) if len(whole) <= _LONGEST else _one_by_one(whole)
    if fraction is not None:
        words += "点" + _one_by_one(fraction)
    elif words == "二" and not percent and _is_an_amount(match):
        words = "两"
    return ("百分之" if percent else "") + words


def _is_an_amount(match: re.Match[str]) -> bool:
    """True in 2个, false in 第2个 and 2月."""
    ordinal = match.string[: match.start()].endswith("第")
    return not ordinal and _COUNTED.match(match.string, match.end()) is not None


def _is_a_name(digits: str, text: str, start: int, end: int) -> bool:
    if len(digits) > 1 and int(digits[0]) == 0:
        return True
    if len(digits) == 4 and text[end : end + 1] == "年":
        return True
    before = text[start - 1 : start]
    if len(digits) >= 3 and before.isascii() and before.isalpha():
        return True
    return len(digits) > _LONGEST_QUANTITY and int(digits[-2:]) != 0


def _one_by_one(digits: str) -> str:
    return "".join(_DIGITS[int(digit)] for digit in digits)
