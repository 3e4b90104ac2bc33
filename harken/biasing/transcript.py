"""A transcript that was biased: its text, when its words were said, and why each term is or is not in it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from harken.text import unit_spans
from harken.unit_times import UnitTime

_ENDS = frozenset("。！？!?.")
_PAUSES = _ENDS | frozenset("，,；;：:")
# A segment that lasts longer ends at the next comma too: subtitles of more are hard to read.
_SEGMENT_SECONDS = 7.0


@dataclass(frozen=True)
class Word:
    """A Han character, a number or a word of other letters, with the punctuation after it, and its time in seconds."""

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Segment:
    """A sentence, or a part of a long one: ``text[character_start:character_end]`` of the transcript.

    Attributes:
        tokens: that write it, without special ones.
        average_logprob: mean log-probability of the tokens that the unbiased decoding has there; nan: not measured.
        no_speech_probability: that nobody speaks in its window, as the decoder has it; nan: not measured.
    """

    character_start: int
    character_end: int
    start: float
    end: float
    tokens: tuple[int, ...] = ()
    average_logprob: float = float("nan")
    no_speech_probability: float = float("nan")


@dataclass(frozen=True)
class Decision:
    """What became of one detection, and why.

    Attributes:
        term: of the detection.
        start: seconds, of the detection.
        end: seconds, of the detection.
        probability: of the detection.
        accepted: the term stands in the text because of it. A term that was right already is none of these.
        reason: in words for people.
        mechanisms: which ones proposed the span: "prompt", "boost", "substitution".
        heard: the words of the unbiased text in question; "" when there were none.
        written: what stands in their place if accepted, else "".
        character_start: where that begins in the text; None when nothing is written or it was not looked for.
        character_end: one past its last character.
        scores: "overlap", "distance", "gain" and "evidence", as far as they were measured.
    """

    term: str
    start: float
    end: float
    probability: float
    accepted: bool
    reason: str
    mechanisms: tuple[str, ...] = ()
    heard: str = ""
    written: str = ""
    character_start: int | None = None
    character_end: int | None = None
    scores: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class BiasedTranscript:
    """What was said.

    Attributes:
        text: with the accepted terms.
        unbiased: what the model writes without any help.
        decisions: one per detection, in their order.
        words: of `text`, in order.
        segments: of `text`, in order.
        average_logprob: mean log-probability per token of the unbiased decoding; nan for none.
        truncated: the token limit came before the end of the text.
        biased: by mechanism ("prompt", "boost") what the model writes with that help, before any guard.
    """

    text: str
    unbiased: str
    decisions: tuple[Decision, ...]
    words: tuple[Word, ...]
    segments: tuple[Segment, ...]
    average_logprob: float
    truncated: bool
    biased: Mapping[str, str] = field(default_factory=dict)


def words_of(text: str, units: Sequence[UnitTime]) -> tuple[Word, ...]:
    """Words from a text's units; what stands between two of them goes with the first."""
    if not units:
        return ()
    edges = [0, *(unit.character_start for unit in units[1:]), len(text)]
    return tuple(
        Word(text[first:last], unit.start, unit.end)
        for unit, first, last in zip(units, edges[:-1], edges[1:], strict=True)
    )


def segments_of(text: str, units: Sequence[UnitTime]) -> tuple[Segment, ...]:
    """Segments that end after a sentence, and after a comma once they are long."""
    segments: list[Segment] = []
    if not units:
        return ()
    begin, start = 0, None
    for unit, following in zip(units, [*(other.character_start for other in units[1:]), len(text)], strict=True):
        start = unit.start if start is None else start
        between = text[unit.character_end : following]
        stops = _ENDS if unit.end - start < _SEGMENT_SECONDS else _PAUSES
        # A point inside a number or a name is followed by no space.
        ended = any(character in stops for character in between) and not (between == "." and following < len(text))
        if ended or following == len(text):
            segments.append(Segment(begin, following, start, unit.end))
            begin, start = following, None
    return tuple(segments)


def spread(text: str, start: float, end: float, offset: int = 0) -> list[UnitTime]:
    """The units of a text that is said evenly from `start` to `end`; characters are counted from `offset`."""
    spans = unit_spans(text)
    lengths = np.array([last - first for first, last in spans], dtype=float)
    edges = start + (end - start) * np.concatenate([[0.0], lengths.cumsum()]) / max(lengths.sum(), 1.0)
    return [
        UnitTime(offset + first, offset + last, float(edges[index]), float(edges[index + 1]))
        for index, (first, last) in enumerate(spans)
    ]


def join_transcripts(parts: Sequence[BiasedTranscript], starts: Sequence[float]) -> BiasedTranscript:
    """The transcript of a recording from those of its windows, which begin at `starts` (seconds)."""
    text = unbiased = ""
    decisions: list[Decision] = []
    words: list[Word] = []
    segments: list[Segment] = []
    for part, start in zip(parts, starts, strict=True):
        text = _joined(text, part.text, words)
        unbiased = _joined(unbiased, part.unbiased, [])
        shift = len(text) - len(part.text)
        words += [replace(word, start=word.start + start, end=word.end + start) for word in part.words]
        segments += [
            replace(
                one,
                character_start=one.character_start + shift,
                character_end=one.character_end + shift,
                start=one.start + start,
                end=one.end + start,
            )
            for one in part.segments
        ]
        decisions += [_moved(decision, start, shift) for decision in part.decisions]
    logprobs = [part.average_logprob for part in parts if not np.isnan(part.average_logprob)]
    weights = [max(1, len(part.words)) for part in parts if not np.isnan(part.average_logprob)]
    average = float(np.average(logprobs, weights=weights)) if logprobs else float("nan")
    names = dict.fromkeys(name for part in parts for name in part.biased)
    biased = {name: _all(part.biased.get(name, part.unbiased) for part in parts) for name in names}
    truncated = any(part.truncated for part in parts)
    return BiasedTranscript(text, unbiased, tuple(decisions), tuple(words), tuple(segments), average, truncated, biased)


def _all(texts: Iterable[str]) -> str:
    whole = ""
    for text in texts:
        whole = _joined(whole, text, [])
    return whole


def _joined(before: str, after: str, words: list[Word]) -> str:
    # A cut falls into a pause: Latin words on both sides are two words, Chinese needs no space.
    apart = before[-1:].isascii() and after[:1].isascii() and before and after
    if apart and words:
        words[-1] = replace(words[-1], text=words[-1].text + " ")
    return before + (" " if apart else "") + after


def _moved(decision: Decision, seconds: float, characters: int) -> Decision:
    places = (
        None if place is None else place + characters for place in (decision.character_start, decision.character_end)
    )
    start, end = places
    return replace(
        decision,
        start=decision.start + seconds,
        end=decision.end + seconds,
        character_start=start,
        character_end=end,
    )
