from pathlib import Path

import pytest

from harken.errors import HarkenError
from harken.spotting_settings import SequenceSettings
from harken.word_sequences import sequence_rows, vocabulary


def settings(**changes: object) -> SequenceSettings:
    return SequenceSettings.model_validate({"words": "jieba", "vocabulary": 40, "count": 30} | changes)


@pytest.mark.parametrize("words", ["jieba", "invented"])
def test_disjoint_folds_share_no_word(words: str) -> None:
    first = vocabulary(settings(words=words, fold=(0.0, 0.8), vocabulary=300), seed=0)
    second = vocabulary(settings(words=words, fold=(0.8, 1.0), vocabulary=300), seed=0)
    assert len(set(first)) == len(set(second)) == 300
    assert not set(first) & set(second)


def test_a_sequence_holds_different_words_of_the_vocabulary_about_equally_often() -> None:
    chosen = settings(vocabulary=20, count=100, words_per_utterance=(3, 3))
    rows = sequence_rows(chosen, "zh", seed=1)
    words = [row["text"].split("，") for row in rows]
    assert len({row["id"] for row in rows}) == 100
    assert {word for said in words for word in said} == set(vocabulary(chosen, seed=1))
    counts = [sum(word in said for said in words) for word in vocabulary(chosen, seed=1)]
    assert max(counts) - min(counts) <= 2
    assert all(len(said) == len(set(said)) for said in words)
    assert rows == sequence_rows(chosen, "zh", seed=1)
    assert rows != sequence_rows(chosen, "zh", seed=2)


def test_other_languages_part_words_by_spaces() -> None:
    rows = sequence_rows(settings(words="invented", words_per_utterance=(2, 2)), "en", seed=0)
    assert all(len(row["text"].split()) == 2 and row["text"].isascii() for row in rows)


def test_words_come_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("sertraline\n\nibuprofen\nsertraline\n", encoding="utf-8")
    assert vocabulary(settings(words=path, vocabulary=2), seed=0) == ["ibuprofen", "sertraline"]
    with pytest.raises(HarkenError, match=r"sequences\.vocabulary.*3.*holds 2 words"):
        vocabulary(settings(words=path, vocabulary=3), seed=0)
    with pytest.raises(HarkenError, match=r"missing\.txt"):
        vocabulary(settings(words=tmp_path / "missing.txt"), seed=0)
