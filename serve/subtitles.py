"""Transcripts as subtitle files: SubRip (srt) and WebVTT."""

import re
from collections.abc import Iterable

from serve.backend import Segment

# A cue's text ends at a blank line, and an arrow would begin another cue.
_BREAKS = re.compile(r"\s+")


def srt(segments: Iterable[Segment]) -> str:
    """SubRip: numbered cues with a comma before the milliseconds; empty when nothing was said."""
    cues = (
        f"{number}\n{_time(segment.start, ',')} --> {_time(segment.end, ',')}\n{_line(segment.text)}\n"
        for number, segment in enumerate(_spoken(segments), start=1)
    )
    return "\n".join(cues)


def vtt(segments: Iterable[Segment]) -> str:
    """WebVTT; a bare header when nothing was said."""
    cues = (
        f"{_time(segment.start, '.')} --> {_time(segment.end, '.')}\n{_escape(_line(segment.text))}\n"
        for segment in _spoken(segments)
    )
    return "\n".join(("WEBVTT\n", *cues))


def _spoken(segments: Iterable[Segment]) -> Iterable[Segment]:
    return (segment for segment in segments if segment.text.strip())


def _time(seconds: float, separator: str) -> str:
    milliseconds = max(0, round(seconds * 1000))
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    whole, milliseconds = divmod(rest, 1000)
    return f"{hours:02d}:{minutes:02d}:{whole:02d}{separator}{milliseconds:03d}"


def _line(text: str) -> str:
    return _BREAKS.sub(" ", text).strip().replace("-->", "->")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
