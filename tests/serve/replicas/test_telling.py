import math

from harken.biasing.guards import ALREADY_RIGHT
from harken.biasing.transcript import BiasedTranscript, Decision, Segment, Word
from harken.detection import Detection
from serve.backend import Search
from serve.replicas.telling import WrittenWindow, spotting_of, transcription_of


def window(start: float, text: str, *decisions: Decision, logprob: float = -0.5) -> WrittenWindow:
    detections = tuple(Detection(one.term, one.start, one.end, one.probability) for one in decisions)
    words = (Word(text, 0.5, 1.0),) if text else ()
    segments = (Segment(0, len(text), 0.5, 1.0, (7, 8), logprob, 0.2),) if text else ()
    return WrittenWindow(start, detections, BiasedTranscript(text, text, decisions, words, segments, logprob, False))


def test_times_and_characters_count_from_the_beginning_of_the_recording():
    accepted = Decision("Kelly", 0.5, 1.0, 0.9, True, "accepted", ("boost",), "凯莉", "Kelly", 0, 5)
    right = Decision("包", 0.5, 1.0, 0.8, False, ALREADY_RIGHT, (), "包", "", 0, 1)
    refused = Decision("Lindy", 0.5, 1.0, 0.4, False, "the words sound different", (), "林", "")
    found = transcription_of(
        [window(0.0, "包", right), window(10.0, "Kelly", accepted, refused)], "zh", 12.0, Search(2, 2), {"encode": 0.1}
    )
    assert found.text == found.unbiased == "包Kelly"
    assert [(word.word, word.start) for word in found.words] == [("包", 0.5), ("Kelly", 10.5)]
    assert [(one.text, one.start, one.average_logprob) for one in found.segments] == [
        ("包", 0.5, -0.5),
        ("Kelly", 10.5, -0.5),
    ]
    assert {(one.tokens, one.no_speech_probability) for one in found.segments} == {((7, 8), 0.2)}
    told = [(term.detection.term, term.detection.start, term.outcome, term.replaced) for term in found.terms]
    assert told == [
        ("包", 0.5, "already right", ""),
        ("Kelly", 10.5, "applied", "凯莉"),
        ("Lindy", 10.5, "rejected", ""),
    ]
    kelly = found.terms[1]
    assert found.text[kelly.text_start : kelly.text_end] == "Kelly"


def test_a_recording_in_which_nobody_speaks_has_an_empty_transcript_of_finite_figures():
    found = transcription_of([], "", 3.0, Search(), {})
    assert (found.text, found.words, found.segments, found.terms, found.seconds) == ("", (), (), (), 3.0)
    (segment,) = transcription_of([window(0.0, "包", logprob=math.nan)], "zh", 1.0, Search(), {}).segments
    assert segment.average_logprob == 0.0


def test_detections_of_windows_are_told_by_their_start_in_the_recording():
    late, early = Detection("b", 0.1, 0.5, 0.9), Detection("a", 0.2, 0.6, 0.8)
    found = spotting_of([(10.0, [late]), (0.0, [early])], Search(1, 1), {})
    assert [(one.term, round(one.start, 3)) for one in found.detections] == [("a", 0.2), ("b", 10.1)]
