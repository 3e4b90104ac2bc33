"""What is wrong with a label, and what is not."""

import pytest

from actors.inspection import LabelInspector
from actors.requests import WORDINGS
from harken.keywords import Keyword, KeywordMatcher

KEYWORDS = [
    Keyword("speedy", "SERIES"),
    Keyword("speedy 20", "SERIES"),
    Keyword("老花", "LINES"),
    Keyword("Hermès", "B"),
]
INSTRUCTION = WORDINGS["zh"].instruction
INSPECTOR = LabelInspector(KeywordMatcher(KEYWORDS), ["中年男性，偏好speedy 20系列。"], 4, 30, INSTRUCTION)


def objection(text: str, claimed: list[str] | None = None, *targets: Keyword) -> str | None:
    return INSPECTOR.inspect(text, claimed or [], targets)[1]


@pytest.mark.parametrize(
    ("text", "claimed"),
    [
        ("上海的客户想要speedy 20。", ["Speedy20"]),
        ("抱歉让她久等了，她想看老花的包。", ["老花", "包"]),
        ("她问“Hermès”什么时候到？", ["hermes"]),
        ("He wants a Speedy 20, 50% off.", []),
    ],
)
def test_a_good_label_passes(text: str, claimed: list[str]) -> None:
    assert objection(text, claimed) is None


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("作为一个人工智能，老花我不便评论。", "refusal"),
        ("对不起，我无法写老花的句子。", "refusal"),
        ("I'm sorry, but speedy is a brand.", "refusal"),
        ("As an AI language model, speedy.", "refusal"),
        ("中年男性, 偏好 Speedy 20 系列", "prompt echo"),
        ("请模仿它们的语气、长度和结构写新的备注老花", "prompt echo"),
        ("老花", "length"),
        ("客户想要老花" * 6, "length"),
        ("**客户**想要老花的包", "character set"),
        ("客户想要老花的包😀", "character set"),
        ("客户想要老花\n的包", "character set"),
        ("老花のバッグが欲しい", "character set"),
        ("客户什么都不想要。", "no keyword"),
    ],
)
def test_a_bad_label_is_told_by_its_cause(text: str, cause: str) -> None:
    assert (objection(text) or "").split(":")[0] == cause


def test_only_labels_that_hold_what_they_claim_and_were_asked_for_pass() -> None:
    assert objection("客户想要speedy 20。", ["老花"]) == "keyword lost: 老花"
    assert objection("客户想要speedy 20。", ["speedy 20"], KEYWORDS[2]) == "keyword lost: 老花"
    assert objection("客户想要speedy 20。", ["speedy"], KEYWORDS[0]) == "keyword lost: speedy"
    assert objection("客户想要speedy 20。", ["钱包"]) == "keyword lost: 钱包"


def test_keywords_are_those_that_the_text_mentions() -> None:
    keywords, _ = INSPECTOR.inspect("老花和老花的speedy 20", [], ())
    assert keywords == [{"term": "老花", "category": "LINES"}, {"term": "speedy 20", "category": "SERIES"}]
