"""Speaking rows with the real espeak-ng, and reading recordings."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from actors.speaker import SPEECH_SCHEMA, Speaker
from harken.audio import SAMPLE_RATE, decode_audio
from harken.errors import HarkenError
from harken.records import FAILED, OK, Row
from harken.settings import AugmentationSettings, SpeechSettings, VoiceSettings

VOICES = VoiceSettings(speakers=("cmn", "cmn+f2", "cmn+m3"))


def speaker(max_seconds: float = 30.0, pronunciations: dict[str, list[str]] | None = None) -> Speaker:
    settings = SpeechSettings(voices=VOICES, max_seconds=max_seconds)
    return Speaker(settings, VOICES, pronunciations or {})


def speaker_with(voices: VoiceSettings, pronunciations: dict[str, list[str]] | None = None) -> Speaker:
    return Speaker(SpeechSettings(voices=voices), voices, pronunciations or {})


def text_rows(count: int) -> list[Row]:
    return [{"id": f"row-{index}", "text": f"喜欢speedy 20系列第{index}款"} for index in range(count)]


def test_a_row_becomes_audio_that_decodes() -> None:
    rows = speaker()(text_rows(6))
    assert all(set(row) == set(SPEECH_SCHEMA.names) for row in rows)
    for row in rows:
        assert row["status"] == OK
        wave, rate = decode_audio(row["audio"])
        assert rate == row["sample_rate"] == SAMPLE_RATE
        assert len(wave) / rate == pytest.approx(row["duration"])
        assert 0.8 < row["duration"] < 8
        assert np.abs(wave).max() > 0.01
        assert row["licence"]
    assert len({row["speaker"] for row in rows}) > 1


def test_speech_depends_on_the_row_alone() -> None:
    alone = speaker()(text_rows(4)[2:3])[0]
    among = speaker()(list(reversed(text_rows(4))))[1]
    assert alone == among


def test_the_label_stays_while_the_spoken_text_is_respelled() -> None:
    row = speaker(pronunciations={"speedy 20": ["speedy 二十"]})([{"id": "a", "text": "喜欢Speedy20系列"}])[0]
    assert row["text"] == "喜欢Speedy20系列"
    assert row["text_spoken"] == "喜欢speedy 二十系列"


def test_a_failed_label_stays_failed_and_costs_no_speech() -> None:
    row = speaker()([{"id": "a", "text": "", "status": FAILED, "error": "no keyword: x"}])[0]
    assert (row["status"], row["error"], row["audio"]) == (FAILED, "no keyword: x", None)


def test_speech_that_does_not_fit_is_failed_with_its_length() -> None:
    row = speaker(max_seconds=1.0)([{"id": "a", "text": "喜欢健身" * 10}])[0]
    assert row["status"] == FAILED
    assert row["error"].startswith("too long:")


def test_characters_that_would_be_left_out_fail_the_row_before_it_is_spoken() -> None:
    rows = speaker()([{"id": "a", "text": "喜欢健身😀"}, {"id": "b", "text": "喜欢Hermès的22款 ㎡"}])
    assert [row["status"] for row in rows] == [FAILED, OK]
    assert rows[0]["error"].startswith("unreadable:")
    assert "U+1F600" in rows[0]["error"]
    assert rows[0]["text"] == "喜欢健身😀"


def test_a_text_longer_than_the_backend_takes_fails_its_row() -> None:
    row = speaker()([{"id": "a", "text": "喜欢健身" * 3000}])[0]
    assert row["error"] == "too long: 12000 characters of at most 10000"


def test_a_variation_that_the_backend_cannot_make_is_an_error() -> None:
    voices = VoiceSettings(speakers=("cmn",), accents=("shanghai",))
    with pytest.raises(HarkenError, match=r"voices\.accents.*leave"):
        Speaker(SpeechSettings(voices=voices), voices, {})


def test_a_language_that_the_backend_does_not_speak_is_named_with_near_ones() -> None:
    with pytest.raises(HarkenError, match=r"speech\.language: 'cmm'.*cmn"):
        Speaker(SpeechSettings(voices=VOICES, language="cmm"), VOICES, {})


def test_a_text_with_nothing_to_say_fails_its_row_only() -> None:
    rows = speaker()([{"id": "a", "text": " "}, {"id": "b", "text": "喜欢健身"}])
    assert [row["status"] for row in rows] == [FAILED, OK]


def test_recordings_are_read_and_an_unreadable_one_names_its_file(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.wav", tmp_path / "bad.wav"
    soundfile.write(good, np.sin(np.arange(22050) / 20).astype(np.float32) * 0.3, 22050)
    bad.write_bytes(b"RIFF not a wave file")
    rows = speaker()(
        [{"id": "a", "text": "x", "audio_path": str(good)}, {"id": "b", "text": "y", "audio_path": str(bad)}]
    )
    assert rows[0]["status"] == OK
    assert rows[0]["duration"] == pytest.approx(1.0, abs=0.01)
    assert rows[1]["status"] == FAILED
    assert rows[1]["error"].startswith("recording:")
    assert "bad.wav" in rows[1]["error"]


def test_the_augmentation_is_applied_and_recorded_on_the_row() -> None:
    settings = AugmentationSettings(speed_probability=1.0, speed=(0.5, 0.5), noise_probability=0.0)
    voices = VoiceSettings(speakers=("cmn",), augmentation=settings)
    clean = speaker_with(VoiceSettings(speakers=("cmn",)))(text_rows(1))[0]
    slow = speaker_with(voices)(text_rows(1))[0]
    assert json.loads(slow["augmentation"])["speed"] == 0.5
    assert slow["duration"] == pytest.approx(2 * clean["duration"], rel=0.01)


def test_a_reading_in_phonemes_is_spoken_and_the_label_stays() -> None:
    voices = VoiceSettings(speakers=("cmn",), augmentation=AugmentationSettings(noise_probability=0.0))
    lexicon = {"爱马仕": ["[['ai51 m'A214 s.'i.51]]"]}
    rows = [{"id": "a", "text": "喜欢爱马仕系列[[笑]]"}]
    spoken, plain = speaker_with(voices, lexicon)(rows)[0], speaker_with(voices)(rows)[0]
    assert spoken["status"] == OK
    assert spoken["text"] == "喜欢爱马仕系列[[笑]]"
    assert spoken["text_spoken"] == "喜欢 [['ai51 m'A214 s.'i.51]] 系列[ [笑] ]"
    assert spoken["audio"] == plain["audio"]


def test_phonemes_that_the_backend_does_not_know_are_told_before_anything_is_spoken() -> None:
    with pytest.raises(HarkenError, match=r"pronunciation of 'kelly'.*k'Ωli.*espeak"):
        speaker(pronunciations={"lv": ["l v"], "kelly": ["[[_^_en k'Ωli]]"]})


def test_a_backend_that_reads_no_phonemes_is_named_with_the_term_and_the_reading() -> None:
    settings = SpeechSettings(backend="chattts", voices=VoiceSettings(speakers=("anna",)))
    with pytest.raises(HarkenError, match=r"pronunciation of 'kelly'.*k'Eli.*chattts reads no phonemes"):
        Speaker(settings, settings.voices, {"kelly": ["凯莉", "[[k'Eli]]"]})


def test_an_unknown_voice_is_named_with_near_ones() -> None:
    voices = VoiceSettings(speakers=("cmn+f22",))
    with pytest.raises(HarkenError, match=r"cmn\+f22.*cmn\+f2"):
        Speaker(SpeechSettings(voices=voices), voices, {})


def test_the_style_is_recorded_on_the_row() -> None:
    row = speaker()(text_rows(1))[0]
    style = json.loads(row["style"])
    assert VOICES.rate[0] <= style["rate"] <= VOICES.rate[1]
    assert VOICES.pitch[0] <= style["pitch"] <= VOICES.pitch[1]
