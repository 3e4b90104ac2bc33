import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from actors.tts.espeak import EspeakSynthesizer
from actors.tts.interface import SpeechRequest
from harken.audio import SAMPLE_RATE, resample
from harken.errors import HarkenError
from harken.vad import HOP, VoiceActivity
from harken.vad_settings import VadSettings

TEXT = "老客户，喜欢香奈儿的小包。"


@pytest.fixture(scope="module")
def vad() -> VoiceActivity:
    return VoiceActivity()


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    (spoken,) = EspeakSynthesizer().synthesize([SpeechRequest("a", TEXT, TEXT, "cmn+f4")])
    assert spoken.wave is not None
    return resample(spoken.wave, spoken.sample_rate, SAMPLE_RATE)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * SAMPLE_RATE), np.float32)


def noise(seconds: float, level: float) -> np.ndarray:
    return (level * np.random.default_rng(0).standard_normal(int(seconds * SAMPLE_RATE))).astype(np.float32)


def clicks(seconds: float) -> np.ndarray:
    wave = silence(seconds)
    wave[:: SAMPLE_RATE // 2] = 0.9
    return wave


@pytest.mark.parametrize(
    "wave",
    [silence(3.0), noise(3.0, 0.1), noise(3.0, 0.001), clicks(3.0), np.full(100, 0.01, np.float32)],
    ids=["silence", "noise", "hiss", "clicks", "shorter than a hop"],
)
def test_what_is_no_speech_has_no_windows(vad, wave):
    assert vad.speech(wave) == []
    assert vad.windows(wave, 10 * SAMPLE_RATE) == []


@pytest.mark.parametrize("level", [1.0, 0.05])
def test_speech_is_found_where_it_is(vad, speech, level):
    wave = np.concatenate([silence(2.0), level * speech, silence(1.5)])
    found = vad.speech(wave)
    start, end = found[0].start, found[-1].end
    said = len(speech) / SAMPLE_RATE
    assert start / SAMPLE_RATE == pytest.approx(2.0, abs=0.35)
    assert end / SAMPLE_RATE == pytest.approx(2.0 + said, abs=0.45)


def test_windows_hold_all_speech_skip_long_pauses_and_are_short_enough(vad, speech):
    wave = np.concatenate([silence(0.5), speech, silence(3.0), speech, silence(0.3), speech])
    longest = int(1.5 * len(speech))
    windows = vad.windows(wave, longest)
    assert all(window.end - window.start <= longest for window in windows)
    assert all(left.end <= right.start for left, right in pairwise(windows))
    covered = np.zeros(len(wave), bool)
    for window in windows:
        covered[window.start : window.end] = True
    loud = np.abs(wave) > 0.05
    assert covered[loud].all()
    begin = int(0.5 * SAMPLE_RATE) + len(speech)
    assert not covered[begin + SAMPLE_RATE : begin + 2 * SAMPLE_RATE].any()


def test_speech_longer_than_a_window_is_cut(vad, speech):
    windows = vad.windows(speech, SAMPLE_RATE)
    assert len(windows) > 2
    assert all(window.end - window.start <= SAMPLE_RATE for window in windows)


def test_long_recordings_pass_their_state_on(vad, speech, monkeypatch):
    whole = vad.probabilities(speech)
    assert whole.shape == (-(-len(speech) // HOP),)
    monkeypatch.setattr("harken.vad._HOPS_PER_PASS", 7)
    assert np.allclose(vad.probabilities(speech), whole, atol=1e-5)


def test_what_one_recording_was_does_not_matter_to_the_next(vad, speech):
    before = vad.probabilities(speech)
    vad.probabilities(noise(1.0, 0.3))
    assert np.array_equal(vad.probabilities(speech), before)


def test_bursts_shorter_than_asked_for_are_left_out(speech):
    strict = VoiceActivity(VadSettings(least_speech=60.0))
    assert strict.speech(speech) == []


@pytest.mark.parametrize("wave", [np.zeros(0, np.float32), np.array([0.0, np.nan], np.float32)])
def test_bad_waves_are_refused(vad, wave):
    with pytest.raises(HarkenError, match="wave"):
        vad.speech(wave)


def test_the_model_leaves_pytorch_alone():
    code = "import sys, harken.vad as v; v.VoiceActivity(); assert not {'torch', 'silero_vad'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
