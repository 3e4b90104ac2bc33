"""Codecs do to speech what they are known for, and leave it where and as loud as it was."""

import typing

import numpy as np
import pytest
import scipy.signal

from harken.augmentation_settings import LOSSY, CodecName
from harken.codec import CODECS, check_codec, transmit

RATE = 16_000


def speechlike(seconds: float = 2.0) -> np.ndarray:
    """Noise of a wide band in bursts, as loud as speech."""
    times = np.arange(int(seconds * RATE)) / RATE
    bursts = np.sin(2 * np.pi * 1.7 * times) ** 2
    noise = scipy.signal.lfilter([1.0], [1.0, -0.8], np.random.default_rng(0).standard_normal(len(times)))
    return (0.1 * bursts * noise).astype(np.float32)


def share_above(wave: np.ndarray, hertz: float) -> float:
    power = np.abs(np.fft.rfft(wave)) ** 2
    return float(power[np.fft.rfftfreq(len(wave), 1 / RATE) > hertz].sum() / power.sum())


def test_every_codec_that_can_be_chosen_is_known_and_can_be_encoded_here() -> None:
    assert set(CODECS) == set(typing.get_args(CodecName))
    assert {name for name, codec in CODECS.items() if codec.levels} == LOSSY
    for name in CODECS:
        check_codec(name)


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("compression", [0.0, 1.0])
def test_a_codec_changes_the_wave_but_not_its_place_length_or_level(name: CodecName, compression: float) -> None:
    wave = speechlike()
    heard = transmit(wave, RATE, name, compression)
    assert heard.dtype == np.float32
    assert heard.shape == wave.shape
    assert not np.array_equal(heard, wave)
    assert np.sqrt(np.mean(heard**2)) == pytest.approx(np.sqrt(np.mean(wave**2)), rel=0.02)
    envelopes = [np.convolve(np.abs(signal), np.ones(400), "same") for signal in (wave, heard)]
    shift = np.argmax(scipy.signal.correlate(envelopes[1], envelopes[0])) - (len(wave) - 1)
    # The filters of a telephone line delay by about a millisecond.
    assert abs(shift) <= 40
    assert np.corrcoef(*envelopes)[0, 1] > 0.9
    assert np.array_equal(heard, transmit(wave, RATE, name, compression))


@pytest.mark.parametrize("name", CODECS)
def test_a_telephone_line_ends_at_3400_hertz_and_the_others_do_not(name: CodecName) -> None:
    left = share_above(transmit(speechlike(), RATE, name, 0.0), 4_200) / share_above(speechlike(), 4_200)
    assert (left < 0.01) is CODECS[name].telephone


def test_more_compression_loses_more() -> None:
    wave = speechlike()

    def loss(name: CodecName, compression: float) -> float:
        return float(np.mean((transmit(wave, RATE, name, compression) - wave) ** 2))

    for name in sorted(LOSSY):
        assert loss(name, 1.0) > loss(name, 0.0)


@pytest.mark.parametrize("name", CODECS)
def test_loud_and_short_waves_do_not_clip_or_break(name: CodecName) -> None:
    square = np.sign(np.sin(np.arange(8_000) / 9)).astype(np.float32)
    assert np.abs(transmit(square, RATE, name)).max() <= 1.0
    assert transmit(square[:50], RATE, name).shape == (50,)
    assert np.abs(transmit(np.zeros(4_000, np.float32), RATE, name)).max() < 1e-5
