"""Chinese numerals written with Arabic digits (inverse text normalisation), carefully.

A reference may say 30岁 where the recogniser writes 三十岁: both mean the same and neither is an error. Every number
becomes plain digits (三万五 and 3.5万 are both 35000), so both spellings meet. What is probably no number stays:
words that only contain a numeral (十分, 百搭, 万宝龙, 三宅一生), approximations (七八十), idioms (一五一十).
"""

import re
from collections.abc import Sequence
from decimal import Decimal

_DIGITS = {character: value for value, character in enumerate("零一二三四五六七八九")} | {"〇": 0, "幺": 1, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000}
_GROUPS = {"万": 10_000, "亿": 100_000_000}
_SPOKEN_DIGITS = "零〇幺一二三四五六七八九"
_NUMBER = f"[{_SPOKEN_DIGITS}两十百千万亿]+"
_NUMERAL = re.compile(
    rf"(?P<percent>百分之)?(?:"
    rf"(?<![\d.])(?P<arabic>\d{{1,12}}(?:\.\d{{1,12}})?)(?P<scale>[百千]?[万亿]+)"
    rf"|(?P<number>{_NUMBER})(?:点(?P<fraction>[{_SPOKEN_DIGITS}]++)(?![十百千])(?P<fraction_scale>[万亿]?))?)"
)
_LATIN_BEFORE = re.compile(r"[a-z0-9] ?\Z")
_LATIN_AFTER = re.compile(r" ?[a-z]")
# Before these a single digit is a number too: 五月 and 5月, 五号 and 5号, 两点半 and 2点半 (but not 一点).
_COUNTED = re.compile("[月日号岁]|点(?:[一二三四五]?十|半|钟|整)")
# 九千九百九十九亿 with all lower groups in full; a recogniser's loop (万万万…) is longer.
_LONGEST = 23


def write_numerals(text: str, protected: Sequence[tuple[int, int]] = ()) -> str:
    """Replace Chinese numerals by digits.

    Args:
        text: lower-case simplified text.
        protected: spans ``(start, end)`` of ``text``; a numeral that touches one of them stays.
    """

    def replace(match: re.Match[str]) -> str:
        if any(match.start() < end and start < match.end() for start, end in protected):
            return match[0]
        written = _write(match)
        return match[0] if written is None else written + ("%" if match["percent"] else "")

    return _NUMERAL.sub(replace, text)


def parse_number(numeral: str) -> int | None:
    """The value of a numeral with units such as 二十, 一百零五, 三万五 (35000); None when it is not a number.

    Example:
        >>> parse_number("两千零二十四"), parse_number("七八十"), parse_number("万一")
        (2024, None, None)
    """
    if len(numeral) > _LONGEST:
        return None
    for name, scale in sorted(_GROUPS.items(), key=lambda group: -group[1]):
        head, separator, tail = numeral.partition(name)
        if not separator:
            continue
        high = 10 if head == "十" else parse_number(head)
        low = _remainder(tail, scale)
        return None if high is None or low is None else high * scale + low
    return _parse_section(numeral)


def _remainder(tail: str, scale: int) -> int | None:
    """What follows a unit: nothing, a smaller number (五千, 零五), or one digit of the next lower unit (三万五)."""
    if not tail:
        return 0
    if len(tail) == 1 and tail not in "零〇":
        return _DIGITS[tail] * scale // 10 if tail in _DIGITS else None
    value = parse_number(tail.lstrip("零〇"))
    return value if value is not None and value < scale else None


def _parse_section(section: str) -> int | None:
    """A number below 10,000; a bare digit counts, a bare unit (十, 百) does not."""
    if len(section) == 1:
        return _DIGITS.get(section)
    if section[:1] == "十":
        section = "一" + section
    if section[1:2] not in _UNITS or section[0] not in _DIGITS or _DIGITS[section[0]] == 0:
        return None
    scale = _UNITS[section[1]]
    low = _remainder(section[2:], scale)
    return None if low is None else _DIGITS[section[0]] * scale + low


def _write(match: re.Match[str]) -> str | None:
    if match["arabic"]:
        return _plain(Decimal(match["arabic"]) * _scale(match["scale"]))
    numeral = match["number"]
    value = parse_number(numeral)
    if match["fraction"]:
        if value is None:
            return None
        fraction = "".join(str(_DIGITS[digit]) for digit in match["fraction"])
        scale = match["fraction_scale"]
        return _plain(Decimal(f"{value}.{fraction}") * _scale(scale)) if scale else f"{value}.{fraction}"
    if match["percent"] and numeral == "百":
        return "100"
    if any(unit in numeral for unit in "十百千万亿"):
        return None if value is None else str(value)
    return _write_digits(match)


def _write_digits(match: re.Match[str]) -> str | None:
    """Digits said one by one: a year, a telephone or model number; alone only where something is counted."""
    numeral, text = match["number"], match.string
    digits = "".join(str(_DIGITS[digit]) for digit in numeral)
    if len(numeral) == 1:
        return digits if match["percent"] or _COUNTED.match(text, match.end()) else None
    if "两" in numeral:
        return None
    if match["percent"] or len(numeral) >= 3:
        return digits
    beside_latin = _LATIN_BEFORE.search(text[: match.start()]) or _LATIN_AFTER.match(text, match.end())
    return digits if beside_latin or set(numeral) & set("零〇幺") else None


def _scale(units: str) -> int:
    scale = 1
    for unit in units:
        scale *= _UNITS.get(unit) or _GROUPS[unit]
    return scale


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
