from pathlib import Path

import numpy as np
import pytest
import torch

from actors.tts.espeak import EspeakSynthesizer
from actors.tts.interface import SpeechRequest
from compression.features import (
    context_closeness,
    encoder_shape,
    keyword_frames,
    trim_silence,
    utterance_frames,
)
from harken.audio import SAMPLE_RATE, resample
from harken.errors import HarkenError
from harken.spotter_settings import EnrolmentSettings, nano_spotter
from harken.whisper import Whisper, load_whisper

NANO = Path(__file__).resolve().parents[2] / "models" / "nano"
TERMS = ("老花", "马衔扣", "speedy", "中古包", "Hermès", "限量版手袋")
SHORT = EnrolmentSettings(padding_seconds=0.5)


@pytest.fixture(scope="module")
def nano() -> Whisper:
    return load_whisper(str(NANO), device="cpu")


@pytest.fixture(scope="module")
def waves() -> list[np.ndarray]:
    requests = [SpeechRequest(term, term, term, "cmn+f2") for term in TERMS]
    results = EspeakSynthesizer().synthesize(requests)
    return [resample(result.wave, result.sample_rate, SAMPLE_RATE) for result in results]


def test_the_preset_describes_the_embedded_model(nano):
    assert encoder_shape(nano) == nano_spotter("LHF").encoder


def test_full_window_frames_are_the_models_own_hidden_states(nano, waves):
    features = nano.features(waves[:2])
    with torch.inference_mode():
        states = nano.model.get_encoder()(features, output_hidden_states=True).hidden_states
    found = utterance_frames(nano, waves[:2], layers=(2, 4))
    frames = -(-len(waves[1]) * 25 // SAMPLE_RATE)
    assert found[1].shape == (2, frames, 256)
    for row, layer in enumerate((2, 4)):
        assert torch.allclose(found[1][row], states[layer][1, :frames], atol=1e-4)


def test_short_context_frames_are_close_to_those_of_the_full_window(nano, waves):
    """What makes enrolment cheap on the embedded model; any other is measured by the same function."""
    trimmed = [trim_silence(wave, 40.0) for wave in waves]
    measured = context_closeness(nano, trimmed, layers=(1, 2, 3, 4), padding_seconds=0.5)
    assert [closeness.layer for closeness in measured] == [1, 2, 3, 4]
    for closeness in measured:
        assert closeness.cosine > 0.99, closeness
        assert closeness.centred > 0.98, closeness
    # The measure itself tells contexts apart: none at all is further away than half a second.
    none = context_closeness(nano, [wave[: SAMPLE_RATE // 2] for wave in trimmed], (4,), padding_seconds=0.0)
    assert none[0].centred < measured[3].centred


def test_a_terms_frames_do_not_depend_on_its_neighbours(nano, waves):
    together = keyword_frames(nano, waves, (3, 4), SHORT)
    for index in (0, 3, 5):
        alone = keyword_frames(nano, [waves[index]], (3, 4), SHORT)[0]
        assert torch.allclose(together[index], alone, atol=1e-4)


def test_frames_cover_the_trimmed_speech_only(nano, waves):
    silence = np.zeros(SAMPLE_RATE // 2, np.float32)
    padded = np.concatenate([silence, waves[0], silence])
    kept = keyword_frames(nano, [padded], (4,), SHORT)[0]
    bare = keyword_frames(nano, [waves[0]], (4,), SHORT)[0]
    assert abs(kept.shape[1] - bare.shape[1]) <= 1
    untrimmed = keyword_frames(nano, [padded], (4,), EnrolmentSettings(trim_db=None))[0]
    assert untrimmed.shape[1] == -(-len(padded) * 25 // SAMPLE_RATE) > kept.shape[1] + 20


def test_trimming_keeps_what_is_loud_and_a_step_around_it():
    wave = np.zeros(1600 * 5, np.float32)
    wave[3200:4800] = 0.5
    assert len(trim_silence(wave, 40.0)) == 1600 + 2 * 160
    wave[:3200] = 0.5 * 10 ** (-50 / 20)
    assert len(trim_silence(wave, 40.0)) == 1600 + 2 * 160
    assert len(trim_silence(wave, 60.0)) == 4800 + 160
    assert trim_silence(np.zeros(320, np.float32), 40.0).size == 0


def test_a_layers_frames_do_not_depend_on_which_others_are_asked_for(nano, waves):
    assert torch.equal(
        keyword_frames(nano, waves[:1], (2,), SHORT)[0][0], keyword_frames(nano, waves[:1], (1, 2, 4), SHORT)[0][1]
    )


def test_audio_that_cannot_be_enrolled_is_named(nano, waves):
    silent = np.zeros(SAMPLE_RATE, np.float32)
    with pytest.raises(HarkenError, match=r"'keyword 1'. It is silent"):
        keyword_frames(nano, [waves[0], silent], (4,), SHORT)
    with pytest.raises(HarkenError, match=r"'11\.0 s'. One pass takes 10 s"):
        utterance_frames(nano, [np.ones(11 * SAMPLE_RATE, np.float32)], (4,))
    with pytest.raises(HarkenError, match=r"'keyword 0'. It holds no samples"):
        keyword_frames(nano, [waves[0][:0]], (4,), SHORT)
