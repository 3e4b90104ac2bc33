"""Sounds of words: homophones are near, other words are far, whatever the script."""

import pytest

from actors.phonetics import Phonetics, SoundAlignment
from harken.errors import HarkenError


@pytest.fixture(scope="module")
def phonetics() -> Phonetics:
    return Phonetics()


@pytest.mark.parametrize(
    ("spoken", "heard"), [("铂金包", "波今包"), ("水桶包", "水通宝"), ("陀飞轮", "托菲伦"), ("Speedy 20", "speedy二十")]
)
def test_homophones_sound_alike_whatever_their_characters(phonetics, spoken, heard):
    assert phonetics.distance(spoken, heard) < 0.1


# What the embedded model made of terms it does not know, and transliterations.
@pytest.mark.parametrize(
    ("spoken", "heard"),
    [
        ("birkin", "伯金"),
        ("birkin", "bin"),
        ("speedy", "死比地"),
        ("gucci", "古驰"),
        ("prada", "普拉达"),
        ("neverfull", "never fol"),
        ("neverfull", "veva fehotte"),
        ("法棍包", "法格包"),
        ("香奈儿", "想耐用"),
        ("四叶草", "丝耶特"),
        ("水桶包", "水同时"),
        ("tree omf", "treemodel"),
    ],
)
def test_mishearings_sound_alike(phonetics, spoken, heard):
    assert phonetics.distance(spoken, heard) < 0.5


@pytest.mark.parametrize(
    ("spoken", "heard"),
    [
        ("birkin", "喜欢"),
        ("锁骨链", "颜色"),
        ("neverfull", "喜欢"),
        ("法棍包", "预算"),
        ("铂金包", "颜色"),
        ("黑水鬼", "配饰公"),
        ("玫瑰金", ""),
    ],
)
def test_other_words_do_not(phonetics, spoken, heard):
    assert phonetics.distance(spoken, heard) > 0.5


def test_distance_is_symmetric_and_zero_for_silence_on_both_sides(phonetics):
    assert phonetics.distance("凯莉包", "开了包") == pytest.approx(phonetics.distance("开了包", "凯莉包"))
    assert phonetics.distance("", "") == 0.0
    assert phonetics.distance("", "包") == 1.0


def test_a_text_sounds_like_its_units(phonetics):
    units = phonetics.sounds("想看Speedy 20。")
    assert [unit for unit, _ in units] == ["想", "看", "speedy", "20"]
    assert len(phonetics.joined("想看Speedy 20。")) == sum(len(sounds) for _, sounds in units)
    assert all(len(sounds) for _, sounds in units)


def test_another_language_reads_the_same_letters_otherwise():
    assert Phonetics("de").distance("jean", "dschien") != Phonetics("en").distance("jean", "dschien")


def test_an_unknown_language_is_named():
    with pytest.raises(HarkenError, match="klingon"):
        Phonetics("klingon")


def alignment(phonetics: Phonetics, spoken: list[str], heard: str) -> tuple[SoundAlignment, list[int]]:
    """The alignment and where each piece of what was spoken begins (and the last ends)."""
    starts = [0]
    for piece in spoken:
        starts.append(starts[-1] + len(phonetics.joined(piece)))
    return SoundAlignment(phonetics.joined("".join(spoken)), phonetics.joined(heard)), starts


def test_what_was_not_said_explains_better_without(phonetics):
    found, starts = alignment(phonetics, ["想买", "水桶包", "送女朋友"], "想买送女朋友")
    assert found.gain_without(starts[1], starts[2]) == pytest.approx(found.weight(starts[1], starts[2]))
    found, starts = alignment(phonetics, ["想买", "水桶包", "送女朋友"], "想买水同时送女朋友")
    assert found.gain_without(starts[1], starts[2]) < 0
    begin, end = found.span(starts[1], starts[2])
    assert list(phonetics.joined("想买水同时送女朋友")[begin:end]) == list(phonetics.joined("水同时"))


def test_a_missing_end_is_what_a_cut_explains(phonetics):
    found, starts = alignment(phonetics, ["客户想要老花", "要黑色"], "客户想要老花")
    assert found.gain_cut_off() == pytest.approx(found.weight(starts[1], starts[2]))
    whole, _ = alignment(phonetics, ["客户想要老花", "要黑色"], "客户要老话要黑色")
    assert whole.gain_cut_off() == 0.0
