"""Augmentation does to a waveform what its name says, and the same generator seed gives the same audio."""

import numpy as np
import pytest

from harken import augment
from harken.errors import HarkenError

RATE = 16_000


def tone(frequency: float, seconds: float = 1.0) -> np.ndarray:
    return (0.3 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * RATE)) / RATE)).astype(np.float32)


def peak_frequency(wave: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave))))
    return float(np.fft.rfftfreq(len(wave), 1 / RATE)[np.argmax(spectrum)])


def test_gain_is_in_decibels_and_clips():
    assert np.max(augment.gain(tone(440), 6.0)) == pytest.approx(0.3 * 10**0.3, rel=1e-3)
    assert np.max(np.abs(augment.gain(tone(440), 40.0))) == 1.0


def test_speed_shortens_and_raises():
    fast = augment.speed(tone(400), 1.25)
    assert len(fast) == pytest.approx(RATE / 1.25, abs=2)
    assert peak_frequency(fast) == pytest.approx(500, abs=5)


def test_vocal_tract_raises_without_shortening():
    shorter_tract = augment.vocal_tract(tone(400), 1.2, RATE)
    assert len(shorter_tract) == pytest.approx(RATE, rel=0.02)
    assert peak_frequency(shorter_tract) == pytest.approx(480, abs=15)


@pytest.mark.parametrize("colour", augment.NOISE_COLOURS)
def test_noise_has_the_ratio_that_was_asked_for(colour):
    clean = 0.1 * tone(440)
    noisy = augment.add_noise(clean, np.random.default_rng(1), 10.0, colour, RATE)
    ratio = 10 * np.log10(np.mean(clean**2) / np.mean((noisy - clean) ** 2))
    assert ratio == pytest.approx(10.0, abs=0.1)


def test_brown_noise_is_darker_than_white():
    def share_below_500_hz(colour: str) -> float:
        noise = augment.coloured_noise(np.random.default_rng(0), RATE, colour, RATE)
        power = np.abs(np.fft.rfft(noise)) ** 2
        return float(power[: len(power) // 16].sum() / power.sum())

    assert share_below_500_hz("white") < share_below_500_hz("pink") < share_below_500_hz("brown")


def test_a_room_adds_a_tail_and_keeps_the_level():
    wave = np.concatenate([tone(440, 0.5), np.zeros(RATE // 2, np.float32)])
    wet = augment.room(wave, np.random.default_rng(0), RATE, 0.4, 0.5)
    assert np.max(np.abs(wet[RATE // 2 + 100 : RATE // 2 + 2000])) > 0.01
    assert np.mean(wet**2) == pytest.approx(np.mean(wave**2), rel=0.01)


def test_the_telephone_removes_what_is_outside_its_band():
    def kept(frequency: float) -> float:
        wave = tone(frequency)
        return float(np.mean(augment.telephone(wave, RATE) ** 2) / np.mean(wave**2))

    assert kept(1000) > 0.8
    assert kept(100) < 0.01
    assert kept(6000) < 0.05


def test_mu_law_takes_few_values():
    assert len(np.unique(augment.mu_law(tone(441.3), levels=256))) <= 256


def test_the_same_seed_gives_the_same_audio():
    def augmented(seed: int) -> np.ndarray:
        generator = np.random.default_rng(seed)
        return augment.add_noise(augment.room(tone(300), generator, RATE, 0.2, 0.3), generator, 15.0, "pink", RATE)

    assert np.array_equal(augmented(3), augmented(3))
    assert not np.array_equal(augmented(3), augmented(4))


def test_impossible_settings_are_errors():
    with pytest.raises(HarkenError, match="speed"):
        augment.speed(tone(440), 5.0)
    with pytest.raises(HarkenError, match="Known colours: white"):
        augment.coloured_noise(np.random.default_rng(0), 100, "mauve", RATE)
