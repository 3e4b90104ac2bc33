"""The optional Flite engine; skipped where the program is not installed, except for the error that says so."""

import numpy as np
import pytest

from actors.speaker import Speaker
from actors.tts.flite import VOICES, FliteSynthesizer, flite_binary
from actors.tts.interface import SpeechRequest
from harken.errors import HarkenError
from harken.speech_settings import SpeechSettings, VoiceSettings

needs_flite = pytest.mark.skipif(flite_binary() is None, reason="the flite program is not installed")
TEXT = "the customer likes the black bag"


def test_a_missing_program_is_an_error_that_says_how_to_get_it(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(HarkenError, match="apt install flite"):
        FliteSynthesizer()


@needs_flite
def test_every_voice_speaks():
    requests = [SpeechRequest(voice, TEXT, TEXT, voice) for voice in VOICES]
    for result in FliteSynthesizer().synthesize(requests):
        assert result.error is None
        assert result.wave.dtype == np.float32
        assert 1.0 < len(result.wave) / result.sample_rate < 4.0


@needs_flite
def test_rate_changes_the_length():
    slow, fast = FliteSynthesizer().synthesize([SpeechRequest("", TEXT, TEXT, "slt", rate=rate) for rate in (0.8, 1.6)])
    assert len(fast.wave) < 0.7 * len(slow.wave)


@needs_flite
@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"speaker": "nobody"}, "voice"),
        ({"rate": 7.0}, "rate"),
        ({"text_spoken": "你好"}, "English"),
        ({"style": {"a": 1}}, "style"),
    ],
)
def test_what_flite_cannot_do_is_an_error(change, word):
    request = {"id": "row", "text_label": TEXT, "text_spoken": TEXT, "speaker": "slt"} | change
    with pytest.raises(HarkenError, match=word):
        FliteSynthesizer().synthesize([SpeechRequest(**request)])


@needs_flite
def test_a_configuration_can_name_it():
    speech = SpeechSettings(backend="flite", language="en-us", voices=VoiceSettings(speakers=("slt", "rms")))
    rows = [{"id": str(number), "text": TEXT} for number in range(4)]
    spoken = Speaker(speech, speech.voices, {})(rows)
    assert [row["error"] for row in spoken] == [None] * 4
    assert {row["speaker"] for row in spoken} == {"slt", "rms"}
    assert all(row["commercial_use"] for row in spoken)
