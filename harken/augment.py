"""Seeded changes to a waveform that keep its words: vocal tract, speed, room, codec, noise, gain.

Every function takes float32 mono of shape (samples,) and returns float32 mono; random ones take a
`numpy.random.Generator`, so the same row id gives the same audio.
"""

from __future__ import annotations

import numpy as np
import scipy.signal
import soxr

from harken.errors import HarkenError

NOISE_COLOURS = ("white", "pink", "brown", "hum")


def gain(wave: np.ndarray, decibels: float) -> np.ndarray:
    """Scale by `decibels`, clipping at full scale as a recorder would."""
    return np.clip(wave * np.float32(10 ** (decibels / 20)), -1.0, 1.0).astype(np.float32)


def speed(wave: np.ndarray, factor: float, quality: str = "QQ") -> np.ndarray:
    """Play `factor` times as fast: tempo, pitch and formants all move together (Ko et al. 2015)."""
    _check("speed factor", factor, 0.5, 2.0)
    return soxr.resample(wave, factor, 1.0, quality=quality).astype(np.float32)


def vocal_tract(wave: np.ndarray, factor: float, sample_rate: int) -> np.ndarray:
    """Move all resonances (and the pitch) up by `factor` at unchanged tempo, as a shorter vocal tract does.

    The wave is first stretched in time by overlap-add with waveform similarity (WSOLA, Verhelst & Roelands 1993),
    then resampled back to its length.
    """
    _check("vocal tract factor", factor, 0.7, 1.4)
    return speed(_stretch(wave, factor, sample_rate), factor)[: len(wave)]


def _stretch(wave: np.ndarray, factor: float, sample_rate: int) -> np.ndarray:
    frame, search = int(0.030 * sample_rate), int(0.006 * sample_rate)
    hop = frame // 2
    window = np.hanning(frame).astype(np.float32)
    padded = np.concatenate([np.zeros(search, np.float32), wave, np.zeros(frame + 2 * search + hop, np.float32)])
    count = max(1, int(len(wave) * factor) // hop)
    output = np.zeros(count * hop + frame, np.float32)
    position = search
    for index in range(count):
        wanted = search + int(index * hop / factor)
        if index:
            continuation = padded[position + hop : position + hop + hop]
            region = padded[wanted - search : wanted + search + hop]
            if len(region) < 2 * search + hop:
                break
            scores = scipy.signal.correlate(region, continuation, mode="valid", method="fft")
            position = wanted - search + int(np.argmax(scores))
        else:
            position = wanted
        output[index * hop : index * hop + frame] += window * padded[position : position + frame]
    return output[: int(len(wave) * factor)]


def room(
    wave: np.ndarray, generator: np.random.Generator, sample_rate: int, decay_seconds: float, wet: float
) -> np.ndarray:
    """Reverberation: a direct path plus `wet` (0..1) of an exponentially decaying noise tail (RT60 = decay)."""
    _check("room decay in seconds", decay_seconds, 0.02, 2.0)
    length = int(decay_seconds * sample_rate)
    times = np.arange(length, dtype=np.float32) / sample_rate
    tail = generator.standard_normal(length).astype(np.float32) * np.exp(-6.9 * times / decay_seconds)
    onset = int(generator.uniform(0.001, 0.008) * sample_rate)
    tail[:onset] = 0
    tail *= wet / (np.sqrt(np.sum(tail**2)) + 1e-9)
    tail[0] = 1.0
    reverberant = scipy.signal.oaconvolve(wave, tail)[: len(wave)]
    return _same_level(reverberant, wave)


def telephone(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """A 300-3400 Hz telephone band with 8-bit mu-law companding (ITU-T G.711)."""
    sections = scipy.signal.butter(4, (300, 3400), "bandpass", fs=sample_rate, output="sos")
    return mu_law(scipy.signal.sosfilt(sections, wave).astype(np.float32))


def mu_law(wave: np.ndarray, levels: int = 256) -> np.ndarray:
    """Quantise in the mu-law domain to `levels` steps."""
    _check("mu-law levels", levels, 16, 65_536)
    peak = float(np.max(np.abs(wave), initial=1e-6))
    scale = levels - 1
    scaled = np.sign(wave) * np.log1p(scale * np.abs(wave) / peak) / np.log1p(scale)
    stepped = np.round((scaled + 1) / 2 * scale) / scale * 2 - 1
    return (np.sign(stepped) * np.expm1(np.abs(stepped) * np.log1p(scale)) / scale * peak).astype(np.float32)


def coloured_noise(generator: np.random.Generator, samples: int, colour: str, sample_rate: int) -> np.ndarray:
    """Noise of unit RMS: white, pink (1/f), brown (1/f^2) or hum (mains harmonics over faint pink noise)."""
    if colour not in NOISE_COLOURS:
        raise HarkenError("noise colour", colour, f"Known colours: {', '.join(NOISE_COLOURS)}")
    white = generator.standard_normal(samples).astype(np.float32)
    if colour == "white":
        return white
    # Filters of a few taps: shaping a whole spectrum by FFT costs more than all other augmentation together.
    if colour == "brown":
        shaped = scipy.signal.lfilter([1.0], [1.0, -0.98], white)
    else:
        shaped = scipy.signal.lfilter(
            [0.049922, -0.095993, 0.050613, -0.004409], [1, -2.494956, 2.017266, -0.522189], white
        )
    if colour == "hum":
        times = np.arange(samples, dtype=np.float32) / sample_rate
        base = float(generator.choice((50.0, 60.0)))
        tones = sum(np.sin(2 * np.pi * base * k * times + generator.uniform(0, 6.28)) / k for k in (1, 2, 3, 5))
        shaped = shaped / (np.std(shaped) + 1e-9) * 0.5 + tones
    return (shaped / (np.sqrt(np.mean(shaped**2)) + 1e-9)).astype(np.float32)


def add_noise(
    wave: np.ndarray, generator: np.random.Generator, snr_decibels: float, colour: str, sample_rate: int
) -> np.ndarray:
    """Add coloured noise so that the wave's mean power is `snr_decibels` above the noise's."""
    level = float(np.sqrt(np.mean(wave**2) + 1e-12)) * 10 ** (-snr_decibels / 20)
    noisy = wave + level * coloured_noise(generator, len(wave), colour, sample_rate)
    peak = float(np.max(np.abs(noisy), initial=0.0))
    return (noisy / peak if peak > 1 else noisy).astype(np.float32)


def _same_level(changed: np.ndarray, original: np.ndarray) -> np.ndarray:
    scale = np.sqrt((np.mean(original**2) + 1e-12) / (np.mean(changed**2) + 1e-12))
    return (changed * scale).astype(np.float32)


def _check(thing: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise HarkenError(thing, value, f"Keep it between {low} and {high}")
