import pytest

from actors.evidence import SOUNDS_ALIKE, Evidence, Examiner
from harken.keywords import Keyword

KEYWORDS = [Keyword("birkin", "SERIES"), Keyword("speedy 20", "SERIES"), Keyword("水桶包", "TYPE")]


@pytest.fixture(scope="module")
def examiner() -> Examiner:
    return Examiner(KEYWORDS, {"speedy 20": ("speedy 二十",)})


def examine(examiner: Examiner, text: str, hypothesis: str, unsaid: float = 0.0) -> Evidence:
    return examiner.examine(examiner.said("r1", text), hypothesis, unsaid)


def test_a_keyword_in_other_characters_is_heard_and_costs_the_carrier_nothing(examiner):
    found = examine(examiner, "客户想要birkin，要黑色。", "客户想要伯金要黑色")
    assert found.carrier_cer == 0.0
    assert found.cer > 0.4
    (keyword,) = found.keywords
    assert (keyword.term, keyword.category, keyword.heard) == ("birkin", "SERIES", "伯 金")
    assert keyword.distance < SOUNDS_ALIKE
    assert keyword.missing < 0


def test_a_keyword_is_compared_with_how_it_was_read(examiner):
    (keyword,) = examine(examiner, "想看speedy 20", "想看speedy二十").keywords
    assert keyword.distance == 0.0


def test_a_keyword_that_was_not_said_is_missing_and_another_word_in_its_place_is_not(examiner):
    (dropped,) = examine(examiner, "想买水桶包送女朋友", "想买送女朋友").keywords
    (replaced,) = examine(examiner, "想买水桶包送女朋友", "想买锁骨链送女朋友").keywords
    assert dropped.heard == ""
    assert dropped.distance > 0.9
    assert dropped.missing == pytest.approx(1.0)
    assert replaced.missing < 0.5
    assert replaced.distance > SOUNDS_ALIKE


def test_speech_that_is_too_short_is_evidence_and_speech_that_is_not_speaks_against_it(examiner):
    text, hypothesis = "想买水桶包送女朋友", "想买送女朋友"
    short, usual, slow = (
        examine(examiner, text, hypothesis, unsaid).keywords[0].missing for unsaid in (0.3, 0.0, -0.3)
    )
    assert short > usual > slow


def test_an_end_that_is_missing_is_a_cut_and_a_swallowed_syllable_is_not(examiner):
    text = "客户想要水桶包，要黑色，下周再来。"
    assert examine(examiner, text, "客户想要水桶包要黑色").cut_off == pytest.approx(4 / 14, abs=0.1)
    assert examine(examiner, text, "客户想要水桶包要黑色", unsaid=0.3).cut_off > 0.5
    assert examine(examiner, text, "客户想要水桶包要黑色下周再").cut_off == 0.0
    assert examine(examiner, text, text, unsaid=0.3).cut_off == 0.0


def test_loops_count_outside_of_keywords_only(examiner):
    assert examine(examiner, "想看birkin系列", "想看bibibibin系列").loop is None
    assert examine(examiner, "想看birkin系列", "想看birkin系列系列系列").loop == "系列 x 3"
    assert examine(examiner, "喜欢birkin，喜欢水桶包，喜欢它", "喜欢伯金喜欢水同时喜欢它").loop is None


def test_nothing_heard_is_everything_missing(examiner):
    found = examine(examiner, "客户想要birkin", "")
    assert found.cer == found.carrier_cer == 1.0
    assert found.cut_off == pytest.approx(1.0)
    assert found.keywords[0].missing == pytest.approx(1.0)


def test_the_usual_pace_takes_the_rate_that_was_asked_for_back(examiner):
    rows = [
        {"id": "a", "text": "客户想要水桶包", "duration": 2.0, "style": None},
        {"id": "b", "text": "客户想要水桶包", "duration": 1.0, "style": '{"rate": 2.0}'},
        {"id": "c", "text": "客户想要水桶包", "duration": None, "style": None},
    ]
    paces = [examiner.pace_of(examiner.said(row["id"], row["text"]), row) for row in rows]
    assert paces[0] == paces[1]
    assert paces[2] is None
    assert examiner.typical_pace(rows) == paces[0]
    assert examiner.typical_pace(rows[2:]) is None
