"""How sure the decoder was of each segment: its tokens and their log-probabilities, found by when they were said."""

from bisect import bisect_right
from dataclasses import replace
from functools import cache
from itertools import pairwise

from transformers.convert_slow_tokenizer import bytes_to_unicode

from harken.biasing.proposals import Proposals
from harken.biasing.transcript import BiasedTranscript, Segment
from harken.whisper import Whisper


def with_confidence(transcript: BiasedTranscript, window: Proposals, whisper: Whisper) -> BiasedTranscript:
    """The transcript of a window, its segments with tokens, average log-probability and no-speech probability.

    A term takes the time of the words in whose place it stands, so that time tells which tokens of the unbiased
    decoding a segment has. The last segment has the log-probability of the end, too.
    """
    if not transcript.segments:
        return transcript
    hypothesis, units = window.hypothesis, window.heard.units
    begins = [unit.character_start for unit in units]
    starts = [segment.start for segment in transcript.segments]
    owned: list[list[int]] = [[] for _ in starts]
    for token, end in enumerate(_character_ends(whisper, hypothesis.tokens)):
        unit = units[max(0, bisect_right(begins, end - 1 - len(window.lead)) - 1)]
        owned[max(0, bisect_right(starts, unit.start) - 1)].append(token)
    if not hypothesis.truncated:
        owned[-1].append(len(hypothesis.tokens))
    segments = []
    for segment, own in zip(transcript.segments, owned, strict=True):
        logprobs = [hypothesis.logprobs[token] for token in own]
        written = tuple(hypothesis.tokens[token] for token in own if token < len(hypothesis.tokens))
        segments.append(
            replace(
                segment,
                tokens=_tokens(whisper, transcript, segment, written, window.lead),
                average_logprob=sum(logprobs) / len(logprobs) if logprobs else transcript.average_logprob,
                no_speech_probability=hypothesis.no_speech_probability,
            )
        )
    return replace(transcript, segments=tuple(segments))


def _tokens(
    whisper: Whisper, transcript: BiasedTranscript, segment: Segment, written: tuple[int, ...], lead: str
) -> tuple[int, ...]:
    """The decoder's own tokens where they say what the segment says, else those of its text."""
    kept = tuple(token for token in written if token not in whisper.special_tokens)
    text = transcript.text[segment.character_start : segment.character_end]
    decoded: str = whisper.processor.tokenizer.decode(kept)
    if decoded.strip() == text.strip():
        return kept
    return tuple(whisper.plain_tokens((lead if segment.character_start == 0 else "") + text))


def _character_ends(whisper: Whisper, tokens: tuple[int, ...]) -> list[int]:
    """How many characters are written after each token; a character of several tokens ends with the last."""
    table = _bytes_of_symbols()
    spelled = whisper.processor.tokenizer.convert_ids_to_tokens(list(tokens))
    written = bytearray()
    ends = [0]
    for token, symbols in zip(tokens, spelled, strict=True):
        if token not in whisper.special_tokens:
            written += bytes(table[symbol] for symbol in symbols)
        # A character that is begun counts: what is left of it belongs to the same word.
        ends.append(len(written.decode("utf-8", errors="replace")))
    return [max(before, after) for before, after in pairwise(ends)]


@cache
def _bytes_of_symbols() -> dict[str, int]:
    return {symbol: byte for byte, symbol in bytes_to_unicode().items()}
