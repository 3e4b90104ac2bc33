"""What every speech synthesizer offers: a request, a result, what it can do, and the protocol that ties them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from harken.unit_times import UnitTime

CONTROLS = frozenset({"preset", "clone", "instruct", "phoneme"})
ADJUSTMENTS = frozenset({"rate", "pitch", "intonation", "accent"})


@dataclass(frozen=True)
class SpeechRequest:
    """One utterance to be spoken.

    `text_label` is what a recogniser should write, `text_spoken` what the voice is given to read (they differ when
    a term has a spelled-out pronunciation). A backend with "phoneme" in its `control` reads what stands between double
    brackets in it, ``[[...]]``, as phonemes in its own notation. `rate` multiplies the voice's normal speed. `pitch` is
    in semitones around the voice's normal pitch. `accent` names an accent or dialect, "" is the voice's own. `style`
    holds settings that only one backend knows; a backend raises `HarkenError` for a key it does not know. `timed` asks
    for the times of the text's units; a backend that cannot tell them gives none, and the audio is the same.
    """

    id: str
    text_label: str
    text_spoken: str
    speaker: str
    rate: float = 1.0
    pitch: float = 0.0
    seed: int = 0
    accent: str = ""
    style: Mapping[str, float | str] = field(default_factory=dict)
    timed: bool = False


@dataclass(frozen=True)
class SpeechResult:
    """What became of a request: either `wave` (float32 mono in [-1, 1], shape (samples,)) or an `error` message.

    `text_actual` is the text that was really read; `truncated` says that the backend stopped before its end. `units`
    are the times of all units of `text_actual` in `wave`, or () when they were not asked for or are not known.
    """

    id: str
    wave: np.ndarray | None
    sample_rate: int
    text_actual: str
    truncated: bool = False
    error: str | None = None
    units: tuple[UnitTime, ...] = ()


@dataclass(frozen=True)
class Licence:
    """SPDX names (or a plain phrase) for the backend's code and weights, and what the audio may be used for.

    `commercial` says whether the audio may be used commercially; None when that is not known.
    """

    code: str
    weights: str
    output_use: str
    commercial: bool | None = None


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do, declared before anything is spoken.

    `languages` is empty when it is not known. `accents` maps a speaker to the accent or dialect its voice has; with
    "accent" in `adjusts` one may be asked for per request. `control` is a subset of `CONTROLS`: how a voice is chosen
    and told what to say. `adjusts` is a subset of `ADJUSTMENTS`: what a request may vary. `per_row_speaker` and
    `per_row_seed` say whether the requests of one call may differ in them; without `per_row_seed` a row's audio
    depends on the rows beside it (or, for a server, on the server). `any_speaker`: names beyond `speakers()` are
    voices too. `sample_rate` is in Hz, 0 when each result states its own.
    """

    languages: frozenset[str]
    control: frozenset[str]
    per_row_speaker: bool
    per_row_seed: bool
    sample_rate: int
    max_characters: int
    licence: Licence
    accents: Mapping[str, str] = field(default_factory=dict)
    adjusts: frozenset[str] = frozenset()
    any_speaker: bool = False

    def __post_init__(self) -> None:
        if not self.control <= CONTROLS or not self.adjusts <= ADJUSTMENTS:
            raise ValueError(f"unknown control or adjustment in {sorted(self.control)}, {sorted(self.adjusts)}")


class Synthesizer(Protocol):
    """A speech backend. Bad input (unknown speaker, setting out of range) raises `HarkenError`; a request that the
    engine fails on gives a result with `error` set, and the others of the batch are still spoken."""

    def capabilities(self) -> Capabilities: ...

    def speakers(self) -> list[str]: ...

    def unreadable(self, request: SpeechRequest) -> list[str]:
        """The characters, words or phonemes of `text_spoken` that the backend would leave out, each once, in order."""
        ...

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[SpeechResult]: ...
