"""espeak-ng through its wheel: determinism, voices, settings, errors, times of units."""

import numpy as np
import pytest

from actors.tts import espeak
from actors.tts.espeak import HELD_OUT_VOICES, TRAINING_VOICES, Engine, EspeakSynthesizer
from actors.tts.interface import SpeechRequest, SpeechResult
from harken.errors import HarkenError
from harken.text import unit_spans

TEXT = "中年男性，上海人，偏好speedy系列。"


def speak(text: str = TEXT, speaker: str = "cmn", **settings) -> SpeechResult:
    return EspeakSynthesizer().synthesize([SpeechRequest("row", text, text, speaker, **settings)])[0]


def test_the_wave_depends_on_the_request_alone():
    synthesizer = EspeakSynthesizer()
    requests = [SpeechRequest(str(i), TEXT, TEXT, voice, seed=i) for i, voice in enumerate(("cmn+f2", "cmn+m3", "cmn"))]
    forwards = {result.id: result.wave for result in synthesizer.synthesize(requests)}
    backwards = {result.id: result.wave for result in synthesizer.synthesize(requests[::-1])}
    for name, wave in forwards.items():
        assert np.array_equal(wave, backwards[name])
    assert not np.array_equal(forwards["0"], forwards["1"])


def test_the_result_is_mono_float_at_the_stated_rate():
    result = speak()
    assert result.error is None
    assert not result.truncated
    assert result.wave.dtype == np.float32
    assert result.wave.ndim == 1
    assert result.sample_rate == EspeakSynthesizer().capabilities().sample_rate == 16_000
    assert 2.0 < len(result.wave) / result.sample_rate < 8.0


def test_rate_makes_speech_shorter_and_pitch_raises_it():
    def fundamental(pitch: float) -> float:
        wave = speak("妈妈妈", pitch=pitch).wave
        found = []
        for start in range(len(wave) // 8, len(wave) * 7 // 8 - 1200, 800):
            voiced = wave[start : start + 1200]
            correlation = np.correlate(voiced, voiced, "full")[len(voiced) - 1 :]
            found.append(16_000 / (80 + np.argmax(correlation[80:320])))
        return float(np.median(found))

    assert len(speak(rate=1.4).wave) < 0.85 * len(speak().wave)
    assert 12 * np.log2(fundamental(4.0) / fundamental(-4.0)) == pytest.approx(8.0, abs=1.5)


def test_the_latin_words_inside_mandarin_are_read_as_english():
    with Engine() as engine:
        phonemes = engine.phonemes("偏好speedy", "cmn")
    assert phonemes[-5:] == ["s", "p", "i:", "d", "i"]


@pytest.mark.parametrize(
    ("text", "reading", "voice"),
    [
        ("喜欢爱马仕系列", "喜欢[['ai51 m'A214 s.'i.51]]系列", "cmn"),
        ("speedy", "[[sp'i:di]]", "en"),
        ("speedy", "[[_^_en sp'i:di]]", "en"),
    ],
)
def test_a_reading_in_phonemes_makes_the_audio_of_the_word(text, reading, voice):
    assert np.array_equal(speak(reading, voice).wave, speak(text, voice).wave)


def test_phonemes_may_switch_to_another_language_than_the_voices():
    # Mandarin has no English vowels: without the switch they are what is nearest, or nothing.
    english = speak("[[_^_en k'Eli]]", "cmn").wave
    assert not np.array_equal(english, speak("[[k'Eli]]", "cmn").wave)
    assert abs(len(english) - len(speak("kelly", "cmn").wave)) < 0.1 * len(english)


@pytest.mark.parametrize(
    ("reading", "voice", "left_out"),
    [
        ("喜欢[['ai51 m'A214 s.'i.51]]系列", "cmn", []),
        ("[[sp'i:di]]", "cmn+f2", []),
        ("[[_^_en l'oUI]]", "cmn", []),
        ("[[l'oUI]]", "cmn", ["[[l'oUI]]"]),
        ("[[sp'i:Ωdi]] 😀", "cmn", ["😀", "[[sp'i:Ωdi]]"]),
        ("[[_^_en]]", "cmn", ["[[_^_en]]"]),
        ("[[sp'i:di sp'i:Ωdi]]", "cmn", ["[[sp'i:di sp'i:Ωdi]]"]),
    ],
)
def test_only_phonemes_that_espeak_does_not_know_are_left_out(reading, voice, left_out):
    request = SpeechRequest("row", reading, reading, voice)
    assert EspeakSynthesizer().unreadable(request) == left_out


def test_an_unknown_variant_is_named_together_with_the_known_ones():
    with pytest.raises(HarkenError, match="nope") as failure:
        speak(speaker="cmn+nope")
    assert "f2" in failure.value.remedy


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"speaker": "klingon"}, "language"),
        ({"rate": 9.0}, "words_per_minute"),
        ({"pitch": 40.0}, "pitch"),
        ({"style": {"mood": "glad"}}, "style"),
        ({"style": {"range": 300}}, "pitch_range"),
    ],
)
def test_settings_that_espeak_cannot_follow_are_errors(settings, word):
    with pytest.raises(HarkenError, match=word):
        speak(**settings)


def test_a_text_with_nothing_to_read_fails_alone():
    requests = [SpeechRequest("empty", "", "", "cmn"), SpeechRequest("full", "你好", "你好", "cmn")]
    empty, full = EspeakSynthesizer().synthesize(requests)
    assert empty.wave is None
    assert "nothing" in empty.error
    assert full.error is None


def test_training_and_held_out_voices_are_installed_and_disjoint():
    for voice in (*TRAINING_VOICES, *HELD_OUT_VOICES):
        espeak.check_voice(voice)
    assert not set(TRAINING_VOICES) & set(HELD_OUT_VOICES)
    assert set(TRAINING_VOICES) <= set(EspeakSynthesizer().speakers())


@pytest.mark.parametrize("voice", ["cmn", "cmn+f2", "en-us"])
def test_asking_for_times_leaves_every_sample_as_it_was(voice):
    timed, plain = speak(speaker=voice, seed=3, timed=True), speak(speaker=voice, seed=3)
    assert np.array_equal(timed.wave, plain.wave)
    assert timed.units
    assert plain.units == ()


@pytest.mark.parametrize(
    ("text", "voice"),
    [
        (TEXT, "cmn"),
        ("喜欢Hermès的 22款 ㎡，neverfull MM", "cmn+f2"),
        ("𠀀😀你好 it's 1,000元。对吗？ 好", "cmn"),
        ("爱马仕会员iPhone15Pro手机", "cmn+m3"),
        ("the quick brown fox, it's 25 today. Really?", "en-us"),
    ],
)
def test_every_unit_has_its_time_in_the_order_of_the_text(text, voice):
    result = speak(text, voice, timed=True)
    assert [(unit.character_start, unit.character_end) for unit in result.units] == unit_spans(text)
    assert all(unit.start + 0.03 < unit.end for unit in result.units)
    assert all(left.end <= right.start for left, right in zip(result.units, result.units[1:], strict=False))
    assert result.units[-1].end <= len(result.wave) / result.sample_rate


def test_units_are_heard_and_the_pauses_between_them_are_not():
    result = speak("上海人，speedy。喜欢", timed=True, rate=0.9)
    samples = [slice(*(round(t * result.sample_rate) for t in times)) for times in _pauses(result)]
    assert len(samples) == 2
    assert all(np.abs(result.wave[pause]).max() < 0.01 for pause in samples)
    for unit in result.units:
        heard = result.wave[round(unit.start * result.sample_rate) : round(unit.end * result.sample_rate)]
        assert np.abs(heard).max() > 0.1


def _pauses(result: SpeechResult) -> list[tuple[float, float]]:
    gaps = [(left.end, right.start) for left, right in zip(result.units, result.units[1:], strict=False)]
    return [(start + 0.02, end - 0.02) for start, end in gaps if end - start > 0.1]


def test_a_word_of_the_dictionary_is_parted_where_its_second_syllable_begins():
    # espeak reports 上海 as one word.
    shang, hai, _ = speak("上海人", timed=True).units
    assert shang.end == hai.start
    with Engine(timed=True) as engine:
        engine.speak("上海人", "cmn")
        starts = {event.phoneme.strip("'"): event.seconds for event in reversed(engine.events) if event.kind == 7}
    assert hai.start == starts["X"]


def test_a_reading_in_phonemes_has_no_units():
    assert speak("喜欢[[sp'i:di]]系列", timed=True).units == ()


def test_a_long_data_path_is_shortened(tmp_path, monkeypatch):
    deep = tmp_path.joinpath(*["a-folder-with-a-long-name"] * 8)
    deep.mkdir(parents=True)
    (deep / "data").symlink_to(espeak.espeakng_loader.get_data_path())
    monkeypatch.setattr(espeak.espeakng_loader, "get_data_path", lambda: str(deep / "data"))
    espeak._data_path.cache_clear()
    try:
        assert len(espeak._data_path()) < 150 < len(str(deep / "data"))
        assert speak().error is None
    finally:
        monkeypatch.undo()
        espeak._data_path.cache_clear()
