"""The decoder's figures of each segment, where the text is its own and where a term stands in it."""

import math
from pathlib import Path

import pytest

from harken.biasing.candidates import Heard
from harken.biasing.confidence import with_confidence
from harken.biasing.editing import Edit, apply_edits
from harken.biasing.proposals import Proposals
from harken.biasing.transcript import BiasedTranscript, segments_of, spread, words_of
from harken.whisper import Whisper, load_whisper

NANO = Path(__file__).resolve().parents[3] / "models" / "nano"
# Han characters of several tokens, a space, punctuation.
TEXT = "龘好。 I like 3.5 bags! 再见"


@pytest.fixture(scope="module")
def nano() -> Whisper:
    return load_whisper(str(NANO), device="cpu")


def window_of(nano: Whisper, text: str, finished: bool = True) -> Proposals:
    """A decoding that writes `text`; its tokens have the log-probabilities 0, -1, -2 and so on."""
    tokens = nano.text_tokens(text)[:-1]
    logprobs = [-float(place) for place in range(len(tokens) + finished)]
    hypothesis = nano.hypothesis(tokens, logprobs, finished, 0.25)
    return Proposals([], hypothesis, Heard(text, tuple(spread(text, 0.5, 6.5))))


def transcript_of(window: Proposals, *edits: Edit) -> BiasedTranscript:
    edited = apply_edits(window.heard.text, window.heard.units, edits)
    words, segments = words_of(edited.text, edited.units), segments_of(edited.text, edited.units)
    return BiasedTranscript(
        edited.text, window.heard.text, (), words, segments, window.hypothesis.average_logprob, False
    )


@pytest.mark.parametrize("finished", [True, False])
def test_segments_share_out_the_decoders_tokens(nano, finished):
    window = window_of(nano, TEXT, finished)
    told = with_confidence(transcript_of(window), window, nano)
    assert len(told.segments) == 3
    assert tuple(token for segment in told.segments for token in segment.tokens) == window.hypothesis.tokens
    for segment in told.segments:
        written = nano.processor.tokenizer.decode(segment.tokens)
        assert written.strip() == TEXT[segment.character_start : segment.character_end].strip()
        assert segment.no_speech_probability == 0.25
    counts = [len(segment.tokens) for segment in told.segments]
    counts[-1] += finished
    total = sum(segment.average_logprob * count for segment, count in zip(told.segments, counts, strict=True))
    assert total == pytest.approx(sum(window.hypothesis.logprobs))


def test_a_term_has_its_own_tokens_and_the_figures_of_the_words_before_it(nano):
    window = window_of(nano, TEXT)
    place = TEXT.index("bags")
    plain = with_confidence(transcript_of(window), window, nano)
    told = with_confidence(transcript_of(window, Edit(0, place, place + 4, "birkin 25")), window, nano)
    assert told.segments[0] == plain.segments[0]
    changed = told.segments[1]
    text = told.text[changed.character_start : changed.character_end]
    assert "birkin 25" in text
    assert nano.processor.tokenizer.decode(changed.tokens) == text
    assert changed.average_logprob == plain.segments[1].average_logprob
    assert told.segments[2].tokens == plain.segments[2].tokens


def test_what_no_token_was_written_for_has_the_windows_average(nano):
    window = window_of(nano, "")
    assert with_confidence(transcript_of(window), window, nano).segments == ()
    spoken = window_of(nano, TEXT)
    spoken.hypothesis = nano.hypothesis((), (), False)
    told = with_confidence(transcript_of(spoken), spoken, nano)
    assert all(math.isnan(segment.average_logprob) for segment in told.segments)
    assert [nano.processor.tokenizer.decode(segment.tokens).strip() for segment in told.segments] == [
        "龘好。", "I like 3.5 bags!", "再见",
    ]  # fmt: skip
