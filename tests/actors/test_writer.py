"""The embedded slot-filling writer."""

from actors.prompts import SeedSentence
from actors.writer import LABEL_SCHEMA, SlotWriter
from harken.keywords import Keyword, KeywordMatcher
from harken.records import FAILED, OK, row_id

KEYWORDS = [
    Keyword("speedy 20", "SERIES"),
    Keyword("neverfull", "SERIES"),
    Keyword("铂金包", "SERIES"),
    Keyword("老花", "LINES"),
    Keyword("满天星", "LINES"),
    Keyword("古驰", "BRAND"),
]
SEEDS = [
    SeedSentence("a", "中年男性，上海人，偏好speedy 20系列，喜欢健身。"),
    SeedSentence("b", "留学生，喜欢老花，喜欢古驰的铂金包。"),
    SeedSentence("c", "想买neverfull，预算不高。"),
]


def writer(seeds: list[SeedSentence] = SEEDS, keywords: list[Keyword] = KEYWORDS) -> SlotWriter:
    return SlotWriter(seeds, keywords, sentences_per_prompt=3, keywords_per_category=8, sampling="coverage", seed=0)


def rows(count: int) -> list[dict]:
    return [{"id": row_id("f", 0, index), "index": index} for index in range(count)]


def test_a_label_holds_exactly_the_keywords_it_claims() -> None:
    matcher = KeywordMatcher(KEYWORDS)
    for row in writer()(rows(200)):
        assert row["status"] == OK, row
        claimed = {(keyword["term"], keyword["category"]) for keyword in row["keywords"]}
        assert claimed
        assert {(mention.term, mention.category) for mention in matcher.find(row["text"])} == claimed


def test_slots_are_filled_with_the_same_category_and_all_terms_come_up() -> None:
    written = writer()(rows(200))
    assert {keyword["term"] for row in written for keyword in row["keywords"]} == {term.term for term in KEYWORDS}
    categories = {keyword.term: keyword.category for keyword in KEYWORDS}
    for row in written:
        for keyword in row["keywords"]:
            assert categories[keyword["term"]] == keyword["category"]
        if "系列" in row["text"]:
            before = row["text"].split("系列")[0]
            assert before.endswith(("speedy 20", "neverfull", "铂金包"))


def test_labels_vary_and_come_again_from_the_same_rows() -> None:
    first, second = writer()(rows(100)), writer()(rows(100))
    assert first == second
    assert len({row["text"] for row in first}) > 60


def test_rows_fit_the_schema_and_keep_their_identity() -> None:
    written = writer()(rows(5))
    assert [row["id"] for row in written] == [row["id"] for row in rows(5)]
    assert all(set(row) == set(LABEL_SCHEMA.names) for row in written)


def test_a_prompt_without_a_slot_fails_its_row_with_the_cause() -> None:
    for row in writer(seeds=[SeedSentence("x", "今天天气很好。")])(rows(3)):
        assert row["status"] == FAILED
        assert row["error"].startswith("no keyword:")
