"""What every speech synthesizer offers: a request, a result, what it can do, and the protocol that ties them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np


@dataclass(frozen=True)
class SpeechRequest:
    """One utterance to be spoken.

    `text_label` is what a recogniser should write, `text_spoken` what the voice is given to read (they differ when
    a term has a spelled-out pronunciation). `rate` multiplies the voice's normal speed. `pitch` is in semitones
    around the voice's normal pitch. `style` holds settings that only one backend knows; a backend raises
    `HarkenError` for a key it does not know.
    """

    id: str
    text_label: str
    text_spoken: str
    speaker: str
    rate: float = 1.0
    pitch: float = 0.0
    seed: int = 0
    style: Mapping[str, float | str] = field(default_factory=dict)


@dataclass(frozen=True)
class SpeechResult:
    """What became of a request: either `wave` (float32 mono in [-1, 1], shape (samples,)) or an `error` message.

    `text_actual` is the text that was really read; `truncated` says that the backend stopped before its end.
    """

    id: str
    wave: np.ndarray | None
    sample_rate: int
    text_actual: str
    truncated: bool = False
    error: str | None = None


@dataclass(frozen=True)
class Licence:
    """SPDX names (or a plain phrase) for the backend's code and weights, and what the audio may be used for."""

    code: str
    weights: str
    output_use: str


@dataclass(frozen=True)
class Capabilities:
    """What a backend can do. `control` is a subset of {"preset", "clone", "instruct", "phoneme"}."""

    languages: frozenset[str]
    control: frozenset[str]
    per_row_speaker: bool
    per_row_seed: bool
    sample_rate: int
    max_characters: int
    licence: Licence


class Synthesizer(Protocol):
    """A speech backend. Bad input (unknown speaker, setting out of range) raises `HarkenError`; a request that the
    engine fails on gives a result with `error` set, and the others of the batch are still spoken."""

    def capabilities(self) -> Capabilities: ...

    def speakers(self) -> list[str]: ...

    def synthesize(self, requests: Sequence[SpeechRequest]) -> list[SpeechResult]: ...
