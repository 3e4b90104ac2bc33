"""Near-duplicates, against comparing all pairs."""

import random

import pytest

from harken.duplicates import grams, masked, near_duplicates
from harken.keywords import Keyword, KeywordMatcher

MATCHER = KeywordMatcher([Keyword("speedy 20", "SERIES"), Keyword("neverfull", "SERIES"), Keyword("老花", "LINES")])


def by_all_pairs(texts: list[str], threshold: float) -> list[tuple[int, int]]:
    sets = [grams(text) for text in texts]

    def similarity(left: int, right: int) -> float:
        return len(sets[left] & sets[right]) / len(sets[left] | sets[right])

    kept: list[int] = []
    found = []
    for place in range(len(texts)):
        near = next((other for other in kept if similarity(place, other) >= threshold), None)
        if near is None:
            kept.append(place)
        else:
            found.append((place, near))
    return found


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.5, 0.6, 0.7, 0.8, 0.95, 1.0])
def test_the_same_is_found_as_by_comparing_all_pairs(threshold: float, seed: int) -> None:
    draw = random.Random(seed)
    bases = ["".join(draw.choices("客户想要喜欢老师上海包红色预算", k=draw.randint(1, 18))) for _ in range(30)]
    texts = []
    for _ in range(300):
        letters = list(draw.choice(bases))
        for _ in range(draw.randint(0, 2)):
            letters[draw.randrange(len(letters))] = draw.choice("客户想要喜欢老师上海")
        texts.append("".join(letters))
    found = list(near_duplicates(texts, threshold))
    assert found == by_all_pairs(texts, threshold)
    assert found


@pytest.mark.parametrize("threshold", [0.4, 0.8])
def test_long_texts_that_share_most_of_their_wording(threshold: float) -> None:
    draw = random.Random(1)
    clauses = ["".join(draw.choices("客户想要喜欢老师上海包红色预算经典大气", k=7)) for _ in range(9)]
    texts = ["，".join(draw.sample(clauses, draw.randint(1, 5))) for _ in range(250)]
    found = list(near_duplicates(texts, threshold))
    assert found == by_all_pairs(texts, threshold)
    assert found


def test_sentences_that_differ_in_their_keywords_only_are_the_same() -> None:
    texts = ["客户想要speedy 20，预算不高。", "客户想要 Neverfull 预算不高", "客户想要老花的speedy 20，预算不高。"]
    first, second, third = (masked(text, MATCHER) for text in texts)
    assert first == second
    assert first != third


def test_a_text_without_letters_has_grams() -> None:
    assert list(near_duplicates(["", "", "a"], 0.8)) == [(1, 0)]
