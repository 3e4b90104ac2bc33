from collections import Counter
from random import Random

import pytest
from rapidfuzz.distance import Levenshtein

from compression.inventory import Term
from compression.neighbours import NEAREST, TRIES, TermNeighbours, phoneme_neighbours

WORDS = [f"w{index:03d}" for index in range(200)]


def neighbours(texts: list[str], sigma: float = 5.0) -> TermNeighbours:
    return TermNeighbours([Term(text, tuple(text)) for text in texts], sigma, distance=2, seed=0)


def random_phonemes(count: int, seed: int = 0) -> list[tuple[str, ...]]:
    draw = Random(seed)
    # Names of several letters, as espeak's are: edits are of phonemes, not of letters.
    alphabet = ["aI", "aa", "t", "ts", "i:", "n", "ng", "o51"]
    return [tuple(draw.choices(alphabet, k=draw.randint(0, 9))) for _ in range(count)]


@pytest.mark.parametrize("distance", [1, 2])
def test_phoneme_neighbours_are_those_of_comparing_all_with_all(distance):
    phonemes = random_phonemes(700)
    found = phoneme_neighbours(phonemes, distance, most=len(phonemes))
    for term, near in zip(phonemes, found, strict=True):
        distances = [Levenshtein.distance(term, other) for other in phonemes]
        expected = {
            place
            for place, (edits, other) in enumerate(zip(distances, phonemes, strict=True))
            if term and other and 0 < edits <= min(distance, max(len(term), len(other)) // 2)
        }
        assert set(near.tolist()) == expected
        assert [distances[place] for place in near] == sorted(distances[place] for place in near)


def test_the_nearest_are_kept_with_ties_in_random_but_repeatable_order():
    phonemes = random_phonemes(700)
    one, again, other = (phoneme_neighbours(phonemes, 2, 5, seed) for seed in (0, 0, 1))
    assert all(near.tolist() == same.tolist() for near, same in zip(one, again, strict=True))
    assert any(near.tolist() != changed.tolist() for near, changed in zip(one, other, strict=True))
    assert max(map(len, one)) == 5


@pytest.mark.parametrize("kind", ["prefix", "suffix"])
def test_spelling_neighbours_are_a_gaussian_number_of_ranks_away(kind):
    texts = WORDS if kind == "prefix" else [word[::-1] for word in WORDS]
    drawn: Counter[int] = Counter()
    found = neighbours(texts)
    for seed in range(100):
        drawn.update(texts.index(near) - 100 for near in found.candidates(kind, texts[100], Random(seed)))
    assert drawn[0] == 0
    assert max(map(abs, drawn)) > 10
    variance = sum(count * offset**2 for offset, count in drawn.items()) / drawn.total()
    assert variance == pytest.approx(25, rel=0.2)
    assert all(near in texts for near in found.candidates(kind, texts[0], Random(0)))


def test_suffix_neighbours_end_alike():
    found = neighbours(["abandon", "bacon", "button", "crayon", "zoo", "zone"], sigma=1.0)
    assert "button" in set(found.candidates("suffix", "crayon", Random(0)))
    assert "zone" in set(found.candidates("prefix", "zoo", Random(0)))


def test_containment_is_at_either_end_in_either_direction():
    texts = ["task", "Tasks", "taskforce", "multitask", "ask", "tas", "task-multitask", "mask", "tusk", "task force"]
    found = neighbours(texts)
    assert set(found.candidates("containment", "task", Random(0))) == {
        "Tasks",
        "taskforce",
        "task force",
        "multitask",
        "task-multitask",
        "ask",
        "tas",
    }
    assert set(found.candidates("containment", "Tasks", Random(0))) == {"task", "tas"}
    assert set(found.candidates("containment", "tusk", Random(0))) == set()
    found = neighbours(["老花", "老花镜", "老", "花镜"])
    assert set(found.candidates("containment", "老花", Random(0))) == {"老花镜", "老"}


def test_candidates_by_sound_are_bounded():
    texts = [f"{first}{second}bcdef" for first in "qwertyuiop" for second in "qwertyuiop"]
    found = neighbours(texts)
    near = {term for seed in range(50) for term in found.candidates("phonemes", texts[0], Random(seed))}
    assert len(near) == NEAREST
    assert len(list(found.candidates("phonemes", texts[0], Random(0)))) == TRIES
    # The 18 that differ in one phoneme are nearer than the others.
    assert near >= {term for term in texts if Levenshtein.distance(term, texts[0]) == 1}
