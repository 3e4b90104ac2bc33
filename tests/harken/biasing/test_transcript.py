import numpy as np
import pytest

from harken.biasing.transcript import BiasedTranscript, Decision, join_transcripts, segments_of, spread, words_of


def transcript(text: str, decisions: tuple[Decision, ...] = (), logprob: float = -0.5) -> BiasedTranscript:
    units = spread(text, 0.2, 2.0)
    return BiasedTranscript(text, text, decisions, words_of(text, units), segments_of(text, units), logprob, False, {})


def test_words_are_all_of_the_text():
    text = "他说 it's 1,000元。"
    words = words_of(text, spread(text, 0.0, 1.0))
    assert [word.text for word in words] == ["他", "说 ", "it's ", "1,000", "元。"]
    assert words_of("", ()) == ()


def test_segments_end_with_sentences_and_long_ones_with_commas():
    text = "你好。Mr 3.5 x，再见！好"
    segments = segments_of(text, spread(text, 0.0, 2.0))
    assert [text[one.character_start : one.character_end] for one in segments] == ["你好。", "Mr 3.5 x，再见！", "好"]
    slow = segments_of("你好，再见，好的", spread("你好，再见，好的", 0.0, 18.0))
    assert [one.character_end for one in slow] == [6, 8]
    assert segments_of("", ()) == ()


def test_windows_are_joined_at_their_times_and_places():
    decision = Decision("speedy", 0.5, 1.0, 0.9, True, "accepted", written="speedy", character_start=0, character_end=6)
    parts = [
        transcript("I like it"),
        transcript("speedy", (decision,), -1.0),
        transcript("好"),
        transcript("", (), np.nan),
    ]
    whole = join_transcripts(parts, [0.0, 10.0, 20.0, 30.0])
    assert whole.text == whole.unbiased == "I like it speedy好"
    assert "".join(word.text for word in whole.words) == whole.text
    (moved,) = whole.decisions
    assert whole.text[moved.character_start : moved.character_end] == "speedy"
    assert (moved.start, moved.end) == (10.5, 11.0)
    assert [whole.text[one.character_start : one.character_end] for one in whole.segments] == [
        "I like it",
        "speedy",
        "好",
    ]
    assert whole.words[-1].start == pytest.approx(20.2)
    assert whole.average_logprob == pytest.approx((3 * -0.5 - 1.0 - 0.5) / 5)


def test_no_windows_make_an_empty_transcript():
    whole = join_transcripts([], [])
    assert whole.text == ""
    assert whole.words == whole.decisions == ()
    assert np.isnan(whole.average_logprob)
