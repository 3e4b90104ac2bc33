from dataclasses import replace

import pytest

from harken.biasing import guards
from harken.biasing.candidates import Candidate, Heard
from harken.biasing.settings import BiasingSettings, BoundarySettings, EvidenceSettings
from harken.biasing.transcript import spread
from harken.detection import Detection

# Weights of its own, so that a new fit changes nothing here.
SETTINGS = BiasingSettings(
    evidence=EvidenceSettings(constant=4.1, distance=-2.7, gain=0.6, probability=0.5, beside=-1.0),
    boundary=BoundarySettings(distance=-2.0, gain=0.4, beside=-2.0),
    least_evidence=-0.5,
)


def detection(term: str, probability: float = 0.5, *spellings: str) -> Detection:
    return Detection(term, 1.0, 2.0, probability, (term, *spellings))


def candidate(first: int = 0, last: int = 3, place: int = 0, overlap: float = 1.0, distance: float = 0.1) -> Candidate:
    return Candidate(place, first, last, overlap, distance, ("substitution",))


def test_the_shortlist_holds_the_most_probable_terms_that_can_be_written():
    found = [
        detection("a", 0.5),
        detection("b", 0.9),
        detection("c", 0.1),
        detection("<|endoftext|>", 0.99),
        detection("d\n", 0.99),
        detection("——", 0.99),
        detection("e", 0.4),
        detection("f", 0.99, "<|en|>"),
    ]
    places, refused = guards.shortlist(found, SETTINGS.model_copy(update={"terms": 2}))
    assert places == [1, 0]
    assert refused == {
        2: guards.IMPROBABLE,
        3: guards.UNWRITABLE,
        4: guards.UNWRITABLE,
        5: guards.UNWRITABLE,
        6: guards.BEYOND,
        7: guards.UNWRITABLE,
    }


@pytest.mark.parametrize(
    ("found", "gain", "reason"),
    [
        (candidate(), -2.0, guards.ACCEPTED),
        (candidate(overlap=0.2), -2.0, guards.ELSEWHERE),
        (candidate(distance=0.8), -2.0, guards.OTHER_SOUNDS),
        (candidate(), -11.0, guards.UNLIKELY),
        (candidate(distance=0.6), -8.0, guards.WEAK),
    ],
)
def test_a_span_is_taken_only_when_time_sound_and_decoder_agree(found, gain, reason):
    assert guards.assess(found, detection("铂金包"), {"铂金包": gain}, SETTINGS).reason == reason


def test_the_detections_own_probability_counts():
    weak, sure = (
        guards.assess(candidate(distance=0.4), detection("铂金包", probability), {"铂金包": -6.2}, SETTINGS)
        for probability in (0.1, 0.99)
    )
    assert not weak.accepted
    assert sure.accepted
    assert guards.assess(candidate(), detection("铂金包", 1.0), {"铂金包": -2.0}, SETTINGS).accepted


def test_homophones_are_told_by_the_decoder_and_the_term_comes_first():
    gains = {"铂金包": -3.0, "伯金包": -2.0}
    assert guards.assess(candidate(), detection("铂金包", 0.5, "伯金包"), gains, SETTINGS).written == "伯金包"
    assert guards.assess(candidate(), detection("铂金包"), dict.fromkeys(gains, -2.0), SETTINGS).written == "铂金包"


def test_one_term_wins_each_word_and_the_longer_one_of_equals():
    def judged(first, last, place, gain):
        return guards.assess(candidate(first, last, place), detection("t"), {"t": gain}, SETTINGS)

    long, short, apart, twice = (
        judged(0, 3, 0, -2.0),
        judged(1, 3, 1, -1.9),
        judged(4, 6, 2, -2.0),
        judged(7, 8, 2, -3.0),
    )
    chosen = guards.choose([short, twice, long, apart], [])
    assert chosen == [long, apart]
    assert guards.choose([long, apart], [range(2, 3)]) == [apart]
    text = "博近包很好看了"
    assert "博近包" in guards.taken_by(short, chosen, Heard(text, tuple(spread(text, 0.0, 1.0))))


def test_a_term_takes_no_word_that_was_said_beside_it():
    # 水同时 is what was heard of it; 和 was said before.
    own = guards.assess(candidate(2, 5, distance=0.2), detection("水桶包"), {"水桶包": -2.5}, SETTINGS)
    wider = replace(candidate(1, 5, distance=0.25), beside=0.9)
    swallowing = guards.assess(wider, detection("水桶包"), {"水桶包": -2.2}, SETTINGS)
    assert own.accepted
    assert swallowing.accepted
    assert guards.choose([swallowing, own], []) == [own]
    # Where it cannot stand there, the next best is taken.
    assert guards.choose([swallowing, own], [range(4, 5)]) == []
    narrower = guards.assess(candidate(2, 4, distance=0.4), detection("水桶包"), {"水桶包": -2.5}, SETTINGS)
    assert guards.choose([swallowing, own, narrower], [range(4, 5)]) == [narrower]


def test_the_fitted_weights_refuse_what_is_near_and_improbable():
    # As a search found them: 咖啡杯 where 咖啡色 was said, and 铂金包 where 博近包 was written.
    near = replace(candidate(distance=0.27), beside=0.37)
    found = guards.assess(near, detection("咖啡杯", 0.52), {"咖啡杯": -3.8}, BiasingSettings())
    assert found.reason == guards.WEAK
    right = guards.assess(candidate(distance=0.0), detection("铂金包", 0.96), {"铂金包": -3.1}, BiasingSettings())
    assert right.accepted


def test_words_beside_a_detection_speak_against_it():
    wider = replace(candidate(distance=0.5), beside=2.0)
    assert guards.assess(candidate(distance=0.5), detection("铂金包"), {"铂金包": -4.0}, SETTINGS).accepted
    assert guards.assess(wider, detection("铂金包"), {"铂金包": -4.0}, SETTINGS).reason == guards.WEAK


def test_settings_without_a_mechanism_are_refused():
    with pytest.raises(ValueError, match="no mechanism"):
        BiasingSettings(prompt=False, boost=False, substitution=False)
