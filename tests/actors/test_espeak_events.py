"""Units from espeak's events: the cases that its dictionary makes hard."""

import pytest

from actors.tts.espeak_events import SpeechEvent, unit_times

WORD, END, PHONEME = 1, 5, 7


def events(*words: tuple[int, str]) -> list[SpeechEvent]:
    """Words (first character, phonemes) of 0.1 s a phoneme; pauses and switches of language have time as well."""
    found, seconds = [], 0.0
    for character, phonemes in words:
        found.append(SpeechEvent(WORD, character, seconds))
        for phoneme in phonemes.split():
            found.append(SpeechEvent(PHONEME, character, seconds, phoneme))
            seconds += 0.1
    return [*found, SpeechEvent(END, 0, seconds)]


def starts_and_ends(text: str, *words: tuple[int, str]) -> list[tuple[float, float]]:
    return [(round(unit.start, 3), round(unit.end, 3)) for unit in unit_times(text, events(*words))]


def test_pauses_and_switches_of_language_belong_to_no_unit():
    words = (0, "(en) h aI (cmn) _| _:"), (3, "X 'Au _:")
    assert starts_and_ends("hi，好", *words) == [(0.0, 0.3), (0.6, 0.8)]


@pytest.mark.parametrize(
    ("text", "phonemes", "second"),
    [
        ("上海", "s. A N X 'ai _|", 0.3),
        ("可能", "kh @ n '@N", 0.2),
        ("今年", "tS; i n n 'iE n", 0.3),
        ("偏爱", "ph iE 'ai", 0.2),
        ("偏好", "ph iE n X 'Au", 0.3),
    ],
)
def test_the_characters_of_one_word_are_parted_between_syllables(text, phonemes, second):
    first, last = starts_and_ends(text, (0, phonemes))
    assert first[1] == last[0] == second


def test_other_words_than_of_one_syllable_a_character_are_parted_evenly():
    assert starts_and_ends("花儿", (0, "X 'ua r")) == [(0.0, 0.15), (0.15, 0.3)]


def test_a_unit_of_several_words_lasts_from_the_first_to_the_last():
    assert starts_and_ends("22款", (0, "'@r"), (0, "s. i."), (1, "'@r"), (2, "kh w a n")) == [(0.0, 0.4), (0.4, 0.8)]


def test_a_word_without_a_sound_and_one_for_a_symbol_are_no_units():
    assert starts_and_ends("好%人", (0, "X Au"), (0, "_|"), (1, "p aI"), (2, "z. @ n")) == [(0.0, 0.2), (0.5, 0.8)]


def test_events_that_do_not_tell_every_time_give_none():
    assert unit_times("好人", []) == ()
    assert starts_and_ends("好人", (1, "z. @ n")) == []
    assert starts_and_ends("好人", (1, "z. @ n"), (0, "X Au")) == []
