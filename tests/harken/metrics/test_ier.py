import pytest

from harken.keywords import Keyword, KeywordMatcher
from harken.metrics import aggregate, analyse_utterance, explain, ier_by_segmenter, load_segmenters, score_utterance
from tests.harken.metrics.examples import HYPOTHESIS, REFERENCE, FigureSegmenter, random_pairs

MATCHER = KeywordMatcher([Keyword("speedy 20", "SERIES"), Keyword("prada", "BRAND")])


def parts_of(reference, hypothesis, *segmenters, **options):
    scores = [score_utterance(reference, hypothesis, MATCHER, segmenters or load_segmenters(), **options)]
    return aggregate(scores), ier_by_segmenter(scores)


@pytest.mark.parametrize("number_form", [None, "itn"])
def test_figure_three(number_form):
    """1 character error (喜欢 heard as 喜), 1 word error (老花), 1 keyword error (speedy 20)."""
    whole, parts = parts_of(REFERENCE, HYPOTHESIS, FigureSegmenter(), *load_segmenters(), number_form=number_form)
    assert parts["figure"]["units"] == {"W": 7, "C": 0, "S": 1}
    assert parts["figure"]["errors"] == {"W": 1, "C": 1, "S": 1}
    assert parts["figure"]["retyped"] == 1
    assert parts["figure"]["ier"] == pytest.approx(3 / 8)
    assert parts["jieba"]["units"] == {"W": 7, "C": 1, "S": 1}
    assert parts["jieba"]["errors"] == {"W": 1, "C": 1, "S": 1}
    assert parts["jieba"]["ier"] == pytest.approx(3 / 9)
    assert whole["ier"] == pytest.approx((3 / 8 + 3 / 9) / 2)
    assert round(whole["ier"], 3) == 0.354
    assert whole["keyword_recall"] == 0


def test_figure_three_explained():
    analysis = analyse_utterance(REFERENCE, HYPOTHESIS, MATCHER, [FigureSegmenter()])
    units = explain(analysis)["units"]["figure"]
    wrong = [(unit["unit"], unit["heard"], unit["counted_as"]) for unit in units if not unit["right"]]
    assert wrong == [("喜欢", "喜", "C"), ("老花", "老化", "W"), ("speedy20", "pt二十", "S")]
    assert "欢 missing" in units[1]["why"]
    assert "花 heard as 化" in units[2]["why"]
    assert units[4]["category"] == "SERIES"


def test_a_loop_costs_no_unit_and_so_ier_is_not_read_alone():
    whole, parts = parts_of("可推荐男装", "可推荐男装" + "装" * 11)
    assert whole["ier"] == 0
    assert whole["cer"] == pytest.approx(2.2)
    assert parts["jieba"]["insertions"] == 11
    assert whole["ier_ins"] == pytest.approx(11 / 3)


def test_insertions_do_not_tear_a_word_apart():
    assert parts_of("男装", "男装装装")[0]["ier"] == 0
    assert parts_of("喜欢男装", "喜欢男男装")[0]["ier"] == 0
    # Between its characters the word is wrong.
    assert parts_of("男装", "男的装")[1]["jieba"]["errors"] == {"W": 1, "C": 0, "S": 0}


def test_a_unit_counts_once_however_many_errors_it_has():
    _, parts = parts_of("上海人", "北京人")
    assert parts["jieba"]["errors"] == {"W": 1, "C": 0, "S": 0}
    assert parts["jieba"]["retyped"] == 0


def test_a_keyword_is_one_unit_and_right_only_as_a_whole():
    for hypothesis, right in (
        ("偏好speedy 20系列", True),
        ("偏好ＳＰＥＥＤＹ２０系列", True),
        ("偏好speedy 系列", False),
        ("偏好speedy 2 0系列", True),
        ("偏好speedy 25系列", False),
        ("偏好speedy a20系列", False),
        ("偏好speedys 20系列", False),
        # Another number, though every character of the keyword is there.
        ("偏好speedy 200系列", False),
        ("偏好speedy 20 0系列", True),
        ("偏好的speedy 20的系列", True),
    ):
        whole, parts = parts_of("偏好speedy 20系列", hypothesis)
        assert parts["jieba"]["units"]["S"] == 1
        assert parts["jieba"]["errors"]["S"] == (0 if right else 1), hypothesis
        assert whole["keyword_recall"] == (1 if right else 0), hypothesis


def test_what_has_no_character_error_has_no_unit_error():
    for reference, _ in random_pairs(100, seed=4):
        for hypothesis in (reference, reference.replace(" ", ""), reference.replace("，", "")):
            whole, _ = parts_of(reference, hypothesis)
            if whole["cer"] == 0:
                assert whole["ier"] == whole["ier_ins"] == 0
                assert whole["keyword_recall"] in (1, None)


def test_a_keyword_is_not_found_across_a_comma():
    _, parts = parts_of("偏好speedy，20岁", "偏好speedy20岁")
    assert parts["jieba"]["units"]["S"] == 0


def test_keyword_numerals_survive_inverse_text_normalisation():
    matcher = KeywordMatcher([Keyword("二十世纪", "SOCIAL")])
    scores = [
        score_utterance("二十世纪，三十岁", hypothesis, matcher, load_segmenters(), number_form="itn")
        for hypothesis in ("二十世纪30岁", "20世纪30岁")
    ]
    assert [aggregate([score])["keyword_recall"] for score in scores] == [1, 0]
    assert aggregate(scores[:1])["cer"] == 0


def test_retyping_and_insertions_never_change_the_ier():
    for reference, hypothesis in random_pairs(100, seed=2):
        whole, parts = parts_of(reference, hypothesis)
        units, errors = sum(parts["jieba"]["units"].values()), sum(parts["jieba"]["errors"].values())
        assert whole["ier"] == (errors / units if units else None)
        if units:
            assert whole["ier_ins"] == pytest.approx((errors + parts["jieba"]["insertions"]) / units)


@pytest.mark.parametrize("nothing", ["", "。", "😀"])
def test_nothing_said_or_heard(nothing):
    assert parts_of(nothing, nothing)[0]["ier"] is None
    assert parts_of("上海人", nothing)[0]["ier"] == 1
    whole, parts = parts_of(nothing, "上海人")
    assert (whole["ier"], whole["ier_ins"], parts["jieba"]["insertions"]) == (None, None, 3)
    units = explain(analyse_utterance(nothing, "上海人", MATCHER, load_segmenters()))["units"]["jieba"]
    assert [(unit["unit_class"], unit["heard"]) for unit in units] == [(None, "上海人")]
