"""Stretches of the recordings in a user's folder."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from harken.audio import SAMPLE_RATE
from harken.errors import HarkenError
from harken.noise_folder import NoiseFolder, noise_files

SECOND = SAMPLE_RATE


def record(path: Path, wave: np.ndarray, rate: int = SAMPLE_RATE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, rate, subtype="PCM_16")
    return path


def rumble(seconds: float, seed: int = 0) -> np.ndarray:
    return 0.1 * np.random.default_rng(seed).standard_normal(int(seconds * SAMPLE_RATE))


def test_recordings_are_found_in_folders_inside_and_nothing_else_is(tmp_path: Path) -> None:
    record(tmp_path / "street" / "bus.wav", rumble(0.1))
    record(tmp_path / "fan.FLAC", rumble(0.1))
    (tmp_path / "licence.txt").write_text("free", encoding="utf-8")
    (tmp_path / "street" / "._bus.wav").write_bytes(b"what another system leaves")
    assert noise_files(tmp_path) == [tmp_path / "fan.FLAC", tmp_path / "street" / "bus.wav"]


def test_a_stretch_is_a_piece_of_the_recording_with_unit_rms(tmp_path: Path) -> None:
    whole = rumble(3.0)
    record(tmp_path / "long.wav", whole)
    name, noise = NoiseFolder(tmp_path).draw(np.random.default_rng(1), SECOND)
    assert (name, noise.shape, noise.dtype) == ("long.wav", (SECOND,), np.float32)
    assert np.sqrt(np.mean(noise**2)) == pytest.approx(1.0, rel=1e-3)
    match = np.correlate(whole, noise, "valid")
    start = int(np.argmax(match))
    assert np.corrcoef(whole[start : start + SECOND], noise)[0, 1] > 0.999


def test_every_recording_and_many_places_are_drawn_and_one_seed_draws_the_same(tmp_path: Path) -> None:
    for number in range(3):
        record(tmp_path / f"{number}.wav", rumble(2.0, seed=number))
    folder = NoiseFolder(tmp_path)
    drawn = [folder.draw(np.random.default_rng(seed), 800) for seed in range(30)]
    assert {name for name, _ in drawn} == {"0.wav", "1.wav", "2.wav"}
    assert len({noise[:8].tobytes() for _, noise in drawn}) == 30
    again = folder.draw(np.random.default_rng(7), 800)
    assert again[0] == drawn[7][0]
    assert np.array_equal(again[1], drawn[7][1])


def test_a_short_recording_is_played_again_without_clicks(tmp_path: Path) -> None:
    ramp = np.linspace(0.1, 0.9, SECOND // 10)
    record(tmp_path / "short.wav", ramp)
    _, noise = NoiseFolder(tmp_path).draw(np.random.default_rng(0), SECOND)
    assert noise.shape == (SECOND,)
    assert np.abs(np.diff(noise)).max() < 0.01


def test_other_rates_and_channels_become_mono_at_16_khz(tmp_path: Path) -> None:
    times = np.arange(2 * 44_100) / 44_100
    left = 0.4 * np.sin(2 * np.pi * 1000 * times)
    record(tmp_path / "stereo.flac", np.stack([left, np.zeros_like(left)], axis=1), 44_100)
    _, noise = NoiseFolder(tmp_path).draw(np.random.default_rng(0), SECOND)
    assert np.argmax(np.abs(np.fft.rfft(noise))) == pytest.approx(1000, abs=1)


def test_digital_silence_stays_silent(tmp_path: Path) -> None:
    record(tmp_path / "silence.wav", np.zeros(SECOND))
    _, noise = NoiseFolder(tmp_path).draw(np.random.default_rng(0), 100)
    assert not noise.any()


def test_a_missing_and_an_empty_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match=r"absent.*no such folder"):
        NoiseFolder(tmp_path / "absent")
    with pytest.raises(HarkenError, match=r"no \.wav or \.flac"):
        NoiseFolder(tmp_path)


@pytest.mark.parametrize("content", [b"", b"RIFF....WAVEnothing", b"fLaC but not really"])
def test_a_damaged_recording_is_named_by_the_check_and_when_it_is_drawn(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "broken.wav").write_bytes(content)
    folder = NoiseFolder(tmp_path)
    with pytest.raises(HarkenError, match=r"inside/broken\.wav.*take it out"):
        folder.check()
    with pytest.raises(HarkenError, match=r"inside/broken\.wav.*take it out"):
        folder.draw(np.random.default_rng(0), 100)


def test_a_recording_without_samples_is_named(tmp_path: Path) -> None:
    record(tmp_path / "empty.wav", np.zeros(0))
    with pytest.raises(HarkenError, match=r"empty\.wav.*no samples"):
        NoiseFolder(tmp_path).check()
