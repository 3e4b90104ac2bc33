import pytest

from actors.phoneme_reader import read_phonemes, read_units
from harken.errors import HarkenError


def test_words_that_sound_the_same_have_the_same_phonemes():
    read = read_phonemes(["there", "their", "ice cream", "I scream", "task", "tasks", "there"], "en")
    assert len(read) == 6
    assert read["there"] == read["their"]
    assert read["ice cream"] == read["I scream"]
    assert read["tasks"] == (*read["task"], "s")


def test_tones_make_a_difference():
    read = read_phonemes(["老花", "捞花", "老华"])
    assert len(set(read.values())) == 3
    assert len({len(phonemes) for phonemes in read.values()}) == 1


def test_a_text_is_the_phonemes_of_its_units():
    texts = ["喜欢老花 Speedy！", "", "老花"]
    liked, nothing, term = read_units(texts)
    assert (len(liked), nothing) == (5, [])
    assert sum(liked[2:4], ()) == sum(term, ()) == read_phonemes(["老花"])["老花"]
    assert liked[4] == read_phonemes(["speedy"])["speedy"]


def test_what_cannot_be_read_has_no_phonemes_and_an_unknown_voice_is_named():
    assert read_phonemes(["—"]) == {"—": ()}
    with pytest.raises(HarkenError, match="espeak-ng language: 'xx'"):
        read_phonemes(["task"], "xx")
