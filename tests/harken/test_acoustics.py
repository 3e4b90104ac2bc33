import numpy as np
import pytest

from harken.acoustics import measure
from harken.audio import SAMPLE_RATE
from harken.augment import add_noise

TIME = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
SYLLABLES = (0.3 * np.sin(2 * np.pi * 200 * TIME) * (np.sin(2 * np.pi * 2 * TIME) > 0)).astype(np.float32)


def test_levels_are_those_of_the_loud_frames_and_of_the_distance_to_the_quiet_ones():
    found = measure(SYLLABLES)
    assert found.level_db == pytest.approx(20 * np.log10(0.3 / np.sqrt(2)), abs=0.5)
    assert found.range_db > 60
    assert measure(0.1 * SYLLABLES).level_db == pytest.approx(found.level_db - 20, abs=0.5)


def test_noise_above_the_speech_leaves_no_range_and_light_noise_does():
    loud, light = (
        measure(add_noise(SYLLABLES, np.random.default_rng(0), snr, "white", SAMPLE_RATE)).range_db for snr in (-5, 20)
    )
    assert loud < 8 < 15 < light


def test_silence_and_one_sample_are_measured():
    assert measure(np.zeros(SAMPLE_RATE, np.float32)).level_db == -100.0
    assert measure(np.ones(1, np.float32)).clipped == 0.0


def test_clipping_is_a_run_at_full_scale_and_not_a_peak():
    assert measure(SYLLABLES / np.abs(SYLLABLES).max()).clipped < 0.001
    assert measure(np.clip(10 * SYLLABLES, -1, 1)).clipped > 0.3
