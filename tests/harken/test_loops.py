import pytest

from harken.loops import find_loop, runs_away


@pytest.mark.parametrize(
    ("hypothesis", "reference", "loop"),
    [
        ("可推荐男装装装装装装装装装装装装", "可推荐男装", "装 x 12"),
        ("喜欢喜欢喜欢老花", "喜欢老花", "喜欢 x 3"),
        ("妈妈妈好", "妈妈好", None),
        ("一百1000000元", "一百1000000元", None),
        ("哈哈哈哈好", "哈哈哈哈好", None),
        ("", "喜欢", None),
        ("要大喜欢party，喜欢ping，喜欢party，喜欢y，喜欢park，喜欢party", "要大的，喜欢巴黎世家", "喜欢p x 5"),
    ],
)
def test_loops(hypothesis, reference, loop):
    assert find_loop(hypothesis, reference) == loop


def test_a_runaway_is_much_longer_than_what_was_said():
    assert runs_away("我今天想去商场看看新款的包", "我今天") == "13 characters heard for 3"
    assert runs_away("喜欢neverfull", "喜欢拉链") is None
    assert runs_away("喜欢", "") is None
