"""What is done to a row's speech, that the row says so, and that nothing else about it changes."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from actors.augmenter import Augmenter, kinds
from harken.audio import SAMPLE_RATE
from harken.errors import HarkenError
from harken.settings import AugmentationSettings

OFF = {"noise_probability": 0.0, "gain_probability": 0.0}
EVERYTHING = {
    "speed_probability": 1.0,
    "room_probability": 1.0,
    "noise_probability": 1.0,
    "codec_probability": 1.0,
    "codecs": ("opus",),
    "gain_probability": 1.0,
}


@pytest.fixture
def wave() -> np.ndarray:
    times = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    return (0.2 * np.sin(2 * np.pi * 440 * times) * np.sin(2 * np.pi * 3 * times) ** 2).astype(np.float32)


@pytest.fixture
def noises(tmp_path: Path) -> Path:
    (tmp_path / "street").mkdir()
    noise = 0.1 * np.random.default_rng(0).standard_normal(4 * SAMPLE_RATE)
    soundfile.write(tmp_path / "street" / "bus.wav", noise, SAMPLE_RATE)
    return tmp_path


def rms(wave: np.ndarray) -> float:
    return float(np.sqrt(np.mean(wave**2)))


def test_the_demos_rows_keep_what_they_were_given() -> None:
    # Fixed: existing corpora must come out the same from a newer version.
    expected = {
        "row-0": {"noise_snr_db": 13.24, "noise_colour": "brown", "gain_db": -8.14},
        "row-1": {"gain_db": -2.08},
    }
    for identity, applied in expected.items():
        assert Augmenter(AugmentationSettings())(np.ones(100, np.float32) / 10, identity)[1] == applied


def test_nothing_is_done_when_nothing_is_drawn(wave: np.ndarray) -> None:
    same, applied = Augmenter(AugmentationSettings(**OFF))(wave, "row")
    assert applied == {}
    assert np.array_equal(same, wave)


def test_noise_and_gain_are_what_the_row_says(wave: np.ndarray) -> None:
    settings = AugmentationSettings(noise_probability=1.0, noise_snr_db=(20.0, 20.0), gain_db=(-6.0, -6.0))
    noisy, applied = Augmenter(settings)(wave, "row")
    assert applied["noise_snr_db"] == 20.0
    assert applied["gain_db"] == -6.0
    noise = noisy / 10 ** (-6 / 20) - wave
    assert 20 * np.log10(rms(wave) / rms(noise)) == pytest.approx(20.0, abs=0.5)


def test_everything_is_applied_in_the_order_of_nature_and_recorded(wave: np.ndarray) -> None:
    changed, applied = Augmenter(AugmentationSettings(**EVERYTHING))(wave, "row")
    assert list(applied) == [
        "speed",
        "room_decay_seconds",
        "room_direct_db",
        "noise_snr_db",
        "noise_colour",
        "codec",
        "codec_compression",
        "gain_db",
    ]
    assert len(changed) == pytest.approx(len(wave) / applied["speed"], abs=2)
    assert kinds(applied) == ["speed", "room", f"noise: {applied['noise_colour']}", "codec: opus", "gain"]
    again, _ = Augmenter(AugmentationSettings(**EVERYTHING))(wave, "row")
    assert np.array_equal(changed, again)


def test_switching_a_kind_on_leaves_the_draws_of_the_others(wave: np.ndarray, noises: Path) -> None:
    def applied(identity: str, **options: object) -> dict:
        return Augmenter(AugmentationSettings(**options))(wave, identity)[1]

    for identity in map(str, range(8)):
        alone, among = applied(identity), applied(identity, **EVERYTHING | {"noise_probability": 0.5})
        assert alone.items() <= among.items()
        with_folder = applied(identity, noise_folder=noises)
        assert with_folder["gain_db"] == alone["gain_db"]
        assert with_folder.get("noise_snr_db") == alone.get("noise_snr_db")


def test_about_as_many_rows_are_changed_as_were_asked_for(wave: np.ndarray) -> None:
    augmenter = Augmenter(AugmentationSettings(speed_probability=0.3, speed=(0.9, 1.1), **OFF))
    factors = [augmenter(wave[:200], str(number))[1].get("speed") for number in range(400)]
    drawn = [factor for factor in factors if factor]
    assert 90 < len(drawn) < 150
    assert 0.9 <= min(drawn) < 0.92
    assert 1.08 < max(drawn) <= 1.1


def test_noise_from_a_folder_is_named_and_shares_with_coloured_noise(wave: np.ndarray, noises: Path) -> None:
    options = {"noise_probability": 1.0, "gain_probability": 0.0, "noise_snr_db": (10.0, 10.0)}
    augmenter = Augmenter(AugmentationSettings(noise_folder=noises, **options))
    noisy, applied = augmenter(wave, "row")
    assert applied == {"noise_snr_db": 10.0, "noise_file": "street/bus.wav"}
    assert kinds(applied) == ["noise: recorded"]
    assert 20 * np.log10(rms(wave) / rms(noisy - wave)) == pytest.approx(10.0, abs=0.1)
    half = Augmenter(AugmentationSettings(noise_folder=noises, noise_folder_share=0.5, **options))
    drawn = [half(wave[:200], str(number))[1] for number in range(100)]
    assert 30 < sum("noise_file" in applied for applied in drawn) < 70
    assert all(("noise_file" in applied) != ("noise_colour" in applied) for applied in drawn)


def test_a_silent_stretch_is_recorded_as_no_ratio(wave: np.ndarray, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "silence.wav", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    settings = AugmentationSettings(noise_probability=1.0, noise_folder=tmp_path, gain_probability=0.0)
    same, applied = Augmenter(settings)(wave, "row")
    assert applied == {"noise_snr_db": None, "noise_file": "silence.wav"}
    assert np.array_equal(same, wave)


def test_speech_keeps_its_level_but_for_the_gain(wave: np.ndarray) -> None:
    for kind in ("speed", "room", "codec"):
        augmenter = Augmenter(AugmentationSettings(**{f"{kind}_probability": 1.0}, **OFF))
        for identity in map(str, range(5)):
            assert rms(augmenter(wave, identity)[0]) == pytest.approx(rms(wave), rel=0.03)


def test_nothing_clips_and_a_gain_ends_at_full_scale(wave: np.ndarray) -> None:
    loud = wave / np.abs(wave).max()
    augmenter = Augmenter(AugmentationSettings(**EVERYTHING | {"gain_db": (20.0, 20.0)}))
    for identity in map(str, range(10)):
        changed, applied = augmenter(loud, identity)
        assert np.mean(np.abs(changed) >= 1.0) < 0.001
        assert applied["gain_db"] < 20.0


def test_a_folder_that_is_never_used_is_not_looked_for(tmp_path: Path) -> None:
    missing = tmp_path / "absent"
    Augmenter(AugmentationSettings(noise_probability=0.0, noise_folder=missing)).check()
    with pytest.raises(HarkenError, match="absent"):
        Augmenter(AugmentationSettings(noise_folder=missing))


def test_the_check_opens_every_recording(noises: Path) -> None:
    Augmenter(AugmentationSettings(noise_folder=noises)).check()
    (noises / "broken.flac").write_bytes(b"fLaC")
    with pytest.raises(HarkenError, match=r"broken\.flac"):
        Augmenter(AugmentationSettings(noise_folder=noises)).check()
