import numpy as np
import pytest

from harken.audio import SAMPLE_RATE
from harken.errors import HarkenError
from harken.excerpt import cut_excerpt, spoken_span
from harken.unit_times import UnitTime, read_units, unit_rows

# 喜欢speedy。
UNITS = [UnitTime(0, 1, 0.1, 0.3), UnitTime(1, 2, 0.3, 0.5), UnitTime(2, 8, 0.6, 0.9)]
WAVE = np.arange(SAMPLE_RATE, dtype=np.float32) / SAMPLE_RATE


def test_a_mention_lasts_from_its_first_unit_to_its_last():
    assert spoken_span(UNITS, 0, 2) == (0.1, 0.5)
    assert spoken_span(UNITS, 1, 8) == (0.3, 0.9)


def test_a_part_of_a_unit_counts_as_the_unit():
    assert spoken_span(UNITS, 3, 5) == (0.6, 0.9)


def test_characters_that_nobody_says_are_an_error():
    with pytest.raises(HarkenError, match=r"\(8, 9\).*character 8"):
        spoken_span(UNITS, 8, 9)


def test_an_excerpt_is_the_waves_own_samples_with_a_margin():
    excerpt = cut_excerpt(WAVE, UNITS, 1, 8)
    assert (excerpt.start, excerpt.end) == pytest.approx((0.26, 0.94))
    assert excerpt.wave[0] == pytest.approx(0.26)
    assert len(excerpt.wave) == round(0.68 * SAMPLE_RATE)


@pytest.mark.parametrize(("characters", "expected"), [((0, 1), (0.0, 0.8)), ((2, 8), (0.1, 1.0))])
def test_the_margin_ends_where_the_wave_does(characters, expected):
    excerpt = cut_excerpt(WAVE, UNITS, *characters, margin=0.5)
    assert (excerpt.start, excerpt.end) == pytest.approx(expected)


@pytest.mark.parametrize(("characters", "expected"), [((1, 2), (0.2, 0.6)), ((0, 1), (0.0, 0.4)), ((2, 8), (0.6, 1.0))])
def test_a_short_excerpt_is_widened_inside_the_wave(characters, expected):
    units = [*UNITS[:2], UnitTime(2, 8, 0.88, 0.98)]
    excerpt = cut_excerpt(WAVE, units, *characters, margin=0.0, least=0.4)
    assert (excerpt.start, excerpt.end) == pytest.approx(expected)


def test_a_wave_shorter_than_the_least_is_taken_whole():
    excerpt = cut_excerpt(WAVE[: SAMPLE_RATE // 8], UNITS, 0, 1)
    assert (excerpt.start, excerpt.end) == (0.0, 0.125)


def test_units_of_another_row_are_an_error():
    with pytest.raises(HarkenError, match=r"mention's seconds.*0\.50 s"):
        cut_excerpt(WAVE[: SAMPLE_RATE // 2], UNITS, 2, 8)


def test_units_are_the_same_after_a_row():
    assert read_units(unit_rows(UNITS)) == UNITS
