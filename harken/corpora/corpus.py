"""A corpus as rows: transcripts, each with the recording it belongs to."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from harken.errors import HarkenError
from harken.records import Row, fingerprint


class Transcript(NamedTuple):
    """What was said in one utterance. `audio`: where its recording may stand; empty for a text that has none."""

    id: str
    text: str
    language: str
    audio: tuple[Path, ...] = ()

    @property
    def recording(self) -> Path | None:
        """The first of `audio` that is there."""
        return next((path for path in self.audio if path.is_file()), None)


TranscriptSource = Callable[[], Iterable[Transcript]]
"""The transcripts of one language; it can be asked again, as they may be too many to keep."""


@dataclass(frozen=True)
class Corpus:
    """Rows ``{"id", "text", "audio_path", "language"}`` sorted by id; ``audio_path`` is None for a text alone.

    ``without_audio`` counts the transcripts that were looked at and left out because their recording is not there.
    """

    rows: list[Row]
    without_audio: int = 0


def assemble(
    place: Path,
    sources: Sequence[TranscriptSource],
    limit: int | None = None,
    seed: int = 0,
    only: Collection[str] | None = None,
) -> Corpus:
    """The corpus of these sources.

    Args:
        place: the folder or file that errors name.
        sources: one for each language.
        limit: the most utterances of one language. They are drawn uniformly by seed and id: the same whatever the
            order of the lines, and among those of a higher limit.
        only: the ids to keep; None keeps all.

    Raises:
        HarkenError: no transcripts, none with a recording, none among ``only``, or an id that stands there twice.
    """
    transcripts: list[Transcript] = []
    lacking = _Lacking()
    for source in sources:
        transcripts += _draw(source if only is None else _listed(source, only), limit, seed, lacking)
    if not transcripts:
        raise _nothing(place, lacking, only)
    transcripts.sort(key=lambda transcript: transcript.id)
    for earlier, later in pairwise(transcripts):
        if earlier.id == later.id:
            raise HarkenError("utterance id", later.id, f"It stands twice in {place}: ids name utterances, mend them.")
    return Corpus([_row(transcript) for transcript in transcripts], lacking.count)


def text_lines(path: Path, thing: str) -> Iterator[tuple[int, str]]:
    """Number and content of every line that is not blank, without white space around it.

    Raises:
        HarkenError: the file is missing or not UTF-8 text.
    """
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line.strip()
    except FileNotFoundError:
        raise HarkenError(thing, str(path), "It does not exist: check the path and whether all is unpacked.") from None
    except (OSError, UnicodeDecodeError) as failure:
        raise HarkenError(thing, str(path), f"It cannot be read as UTF-8 text ({failure}).") from None


def first_folder(thing: str, candidates: Sequence[Path], remedy: str) -> Path:
    """The first of these folders that is there; raises HarkenError with all of them when none is."""
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise HarkenError(thing, " or ".join(map(str, candidates)), f"There is no such folder: {remedy}")


def single_language(layout: str, language: str, wanted: Sequence[str]) -> None:
    """Raise HarkenError unless nothing but ``language``, the only one of this layout, is wanted."""
    if set(wanted) - {language}:
        raise HarkenError("languages", ", ".join(wanted), f"{layout} is in {language} alone: leave the setting out.")


@dataclass
class _Lacking:
    """The transcripts left out for want of a recording: how many, and one of them."""

    count: int = 0
    example: Transcript | None = None


def _draw(source: TranscriptSource, limit: int | None, seed: int, lacking: _Lacking) -> list[Transcript]:
    def order(transcript: Transcript) -> str:
        return fingerprint("utterance", seed, transcript.id)

    if limit is not None:
        # Looking for the recordings of millions of transcripts can take hours: first only for those drawn.
        drawn = heapq.nsmallest(limit, source(), key=order)
        if all(map(_is_complete, drawn)):
            return drawn
    complete = _complete(source(), lacking)
    return list(complete) if limit is None else heapq.nsmallest(limit, complete, key=order)


def _complete(transcripts: Iterable[Transcript], lacking: _Lacking) -> Iterator[Transcript]:
    for transcript in transcripts:
        if _is_complete(transcript):
            yield transcript
        else:
            lacking.count += 1
            lacking.example = transcript


def _is_complete(transcript: Transcript) -> bool:
    return not transcript.audio or transcript.recording is not None


def _listed(source: TranscriptSource, ids: Collection[str]) -> TranscriptSource:
    return lambda: (transcript for transcript in source() if transcript.id in ids)


def _row(transcript: Transcript) -> Row:
    recording = transcript.recording
    return {
        "id": transcript.id,
        "text": transcript.text,
        "audio_path": None if recording is None else str(recording),
        "language": transcript.language,
    }


def _nothing(place: Path, lacking: _Lacking, only: Collection[str] | None) -> HarkenError:
    if lacking.example is not None:
        remedy = f"None of {lacking.count} transcripts in {place} has its recording: unpack the audio there."
        return HarkenError("recording", " or ".join(map(str, lacking.example.audio)), remedy)
    if only is not None:
        return HarkenError("utterance list", f"{len(only)} ids", f"None of them is in {place}: check corpus and split.")
    return HarkenError("corpus", str(place), "It holds no transcripts: check the path and the languages.")
