import pytest

from harken.alignment import align
from harken.metrics import character_error_rate
from harken.metrics.error_rates import (
    character_errors,
    mixed_errors,
    raw_word_errors,
    script_errors,
    word_errors,
)
from harken.text import canonicalise, characters, mixed_units, normalise
from tests.harken.metrics.examples import HYPOTHESIS, REFERENCE, random_pairs


def both(function, reference, hypothesis, form=None):
    return function(normalise(reference, number_form=form), normalise(hypothesis, number_form=form))


def test_figure_three():
    errors = both(character_errors, REFERENCE, HYPOTHESIS)
    assert errors.cn == (2, 15)
    assert errors.oth == (7, 8)
    errors = both(character_errors, REFERENCE, HYPOTHESIS, "itn")
    assert errors.cn == (2, 15)
    assert errors.oth == (5, 8)


def test_scripts_add_up_to_the_whole():
    """N * CER = N_cn * CER_cn + N_oth * CER_oth, for characters and for words."""
    for reference, hypothesis in random_pairs(300):
        spoken, heard = normalise(reference), normalise(hypothesis)
        parts = character_errors(spoken, heard)
        whole = sum(kind != "match" for kind, _, _ in align(characters(spoken), characters(heard)))
        assert parts.cn.errors + parts.oth.errors == whole
        assert parts.cn.units + parts.oth.units == len(characters(spoken))
        if parts.cn.units and parts.oth.units:
            length = len(characters(spoken))
            weighted = sum(part.units * (part.errors / part.units) for part in parts)
            assert length * (whole / length) == pytest.approx(weighted)


def test_an_insertion_belongs_to_its_own_script():
    assert both(character_errors, "喜欢", "喜欢speedy") == ((0, 2), (6, 0))
    assert both(character_errors, "speedy", "speedy装装") == ((2, 0), (0, 6))


def test_jiwer_agrees():
    jiwer = pytest.importorskip("jiwer")
    for reference, hypothesis in random_pairs(200, seed=1):
        spoken, heard = normalise(reference), normalise(hypothesis)
        if not characters(spoken):
            continue
        parts = character_errors(spoken, heard)
        cer = jiwer.process_characters(characters(spoken), characters(heard)).cer
        assert (parts.cn.errors + parts.oth.errors) / (parts.cn.units + parts.oth.units) == pytest.approx(cer)
        assert character_error_rate(reference, hypothesis) == pytest.approx(cer)

        count = mixed_errors(spoken, heard)
        words = jiwer.process_words(" ".join(mixed_units(spoken)), " ".join(mixed_units(heard)) or " ")
        assert count.errors / count.units == pytest.approx(words.wer)

        raw = [" ".join(canonicalise(text).replace("，", "").replace("。", "").replace(",", "").split())
               for text in (reference, hypothesis)]  # fmt: skip
        count = raw_word_errors(canonicalise(reference), canonicalise(hypothesis))
        assert count.errors / count.units == pytest.approx(jiwer.process_words(raw[0], raw[1] or " ").wer)


def test_raw_words_are_clauses_and_segmented_words_are_not():
    """The trap that gives Chinese a WER of 1 whatever was heard."""
    assert raw_word_errors("上海人喜欢老花", "上海人喜欢老化") == (1, 1)
    assert word_errors("上海人喜欢老花", "上海人喜欢老化").cn == (1, 4)


def test_punctuation_case_width_and_spacing_are_no_error():
    reference = "上海人，喜欢老花；偏好 Speedy 20 系列！"
    for hypothesis in (
        "上海人喜欢老花偏好speedy20系列",
        "上 海 人 喜欢老花。偏好ＳＰＥＥＤＹ　２０系列",
        "上海人,喜歡老花,偏好speedy 20系列",
    ):
        for function in (character_errors, word_errors):
            assert [part.errors for part in both(function, reference, hypothesis)] == [0, 0], (function, hypothesis)
        assert both(mixed_errors, reference, hypothesis).errors == 0


def test_equal_characters_of_chinese_give_equal_words():
    reference = "上海人，喜欢老花。喜欢健身"
    assert both(word_errors, reference, reference.replace("，", "").replace("。", "")).cn.errors == 0


@pytest.mark.parametrize("nothing", ["", "。，！", "😀👍🏽", " \t\n"])
def test_nothing_said_or_heard(nothing):
    assert both(character_errors, nothing, nothing) == ((0, 0), (0, 0))
    assert both(character_errors, "喜欢ab", nothing) == ((2, 2), (2, 2))
    assert both(character_errors, nothing, "喜欢ab") == ((2, 0), (2, 0))
    assert both(word_errors, nothing, "喜欢ab") == ((1, 0), (1, 0))
    assert both(mixed_errors, "喜欢ab", nothing) == (3, 3)
    assert both(raw_word_errors, nothing, "喜欢 ab") == (2, 0)
    assert character_error_rate(nothing, "喜欢") is None
    assert character_error_rate("喜欢", nothing) == 1.0


def test_accents_are_composed_before_they_are_compared():
    assert both(character_errors, "Herme\u0300s", "Herm\u00e8s").oth == (0, 6)
    assert both(character_errors, "Hermès", "Hermes").oth == (1, 6)


def test_words_and_characters_are_both_sequences():
    assert script_errors(["喜欢", "logo", "t恤"], ["喜欢", "logos"]) == ((1, 2), (1, 1))
