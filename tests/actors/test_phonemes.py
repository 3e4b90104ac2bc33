"""Phonemes between double brackets inside a text."""

from actors.tts.phonemes import disarm, groups, is_well_formed, outside, respell_outside
from harken.cardinals import spell_numbers


def test_phonemes_and_text_are_told_apart() -> None:
    text = "喜欢[[k'Eli]]25和[[b'ITI2]]"
    assert groups(text) == ["[[k'Eli]]", "[[b'ITI2]]"]
    assert outside(text) == "喜欢 25和 "
    assert respell_outside(text, spell_numbers) == "喜欢[[k'Eli]]二十五和[[b'ITI2]]"


def test_a_text_without_phonemes_is_respelled_as_it_is() -> None:
    assert respell_outside("25[款]", spell_numbers) == spell_numbers("25[款]")


def test_brackets_must_match() -> None:
    assert is_well_formed("凯莉[[k'Eli]] 25 [款]")
    for broken in ("[[k", "k]]", "[[]]", "[[a [[b]]", "[[a]] b]]"):
        assert not is_well_formed(broken)


def test_disarmed_text_has_no_phonemes() -> None:
    for text in ("[[a]]", "[[[a]]]", "[a]", "a]] [[b"):
        assert groups(disarm(text)) == []
        assert "[[" not in disarm(text)
        assert disarm(text).replace(" ", "") == text.replace(" ", "")
