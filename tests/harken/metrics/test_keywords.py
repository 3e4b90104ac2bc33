from harken.keywords import Keyword, KeywordMatcher
from harken.metrics import keyword_recall_by_category, score_utterance
from harken.metrics.keywords import assess_keywords, keyword_units
from harken.text import normalise

MATCHER = KeywordMatcher(
    [
        Keyword("speedy 20", "SERIES"),
        Keyword("老花", "LINES"),
        Keyword("Hermès", "BRAND"),
        Keyword("铂金包", "NICKNAME"),
    ]
)


def assessment(reference, hypothesis):
    return assess_keywords(keyword_units(reference, MATCHER), normalise(hypothesis))


def test_units_tile_the_text():
    units = keyword_units("喜欢老花，偏好speedy 20系列", MATCHER)
    assert [(unit.text, unit.kind, unit.category) for unit in units] == [
        ("喜欢", "W", None),
        ("老花", "S", "LINES"),
        ("偏好", "W", None),
        ("speedy20", "S", "SERIES"),
        ("系列", "W", None),
    ]
    assert [(unit.start, unit.end) for unit in units] == [(0, 2), (2, 4), (4, 6), (6, 14), (14, 16)]
    assert keyword_units("", MATCHER) == []


def test_recall_by_category_counts_every_mention():
    scores = [
        score_utterance(reference, hypothesis, MATCHER, [])
        for reference, hypothesis in (
            ("老花和老花", "老花和老化"),
            ("老花，speedy20", "老花 speedy 20"),
            ("喜欢健身", "喜欢建身"),
        )
    ]
    recalls = keyword_recall_by_category(scores)
    assert recalls["LINES"] == {"recall": 2 / 3, "right": 2, "mentions": 3}
    assert recalls["SERIES"] == {"recall": 1.0, "right": 1, "mentions": 1}
    assert recalls["BRAND"] == {"recall": None, "right": 0, "mentions": 0}


def test_an_accent_is_part_of_the_keyword_unless_folded():
    for folded, right in ((False, 0), (True, 1)):
        score = score_utterance("喜欢Hermès", "喜欢hermes", MATCHER, [], fold_accents=folded)
        assert score.counts["keyword.BRAND.right"] == right


def test_the_carrier_is_judged_without_the_keywords():
    # Three wrong characters inside the keyword, one (欢) outside.
    found = assessment("喜欢speedy 20系列", "喜speed系列")
    assert found.carrier == (1, 4)
    assert [outcome.heard for outcome in found.outcomes] == ["speed"]
    # What was inserted beside a wrong keyword is the keyword's.
    assert assessment("喜欢老花系列", "喜欢老化妆系列").carrier.errors == 0
    assert assessment("喜欢老花系列", "喜欢的老花系列").carrier.errors == 1
    assert assessment("没有", "没油").carrier == (1, 2)
