import pytest

from harken.numerals import parse_number, write_numerals


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("pt二十系列", "pt20系列"),
        ("三十岁左右", "30岁左右"),
        ("一百零五", "105"),
        ("一百二", "120"),
        ("八千零五十", "8050"),
        ("三万五", "35000"),
        ("3.5万", "35000"),
        ("三点五万", "35000"),
        ("一点" + "三" * 40, "1." + "3" * 40),
        ("一亿三千万", "130000000"),
        ("十万", "100000"),
        ("百分之二十", "20%"),
        ("百分之百", "100%"),
        ("二点五五", "2.55"),
        ("二零二四年五月十二号", "2024年5月12号"),
        ("两点半", "2点半"),
        ("speedy二五", "speedy25"),
        ("幺三八", "138"),
    ],
)
def test_numbers(spoken, written):
    assert write_numerals(spoken) == written


@pytest.mark.parametrize(
    "text",
    [
        "三宅一生", "十分", "百搭", "百年灵", "万宝龙", "千鸟格", "四叶草", "万一", "一点", "一个", "两个",
        "七八十", "三四万", "二十四五", "一五一十", "三三两两", "乱七八糟", "五五开", "几十", "数百", "",
    ],
)  # fmt: skip
def test_what_is_no_number_stays(text):
    assert write_numerals(text) == text


def test_writing_twice_changes_nothing():
    for text in ("三万五", "二零二四年五月", "百分之三点五", "一千零一夜"):
        assert write_numerals(write_numerals(text)) == write_numerals(text)


def test_a_numeral_that_touches_a_protected_span_stays():
    assert write_numerals("二十世纪二十", [(0, 4)]) == "二十世纪20"


def test_a_recogniser_loop_of_numerals_is_left_alone():
    for loop in ("万" * 5000, "一万" * 5000, "十" * 5000, "1" * 5000 + "万"):
        assert write_numerals(loop) == loop


def test_every_number_below_ten_thousand_is_read_back():
    digits = "零一二三四五六七八九"

    def spell(number: int) -> str:
        spelled, gap = "", False
        for unit, name in ((1000, "千"), (100, "百"), (10, "十"), (1, "")):
            digit = number // unit % 10
            if digit:
                spelled += ("零" if gap else "") + digits[digit] + name
                gap = False
            else:
                gap = bool(spelled)
        return spelled

    for number in range(1, 10_000):
        assert parse_number(spell(number)) == number, spell(number)
