import torch

from harken.biasing.boosting import TermBoosting
from harken.biasing.trie import build_trie, written_forms
from harken.detection import Detection

WEIGHT = 4.0
# Two terms in a vocabulary of single letters: ab and abc; d ef is elsewhere.
LETTERS = "abcdefgh"


def encode(text: str) -> list[int]:
    return [LETTERS.index(letter) for letter in text.strip().lower()]


def boosting(attention: torch.Tensor, *terms: str, start: float = 0.0, end: float = 1.0) -> TermBoosting:
    detections = [Detection(term, start, end, 0.9) for term in terms]
    return TermBoosting(encode, [detections, []], 0.5, lambda: attention, WEIGHT, slack=0.0)


def listening(*frames: int) -> torch.Tensor:
    attention = torch.zeros(2, 8)
    attention[:, list(frames)] = 1.0 / len(frames)
    return attention


def boosts(steering: TermBoosting) -> dict[str, float]:
    scores = steering(torch.zeros(2, 1, dtype=torch.long), torch.zeros(2, len(LETTERS)))
    assert not scores[1].any(), "a row without detections is left alone"
    return {LETTERS[token]: float(boost) for token, boost in enumerate(scores[0]) if boost}


def test_terms_begin_where_the_decoder_listens_to_their_span():
    assert boosts(boosting(listening(0, 1), "abc")) == {"a": WEIGHT}
    assert boosts(boosting(listening(6, 7), "abc")) == {}
    partly = boosts(boosting(listening(1, 6, 7, 5), "abc"))
    assert 0 < partly["a"] < WEIGHT


def test_a_term_that_is_begun_is_continued_to_its_end():
    steering = boosting(listening(0), "abc")
    for letter, following in (("a", "b"), ("b", "c")):
        boosts(steering)
        assert steering.take_back(0, LETTERS.index(letter)) == 0
        assert boosts(steering)[following] == WEIGHT
    assert steering.take_back(0, LETTERS.index("c")) == 0
    assert set(boosts(steering)) == {"a"}


def test_half_a_term_is_taken_back_and_not_tried_there_again():
    steering = boosting(listening(0), "abc")
    for letter in "ab":
        boosts(steering)
        assert steering.take_back(0, LETTERS.index(letter)) == 0
    boosts(steering)
    assert steering.take_back(0, LETTERS.index("h")) == 2
    assert boosts(steering) == {}
    # Without help the model may write the same letters; nothing is withdrawn then.
    assert steering.take_back(0, LETTERS.index("a")) == 0
    assert boosts(steering) == {"a": WEIGHT}
    assert steering.take_back(0, LETTERS.index("h")) == 0


def test_a_whole_term_inside_a_longer_one_stays():
    steering = boosting(listening(0), "ab", "abcd")
    for letter in "abc":
        boosts(steering)
        assert steering.take_back(0, LETTERS.index(letter)) == 0
    boosts(steering)
    assert steering.take_back(0, LETTERS.index("h")) == 0


def test_rows_without_terms_are_never_taken_back():
    steering = boosting(listening(0), "abc")
    boosts(steering)
    assert steering.take_back(1, 0) == 0


def test_the_trie_holds_every_sequence():
    root = build_trie([(0, [1, 2]), (1, [1, 3]), (1, [])])
    assert root.children[1].terms == {0, 1}
    assert root.children[1].children[3].ends
    assert not root.children[1].ends
    assert not root.ends


def test_forms_are_of_all_cases_with_and_without_a_space():
    assert written_forms(["Kelly"]) == ["Kelly", " Kelly", "kelly", " kelly", "KELLY", " KELLY"]
    assert written_forms(["铂金包"]) == ["铂金包", " 铂金包"]
