from dataclasses import replace

import pytest

from actors.phonetics import Phonetics
from harken.biasing.candidates import Heard, biased_spans, mentions_of, merged, overlap, term_matcher, time_spans
from harken.biasing.settings import BiasingSettings
from harken.detection import Detection
from harken.unit_times import UnitTime

SETTINGS = BiasingSettings()


@pytest.fixture(scope="module")
def sounds() -> Phonetics:
    found = Phonetics()
    found.learn(["铂金包", "喜欢博近包很好", "el vee", "lv", "水桶包"])
    return found


def heard(text: str) -> Heard:
    """A character every half second."""
    return Heard(text, tuple(UnitTime(index, index + 1, index / 2, (index + 1) / 2) for index in range(len(text))))


def test_the_span_that_sounds_like_the_term_is_found_near_its_time(sounds):
    # It was said from 1.0 to 2.5; the detection is a little late.
    detection = Detection("铂金包", 1.2, 2.7, 0.9)
    best, second, *_ = time_spans(heard("喜欢博近包很好"), 3, detection, sounds, SETTINGS)
    assert (best.detection, best.first, best.last) == (3, 2, 5)
    assert best.distance == 0.0
    assert best.overlap == pytest.approx(1.3 / 1.5)
    assert second.distance > 0.0


def test_words_said_beside_the_detection_are_protected_as_far_as_the_model_is_sure_of_them(sounds):
    text = heard("喜欢博近包很好")
    sure = replace(text, probabilities=(0.9, 0.9, 0.2, 0.2, 0.9, 0.8, 0.9))
    detection = Detection("铂金包", 1.25, 2.7, 0.9)
    spans = {(one.first, one.last): one for one in time_spans(sure, 0, detection, sounds, SETTINGS)}
    # Half of 博 is outside, and most of 很.
    assert spans[2, 5].beside == pytest.approx(0.5 * 0.2)
    assert spans[2, 6].beside == pytest.approx(0.5 * 0.2 + 0.6 * 0.8)
    assert next(iter(spans)) == (2, 5)
    (own,) = [one for one in time_spans(text, 0, detection, sounds, SETTINGS) if (one.first, one.last) == (2, 5)]
    assert own.beside == pytest.approx(0.5)


def test_nothing_is_found_where_nothing_was_heard(sounds):
    assert time_spans(heard("喜欢"), 0, Detection("铂金包", 5.0, 6.0, 0.9), sounds, SETTINGS) == []


def test_badly_aligned_words_are_found_by_what_is_inside_the_detection(sounds):
    units = (UnitTime(0, 1, 0.0, 1.0), UnitTime(1, 2, 1.0, 1.3), UnitTime(2, 3, 1.3, 4.0))
    (found,) = time_spans(Heard("好包了", units), 0, Detection("铂金包", 0.4, 2.4, 0.9), sounds, SETTINGS)
    assert (found.first, found.last) == (0, 2)


def test_the_spoken_form_is_what_sounds(sounds):
    detection = Detection("老花", 0.0, 1.0, 0.9, spoken="el vee")
    (found, *_) = time_spans(heard("lv"), 0, detection, sounds, SETTINGS)
    assert found.distance == sounds.distance("el vee", found and "lv"[found.first : found.last])


@pytest.mark.parametrize(
    ("biased", "span"),
    [("喜欢铂金包很好", (2, 5)), ("欢铂金包", (2, 5)), ("喜欢博近包很好", None), ("铂金包", (2, 5))],
)
def test_a_whole_term_of_a_biased_text_is_laid_on_the_unbiased_words(sounds, biased, span):
    detections = [Detection("水桶包", 1.0, 2.5, 0.9), Detection("铂金包", 1.0, 2.5, 0.9)]
    found = biased_spans(heard("喜欢博近包很好"), biased, "prompt", detections, term_matcher(detections), sounds)
    assert [(one.detection, (one.first, one.last), one.mechanisms) for one in found] == (
        [(1, span, ("prompt",))] if span else []
    )


def test_one_word_may_stand_for_several(sounds):
    detections = [Detection("birkin", 1.0, 2.5, 0.9)]
    found = biased_spans(heard("喜欢博近的包"), "喜欢birkin包", "boost", detections, term_matcher(detections), sounds)
    assert [one.first for one in found] == [2]
    assert found[0].last in (4, 5)


def test_equal_spans_of_two_mechanisms_are_one(sounds):
    detections = [Detection("铂金包", 1.0, 2.5, 0.9)]
    text = heard("喜欢博近包很好")
    spans = time_spans(text, 0, detections[0], sounds, SETTINGS)
    spans += biased_spans(text, "喜欢铂金包很好", "boost", detections, term_matcher(detections), sounds)
    assert merged(spans)[0].mechanisms == ("substitution", "boost")


def test_any_spelling_mentions_its_term():
    detections = [Detection("Hermès", 0.0, 1.0, 0.9, ("Hermès", "爱马仕")), Detection("Kelly", 0.0, 1.0, 0.9)]
    mentions = term_matcher(detections).find("想要爱马仕kelly")
    assert [mention.term for mention in mentions_of(detections[0], mentions)] == ["爱马仕"]
    assert [mention.term for mention in mentions_of(detections[1], mentions)] == ["Kelly"]


def test_overlap_is_a_share_of_the_shorter_stretch():
    assert overlap(0.0, 1.0, Detection("a", 0.5, 3.0, 0.9)) == 0.5
    assert overlap(0.0, 1.0, Detection("a", 2.0, 3.0, 0.9)) == 0.0
    assert overlap(1.0, 1.0, Detection("a", 1.0, 1.0, 0.9)) == 0.0
