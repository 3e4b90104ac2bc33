from pathlib import Path

import numpy as np
import pytest
import torch

from actors.tts.espeak import EspeakSynthesizer
from actors.tts.interface import SpeechRequest
from compression.features import keyword_frames, utterance_frames
from compression.frame_encoder import EncodedFrames
from harken.audio import SAMPLE_RATE, decode_audio, encode_flac
from harken.errors import HarkenError
from harken.spotter_settings import EnrolmentSettings
from harken.whisper import Whisper, load_whisper

NANO = Path(__file__).resolve().parents[2] / "models" / "nano"
ENROLMENT = EnrolmentSettings()
LAYERS = (2, 4)


@pytest.fixture(scope="module")
def nano() -> Whisper:
    return load_whisper(str(NANO), device="cpu")


@pytest.fixture(scope="module")
def audio() -> dict[str, bytes]:
    results = EspeakSynthesizer().synthesize([SpeechRequest(term, term, term, "cmn") for term in ("老花", "speedy")])
    silence = np.zeros(SAMPLE_RATE // 2, np.float32)
    padded = {result.id: np.concatenate([silence, result.wave, silence]) for result in results}
    return {name: encode_flac(wave, SAMPLE_RATE) for name, wave in padded.items()}


def test_frames_are_those_of_the_encoder_in_half_precision(nano, audio):
    source = EncodedFrames(nano, audio, audio, LAYERS, ENROLMENT)
    wave, _ = decode_audio(audio["老花"])
    assert torch.equal(source.keyword("老花"), keyword_frames(nano, [wave], LAYERS, ENROLMENT)[0].half())
    assert torch.equal(source.utterance("老花"), utterance_frames(nano, [wave], LAYERS)[0].half())
    assert source.keyword("老花").shape[1] < source.utterance("老花").shape[1]


def test_the_recordings_used_last_are_kept_within_their_bound(nano, audio):
    source = EncodedFrames(nano, audio, audio, LAYERS, ENROLMENT)
    first, second = source.keyword("老花"), source.keyword("speedy")
    assert source.keyword("老花") is first
    assert source.cached_bytes == first.nbytes + second.nbytes
    tight = EncodedFrames(nano, audio, audio, LAYERS, ENROLMENT, cache_bytes=first.nbytes + second.nbytes)
    first, second = tight.keyword("老花"), tight.keyword("speedy")
    assert tight.keyword("老花") is first
    # "speedy" was used longest ago and has to go.
    tight.utterance("老花")
    assert tight.keyword("speedy") is not second
    assert tight.cached_bytes <= tight.cache_bytes
    none = EncodedFrames(nano, audio, audio, LAYERS, ENROLMENT, cache_bytes=0)
    assert none.keyword("老花") is none.keyword("老花")
    assert torch.equal(none.keyword("speedy"), second)
    assert none.cached_bytes == second.nbytes


def test_what_cannot_be_encoded_is_named(nano, audio):
    broken = {
        "silent": encode_flac(np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE),
        "long": encode_flac(np.ones(11 * SAMPLE_RATE, np.float32), SAMPLE_RATE),
        "damaged": b"no audio",
    }
    source = EncodedFrames(nano, broken, broken, LAYERS, ENROLMENT)
    with pytest.raises(HarkenError, match=r"keyword recording: 'silent'.*It is silent"):
        source.keyword("silent")
    with pytest.raises(HarkenError, match=r"utterance recording: 'long'.*One pass takes 10 s"):
        source.utterance("long")
    with pytest.raises(HarkenError, match=r"'damaged'\. It is damaged"):
        source.utterance("damaged")
    with pytest.raises(HarkenError, match=r"keyword: 'missing'\. There is no recording"):
        source.keyword("missing")
    with pytest.raises(HarkenError, match=r"encoder layers: \[4, 5\]\. Name some of 1 to 4"):
        EncodedFrames(nano, audio, audio, (4, 5), ENROLMENT)
