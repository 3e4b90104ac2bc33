"""The keyword schedule: every term gets its share, whatever its category's size."""

from collections import Counter

import pytest

from actors.schedule import KeywordSchedule
from harken.keywords import Keyword

KEYWORDS = [
    *(Keyword(f"series {number}", "SERIES") for number in range(40)),
    *(Keyword(f"type {number}", "TYPE") for number in range(20)),
    *(Keyword(f"social {number}", "SOCIAL") for number in range(3)),
]


def schedule(least: int = 1, most: int = 3, seed: int = 0) -> KeywordSchedule:
    return KeywordSchedule(KEYWORDS, least, most, seed)


@pytest.mark.parametrize("sizes", [(1, 3), (2, 2), (1, 4)])
def test_after_any_number_of_rows_terms_differ_by_one_lap(sizes: tuple[int, int]) -> None:
    made = schedule(*sizes)
    asked: Counter[str] = Counter()
    for index in range(200):
        targets = made.targets(index)
        assert len(set(targets)) == len(targets) == made.size(index)
        asked.update(keyword.term for keyword in targets)
        if index > 70:
            # A term that would come twice in one row gives its place to the next, so one more is possible.
            assert max(asked.values()) - min(asked[keyword.term] for keyword in KEYWORDS) <= 3
    assert sum(asked.values()) / len(KEYWORDS) == pytest.approx(made.mentions_planned(200))


@pytest.mark.parametrize("mentions", [1, 5])
def test_rows_for_is_where_every_term_was_asked_for(mentions: int) -> None:
    made = schedule()
    rows = made.rows_for(mentions)
    assert made.mentions_planned(rows - 2) < mentions <= made.mentions_planned(rows + 2)


def test_neighbours_differ_in_kind() -> None:
    made = schedule(3, 3)
    alike = sum(len({keyword.category for keyword in made.targets(index)}) == 1 for index in range(42))
    assert alike == 0, "two thirds of the terms are of one category; at random 12 of the rows would hold one kind"


def test_targets_depend_on_seed_and_index_only() -> None:
    assert [schedule().targets(index) for index in (9, 3)] == [schedule().targets(index) for index in (9, 3)]
    assert [schedule().targets(index) for index in range(9)] != [schedule(seed=1).targets(index) for index in range(9)]


def test_a_retry_takes_what_was_mentioned_least() -> None:
    mentions = Counter({keyword.term: 5 for keyword in KEYWORDS})
    mentions["series 7"] = 0
    mentions["social 1"] = 4
    planned = schedule(2, 2).by_deficit(mentions, range(3), "retry 1")
    asked = Counter(keyword.term for targets in planned for keyword in targets)
    assert asked["series 7"] == 3
    assert asked["social 1"] >= 1
    assert all(len(set(targets)) == 2 for targets in planned)


def test_more_terms_are_asked_for_than_there_are() -> None:
    made = KeywordSchedule([Keyword("老花", "LINES"), Keyword("古驰", "BRAND")], 3, 3, 0)
    assert {keyword.term for keyword in made.targets(5)} == {"老花", "古驰"}
    assert len(made.by_deficit({}, [0], "x")[0]) == 2
