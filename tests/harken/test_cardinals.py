"""Numbers in Mandarin words."""

import pytest

from harken.cardinals import cardinal, spell_numbers
from harken.numerals import parse_number


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "零"),
        (7, "七"),
        (10, "十"),
        (12, "十二"),
        (15, "十五"),
        (20, "二十"),
        (105, "一百零五"),
        (110, "一百一十"),
        (1005, "一千零五"),
        (2000, "二千"),
        (2024, "二千零二十四"),
        (10_000, "一万"),
        (30_000, "三万"),
        (35_000, "三万五千"),
        (40_020, "四万零二十"),
        (100_010, "十万零一十"),
        (100_000_005, "一亿零五"),
        (1_020_000_000, "十亿二千万"),
    ],
)
def test_cardinals(value: int, words: str) -> None:
    assert cardinal(value) == words


def test_what_is_spelled_is_parsed_back() -> None:
    for value in [*range(17, 3000, 7), 10_001, 10_010, 10_100, 11_000, 20_305, 99_999, 100_001, 1_000_001]:
        assert parse_number(cardinal(value)) == value


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        ("30岁", "三十岁"),
        ("买了2个,第2款", "买了两个,第二款"),
        ("1955年", "一九五五年"),
        ("打8.5折,涨20%", "打八点五折,涨百分之二十"),
        ("M41112", "M四一一一二"),
        ("13800138012", "一三八零零一三八零一二"),
        ("预算35000元", "预算三万五千元"),
        ("007", "零零七"),
        ("２０", "二十"),
        ("喜欢健身", "喜欢健身"),
    ],
)
def test_numbers_in_a_text(text: str, spoken: str) -> None:
    assert spell_numbers(text) == spoken
