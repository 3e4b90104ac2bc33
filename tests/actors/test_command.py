"""Real programs as synthesizers: a small script around espeak-ng, and flite where it is installed."""

import sys
from pathlib import Path

import numpy as np
import pytest

from actors.speaker import Speaker
from actors.tts.command import CommandSynthesizer
from actors.tts.espeak import EspeakSynthesizer
from actors.tts.flite import flite_binary
from actors.tts.interface import SpeechRequest
from harken.config import check
from harken.errors import HarkenError
from harken.records import OK
from harken.speech_settings import CommandSpeechSettings, SpeechSettings

PROGRAM = str(Path(__file__).resolve().parents[1] / "espeak_program.py")
COMMAND = (sys.executable, PROGRAM, "{output}", "{speaker}", "{rate}", "{seed}", "{text}")


def synthesizer(*command: str, **options: object) -> CommandSynthesizer:
    settings = check({"command": command or COMMAND} | options, CommandSpeechSettings, "test")
    return CommandSynthesizer(settings, "cmn")


def request(text: str, name: str = "row") -> SpeechRequest:
    return SpeechRequest(name, text, text, "cmn+m3", rate=1.2, seed=5)


def test_the_program_speaks_what_it_is_given() -> None:
    program = synthesizer(rate_scale=175)
    results = program.synthesize([request("喜欢{健身}; $(true)", "a"), request("喜欢老花", "b")])
    direct = EspeakSynthesizer(22_050).synthesize([request("喜欢{健身}; $(true)", "a"), request("喜欢老花", "b")])
    assert [result.id for result in results] == ["a", "b"]
    for result, expected in zip(results, direct, strict=True):
        assert result.error is None
        assert result.sample_rate == 22_050
        assert result.wave is not None
        assert expected.wave is not None
        assert np.abs(result.wave - np.clip(expected.wave, -1, 1)).max() < 1e-3
    assert program.capabilities().adjusts == {"rate"}
    assert program.capabilities().per_row_seed


def test_a_program_that_reads_phonemes_says_so_and_is_given_them() -> None:
    reading = "喜欢[['ai51 m'A214 s.'i.51]]"
    assert synthesizer().capabilities().control == {"preset"}
    program = synthesizer(rate_scale=175, phonemes=True, drops="[0-9]")
    assert program.capabilities().control == {"preset", "phoneme"}
    # The digits are tones, not numbers that the program would leave out.
    assert program.unreadable(request(reading)) == []
    spelled, phonemes = program.synthesize([request("喜欢爱马仕"), request(reading)])
    assert spelled.wave is not None
    assert np.array_equal(spelled.wave, phonemes.wave)


def test_failures_stay_on_their_rows_with_status_and_stderr() -> None:
    texts = ["崩溃", "空白", "-v", "喜欢健身"]
    failed, silent, option, spoken = synthesizer(rate_scale=175).synthesize([request(text) for text in texts])
    assert str(failed.error).endswith("exited with 1: no such luck really")
    assert "does not exist" in str(silent.error)
    assert "{text_file}" in str(option.error)
    assert spoken.wave is not None


def test_a_program_that_hangs_is_ended_with_all_it_started() -> None:
    shell = synthesizer("sh", "-c", "echo waiting >&2; sleep 60 & wait", "{output}{text}", timeout_seconds=1)
    result = shell.synthesize([request("喜欢")])[0]
    assert "did not end in 1 s: waiting" in str(result.error)


def test_a_program_that_is_not_there_is_named() -> None:
    with pytest.raises(HarkenError, match="no-such-voice"):
        synthesizer("no-such-voice", "{text}", "{output}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"command": ["x", "{text}"]}, "output"),
        ({"command": ["x", "{output}"]}, "text_file"),
        ({"command": ["x", "{text}", "{output}", "{voice}"]}, "unknown placeholder {voice}"),
        ({"command": ["x", "{text}", "{output}", "{"]}, "braces"),
        ({"command": ["x", "{text!r}", "{output}"]}, "only"),
        ({"command": ["x", "{text}", "{output}"], "rate_scale": 175}, "rate_scale has no effect"),
    ],
)
def test_a_wrong_template_is_told_before_anything_runs(options: dict, message: str) -> None:
    with pytest.raises(HarkenError, match=message):
        check(options, CommandSpeechSettings, "test")


def test_one_voice_only_where_the_template_names_none() -> None:
    values = {
        "backend": "command",
        "command": {"command": ["cp", "{text_file}", "{output}"]},
        "voices": {"speakers": ["a", "b"]},
    }
    speech = check(values, SpeechSettings, "test")
    with pytest.raises(HarkenError, match="one voice"):
        Speaker(speech, speech.voices, {})


@pytest.mark.skipif(flite_binary() is None, reason="flite is not installed")
def test_flite_speaks_rows_through_its_command_line() -> None:
    command = ["flite", "-voice", "{speaker}", "-f", "{text_file}", "-o", "{output}"]
    values = {
        "backend": "command",
        "language": "en",
        "command": {"command": command, "languages": ["en"], "drops": "[^ -~]"},
        "voices": {"speakers": ["slt", "rms"]},
    }
    speech = check(values, SpeechSettings, "test")
    rows = Speaker(speech, speech.voices, {})([{"id": "a", "text": "they like leather"}, {"id": "b", "text": "喜欢"}])
    assert rows[0]["status"] == OK
    assert rows[0]["duration"] > 0.5
    assert rows[1]["error"].startswith("unreadable:")
