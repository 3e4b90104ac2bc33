"""Biasing of real transcripts: the embedded model, espeak's speech and its own times as detections."""

from pathlib import Path

import numpy as np
import pytest

from actors.phonetics import Phonetics
from actors.tts.espeak import HELD_OUT_VOICES, EspeakSynthesizer
from actors.tts.interface import SpeechRequest
from harken.audio import SAMPLE_RATE, resample
from harken.biasing import guards
from harken.biasing.biaser import Biaser
from harken.biasing.candidates import Heard
from harken.biasing.merge import merge
from harken.biasing.settings import BiasingSettings
from harken.detection import Detection
from harken.errors import HarkenError
from harken.metrics.error_rates import mixed_errors
from harken.text import bare, normalise, unit_spans
from harken.whisper import Whisper, load_whisper

NANO = Path(__file__).resolve().parents[3] / "models" / "nano"
# The last one holds no term.
SPOKEN = (
    ("喜欢birkin，想换新款。", "birkin"),
    ("男士，喜欢陀飞轮，留学生。", "陀飞轮"),
    ("看重明星同款，四川人。", "明星同款"),
    ("老客户，喜欢香奈儿的小包。", "香奈儿"),
    ("风格休闲，喜欢黑色。", ""),
)


@pytest.fixture(scope="module")
def nano() -> Whisper:
    return load_whisper(str(NANO), device="cpu")


@pytest.fixture(scope="module")
def sounds() -> Phonetics:
    return Phonetics()


@pytest.fixture(scope="module")
def speech():
    requests = [
        SpeechRequest(text, text, text, HELD_OUT_VOICES[index], timed=True) for index, (text, _) in enumerate(SPOKEN)
    ]
    return EspeakSynthesizer().synthesize(requests)


@pytest.fixture(scope="module")
def waves(speech) -> list[np.ndarray]:
    return [resample(spoken.wave, spoken.sample_rate, SAMPLE_RATE) for spoken in speech]


@pytest.fixture(scope="module")
def detections(speech) -> list[list[Detection]]:
    """What was said, when it was said, and beside it, a term that was not."""
    found = []
    for (text, term), spoken in zip(SPOKEN, speech, strict=True):
        start = text.find(term) if term else 0
        units = [unit for unit in spoken.units if start <= unit.character_start < start + max(len(term), 3)]
        span = units[0].start, units[-1].end
        true = [Detection(term, *span, 0.98, (term,))] if term else []
        found.append([*true, Detection("neverfull", *span, 0.6, ("neverfull",))])
    return found


@pytest.fixture(scope="module")
def proposals(nano, sounds, waves, detections):
    seconds = [len(wave) / SAMPLE_RATE for wave in waves]
    return Biaser(nano, sounds).propose(nano.encode(nano.features(waves)), seconds, detections)


def errors(transcripts) -> int:
    return sum(
        mixed_errors(normalise(text), normalise(transcript)).errors
        for (text, _), transcript in zip(SPOKEN, transcripts, strict=True)
    )


def test_detected_terms_come_into_the_text_and_wrong_ones_do_not(nano, proposals, waves):
    transcripts = [merge(window) for window in proposals]
    plain = [heard.text for heard in nano.decode(nano.encode(nano.features(waves)), "zh")]
    assert [transcript.unbiased for transcript in transcripts] == plain
    said = [(term, transcript) for (_, term), transcript in zip(SPOKEN, transcripts, strict=True) if term]
    before = sum(term in transcript.unbiased for term, transcript in said)
    after = sum(term in transcript.text for term, transcript in said)
    assert before <= 1
    assert after >= 3
    assert not any("neverfull" in transcript.text for transcript in transcripts)
    assert transcripts[-1].text == transcripts[-1].unbiased
    assert errors([one.text for one in transcripts]) < errors([one.unbiased for one in transcripts])


def test_every_detection_is_explained_where_it_was_written(proposals, detections):
    for window, found in zip(proposals, detections, strict=True):
        transcript = merge(window)
        assert [decision.term for decision in transcript.decisions] == [detection.term for detection in found]
        for decision in transcript.decisions:
            assert decision.reason
            written = transcript.text[decision.character_start : decision.character_end] if decision.written else ""
            assert written == decision.written
            if decision.accepted:
                assert decision.written == decision.term
                assert decision.mechanisms
                assert decision.heard in transcript.unbiased
                assert set(decision.scores) == {"overlap", "distance", "gain", "evidence"}


def test_words_and_segments_cover_the_text_in_order(proposals, waves):
    for window, wave in zip(proposals, waves, strict=True):
        transcript = merge(window)
        assert "".join(word.text for word in transcript.words) == transcript.text
        assert len(transcript.words) == len(unit_spans(transcript.text))
        times = [time for word in transcript.words for time in (word.start, word.end)]
        assert times == sorted(times)
        assert times[-1] <= len(wave) / SAMPLE_RATE + 0.04
        edges = [(one.character_start, one.character_end) for one in transcript.segments]
        assert "".join(transcript.text[first:last] for first, last in edges) == transcript.text


def test_mechanisms_can_be_told_apart(proposals):
    nothing = [merge(window, ()) for window in proposals]
    assert [one.text for one in nothing] == [one.unbiased for one in nothing]
    by_substitution = [merge(window, ["substitution"]) for window in proposals]
    assert sum(decision.accepted for one in by_substitution for decision in one.decisions) >= 2
    assert set(by_substitution[0].biased) == {"prompt", "boost"}


def test_a_mechanism_that_is_off_decodes_and_proposes_nothing(nano, sounds, waves, detections):
    settings = BiasingSettings(prompt=False, substitution=False)
    encoded = nano.encode(nano.features(waves[:1]))
    (window,) = Biaser(nano, sounds, settings).propose(encoded, [len(waves[0]) / SAMPLE_RATE], detections[:1])
    assert set(window.biased) == {"boost"}
    assert all(candidate.mechanisms == ("boost",) for candidate in window.candidates)


def test_without_detections_the_text_is_the_models(nano, sounds, waves):
    encoded = nano.encode(nano.features(waves[:2]))
    seconds = [len(wave) / SAMPLE_RATE for wave in waves[:2]]
    transcripts = Biaser(nano, sounds).transcribe(encoded, seconds, [[], []])
    for transcript in transcripts:
        assert transcript.text == transcript.unbiased
        assert transcript.decisions == ()
        assert transcript.biased == {}
        assert transcript.words


def test_silence_and_noise_get_no_terms(nano, sounds):
    generator = np.random.default_rng(0)
    waves = [np.zeros(3 * SAMPLE_RATE, np.float32)]
    waves.append((0.05 * generator.standard_normal(3 * SAMPLE_RATE)).astype(np.float32))
    found = [[Detection(term, 0.5, 1.5, 0.99, (term,)) for term in ("birkin", "陀飞轮", "香奈儿")]] * 2
    transcripts = Biaser(nano, sounds).transcribe(nano.encode(nano.features(waves)), [3.0, 3.0], found)
    for transcript in transcripts:
        assert transcript.text == transcript.unbiased
        assert not any(decision.accepted for decision in transcript.decisions)
    assert {decision.reason for decision in transcripts[0].decisions} == {guards.NOTHING_HEARD}


def test_a_term_that_is_right_already_is_only_spelled_as_the_glossary_has_it(nano, sounds, speech, waves):
    (plain,) = nano.decode(nano.encode(nano.features(waves[4:])), "zh")
    assert "喜欢" in plain.text
    units = speech[4].units
    found = [Detection("喜歡", units[4].start, units[5].end, 0.9, ("喜歡",))]
    encoded, seconds = nano.encode(nano.features(waves[4:])), [len(waves[4]) / SAMPLE_RATE]
    (transcript,) = Biaser(nano, sounds).transcribe(encoded, seconds, [found])
    (decision,) = transcript.decisions
    assert decision.reason == guards.ALREADY_RIGHT
    assert not decision.accepted
    assert (decision.heard, decision.written) == ("喜欢", "喜歡")
    assert transcript.text == plain.text.replace("喜欢", "喜歡", 1)
    assert bare(transcript.text) == bare(plain.text)


def test_an_unknown_language_is_named(nano, sounds, waves):
    encoded = nano.encode(nano.features(waves[:1]))
    with pytest.raises(HarkenError, match="en, zh"):
        Biaser(nano, sounds).transcribe(encoded, [1.0], [[]], language="xx")


def test_no_windows_no_transcripts(nano, sounds, waves):
    assert Biaser(nano, sounds).transcribe(nano.encode(nano.features(waves[:1])), [], []) == []


def test_biasing_goes_on_from_a_draft_as_if_all_was_written_together(nano, sounds, waves, detections, proposals):
    encoded, seconds = nano.encode(nano.features(waves)), [len(wave) / SAMPLE_RATE for wave in waves]
    biaser = Biaser(nano, sounds)
    drafts = biaser.propose(encoded, seconds, [[]] * len(waves))
    assert [draft.heard.text for draft in drafts] == [window.heard.text for window in proposals]
    assert not any(draft.biased or draft.candidates for draft in drafts)
    later = biaser.propose(encoded, seconds, detections, drafts=drafts)
    assert [window.biased for window in later] == [window.biased for window in proposals]
    assert [biaser.transcript(window).text for window in later] == [merge(window).text for window in proposals]
    reasons = [[decision.reason for decision in merge(window).decisions] for window in later]
    assert reasons == [[decision.reason for decision in merge(window).decisions] for window in proposals]


def test_a_draft_of_nothing_leaves_nothing_to_bias(nano, sounds, detections):
    silence = nano.encode(nano.features([np.zeros(SAMPLE_RATE, np.float32)]))
    biaser = Biaser(nano, sounds)
    drafts = biaser.propose(silence, [1.0], [[]])
    drafts[0].heard, drafts[0].unbiasable = Heard("", ()), guards.NOTHING_HEARD
    (window,) = biaser.propose(silence, [1.0], [detections[0]], drafts=drafts)
    assert window.candidates == []
    assert {decision.reason for decision in merge(window).decisions} == {guards.NOTHING_HEARD}
