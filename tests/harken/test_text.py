import random
from itertools import pairwise

import pytest

from harken.text import (
    canonicalise,
    character_class,
    characters,
    delete_punctuation,
    is_han,
    is_word_boundary,
    join_han,
    mixed_units,
    normalise,
    script,
    separate,
    unit_spans,
)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("上海人,喜欢老花,偏好speedy 20系列。", "上海人 喜欢老花 偏好speedy 20系列"),
        ("Ｓｐｅｅｄｙ　２０", "speedy 20"),
        ("後背包，頭髮", "后背包 头发"),
        ("It's 1,000.50 — really!", "its 100050 really"),
        ("20，25", "20 25"),
        ("D&G / t-shirt", "d g t shirt"),
        ("GORE-TEX™ Hermès®", "gore tex hermès"),
        ("caf\u00e9 cafe\u0301", "café café"),
        ("路易·威登《包》", "路易 威登 包"),
        ("好😀👍🏽❤\ufe0f的1\ufe0f\u20e3", "好 的1"),
        ("a\tb\nc\u3000d", "a b c d"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("。，！？…—", ""),
        ("😀", ""),
        ("\ud83d\ude00x", "x"),
        ("\u0301a", "a"),
        ("", ""),
        ("   ", ""),
    ],
)
def test_normalise(raw, expected):
    assert normalise(raw) == expected


def test_traditional_characters_can_be_kept():
    assert normalise("後背包", traditional_to_simplified=False) == "後背包"


def test_accents_count_unless_folded():
    assert normalise("Hermès Chloé") == "hermès chloé"
    assert normalise("Hermès Chloé", fold_accents=True) == "hermes chloe"
    # Marks that are letters in their script stay.
    assert normalise("ガ한", fold_accents=True) == "ガ한"


def test_numerals_become_digits_only_on_request_and_never_in_a_keyword():
    text = "三十岁，喜欢百年灵和二十一世纪"
    assert normalise(text) == "三十岁 喜欢百年灵和二十一世纪"
    assert normalise(text, number_form="itn") == "30岁 喜欢百年灵和21世纪"
    start = text.index("二十一")
    assert normalise(text, number_form="itn", protect=[(start, start + 5)]) == "30岁 喜欢百年灵和二十一世纪"


def test_protected_spans_survive_what_changes_lengths():
    # ㎡ becomes two characters and the zero-width space none: the span is one of the raw text.
    text = "㎡\u200b十二，三宅一生十二"
    start = text.index("三")
    assert normalise(text, number_form="itn", protect=[(start, start + 6)]) == "m212 三宅一生十二"


def test_normalising_twice_changes_nothing():
    generator = random.Random(5)
    alphabet = "上海乾後髮ａＢé\u0301İß™½㎡ '’.,-—。20０😀\ufe0f\u200d\u3000が한ก็"
    for _ in range(2000):
        once = normalise("".join(generator.choices(alphabet, k=generator.randint(0, 12))))
        assert normalise(once) == once


def test_separate_says_where_each_character_comes_from():
    canonical = canonicalise("喜欢，Prada's 包。")
    text, origins = separate(canonical)
    assert text == "喜欢 pradas 包"
    assert all(
        canonical[origin] == character for character, origin in zip(text, origins, strict=True) if character != " "
    )


def test_word_boundaries_survive_only_where_letters_meet():
    assert characters("上海人 喜欢speedy 20") == "上海人喜欢speedy20"
    assert join_han("上海 人 喜欢 objets nomades 系列") == "上海人喜欢objets nomades系列"
    assert delete_punctuation("上海人,喜欢 t-shirt。") == "上海人喜欢 tshirt"


def test_mixed_units_are_the_same_for_every_spacing_of_letters_and_digits():
    assert mixed_units(normalise("偏好speedy20系列")) == ["偏", "好", "speedy", "20", "系", "列"]
    assert mixed_units(normalise("偏好 Speedy 20 系列")) == mixed_units(normalise("偏好speedy20系列"))


def test_scripts():
    assert [script(character) for character in "中㐀〇々𠀀"] == ["cn"] * 5
    assert [script(character) for character in "a2éカㄅ한😀"] == ["oth"] * 7
    assert script("t恤") == "cn"
    assert script("") == "oth"
    assert not is_han("カ")


def test_where_two_words_can_meet():
    assert [character_class(character) for character in "aé2中カ"] == [
        "letter", "letter", "digit", "ideograph", "ideograph",
    ]  # fmt: skip
    assert [is_word_boundary(*pair) for pair in ("ab", "22", "a2", "a中", "中中")] == [False, False, True, True, True]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("喜欢Speedy 20，", ["喜", "欢", "Speedy", "20"]),
        ("it's 1,000元", ["it's", "1,000", "元"]),
        ("iPhone15Pro", ["iPhone", "15", "Pro"]),
        ("cafe\u0301 Ｌ\u200bＶ™", ["cafe\u0301", "Ｌ\u200bＶ"]),
        ("20㎡ ①②", ["20", "㎡", "①②"]),
        ("𠀀😀後", ["𠀀", "後"]),
        ("。😀 ", []),
        ("", []),
    ],
)
def test_unit_spans_find_the_units_in_raw_text(raw, expected):
    assert [raw[start:end] for start, end in unit_spans(raw)] == expected


def test_unit_spans_are_the_units_of_the_mixed_error_rate():
    text = "GORE-TEX的22款，Ｓｐｅｅｄｙ　２０、路易·威登《包》 D&G it's 1,000.50後背包"
    spans = unit_spans(text)
    assert [unit for start, end in spans for unit in mixed_units(normalise(text[start:end]))] == mixed_units(
        normalise(text)
    )
    assert all(left[1] <= right[0] for left, right in pairwise(spans))
