"""Seeded changes to a waveform that keep its words: vocal tract, speed, room, telephone band, noise, gain.

Every function takes float32 mono of shape (samples,) and returns float32 mono; random ones take a
`numpy.random.Generator`, so the same row id gives the same audio.
"""

from __future__ import annotations

import numpy as np
import scipy  # Its module signal takes a second to load: it is when the first row needs it.
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
    """Reverberation as a direct path and a tail of white noise that decays exponentially, at the wave's own level.

    The statistical model of a room (Polack 1988) without single early reflections: the tail begins 1 to 8 ms after
    the direct sound and falls by 60 dB in `decay_seconds` (RT60). `wet` is the tail's amplitude over the direct
    path's, 10 ** (-decibels / 20) of a direct-to-reverberant ratio. What rings on after the wave's end is cut.
    """
    _check("room decay in seconds", decay_seconds, 0.02, 2.0)
    length = int(decay_seconds * sample_rate)
    times = np.arange(length, dtype=np.float32) / sample_rate
    tail = generator.standard_normal(length).astype(np.float32) * np.exp(-6.9 * times / decay_seconds)
    onset = int(generator.uniform(0.001, 0.008) * sample_rate)
    tail[:onset] = 0
    tail *= wet / (np.sqrt(np.sum(tail**2)) + 1e-9)
    tail[0] = 1.0
    reverberant = scipy.signal.oaconvolve(wave, tail)[: len(wave)]
    return same_level(reverberant, wave)


def telephone(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """A 300-3400 Hz telephone band with 8-bit mu-law companding (ITU-T G.711)."""
    return mu_law(telephone_band(wave, sample_rate))


def telephone_band(wave: np.ndarray, sample_rate: int) -> np.ndarray:
    """What a telephone line lets through: 300 to 3400 Hz."""
    sections = scipy.signal.butter(4, (300, 3400), "bandpass", fs=sample_rate, output="sos")
    return scipy.signal.sosfilt(sections, wave).astype(np.float32)


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
    return mix(wave, coloured_noise(generator, len(wave), colour, sample_rate), snr_decibels)


def mix(wave: np.ndarray, noise: np.ndarray, snr_decibels: float) -> np.ndarray:
    """Add `noise` of unit RMS and the wave's length so that the wave's mean power is `snr_decibels` above its own."""
    level = float(np.sqrt(np.mean(wave**2) + 1e-12)) * 10 ** (-snr_decibels / 20)
    return within_scale(wave + level * noise)


def within_scale(wave: np.ndarray) -> np.ndarray:
    """The wave, made quieter as a whole where it would clip."""
    peak = float(np.max(np.abs(wave), initial=0.0))
    return (wave / peak if peak > 1 else wave).astype(np.float32)


def same_level(changed: np.ndarray, original: np.ndarray) -> np.ndarray:
    """``changed`` with the mean power of ``original``."""
    scale = np.sqrt((np.mean(original**2) + 1e-12) / (np.mean(changed**2) + 1e-12))
    return (changed * scale).astype(np.float32)


def _check(thing: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise HarkenError(thing, value, f"Keep it between {low} and {high}")
