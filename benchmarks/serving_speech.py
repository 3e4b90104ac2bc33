"""The serving benchmark's recordings: general sentences, every other one with a term of the glossary behind it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from actors.tts.espeak import HELD_OUT_VOICES
from benchmarks.biasing.utterances import speak
from compression.glossary.glossary import open_glossary
from harken.audio import SAMPLE_RATE, decode_audio, encode_flac
from harken.errors import HarkenError
from harken.records import generator
from harken.text import is_han

SENTENCES = Path("examples/general/test.jsonl")
_SHORTEST_TERM = 2


@dataclass(frozen=True)
class Recording:
    """What is uploaded, and the same as samples.

    Attributes:
        term: of the glossary, said at the end; "" where there is none.
        content: FLAC.
        wave: float32 (samples,) at 16 kHz, exactly what `content` holds.
    """

    text: str
    term: str
    content: bytes
    wave: np.ndarray

    @property
    def seconds(self) -> float:
        return len(self.wave) / SAMPLE_RATE


def draw_terms(store: Path, count: int, seed: int = 0) -> list[str]:
    """Chinese terms of a store; the same ones for the same store.

    Raises:
        HarkenError: no glossary there, or one without so many.
    """
    glossary = open_glossary(store)
    terms = {glossary.entry(index).term for index in range(len(glossary.entry_ids))}
    chinese = sorted(term for term in terms if len(term) >= _SHORTEST_TERM and all(map(is_han, term)))
    if len(chinese) < count:
        raise HarkenError(
            "glossary", str(store), f"It has {len(chinese)} Chinese terms, {count} are said: lower --sentences."
        )
    return generator("serving benchmark", seed).sample(chinese, count)


def record(sentences: Sequence[str], terms: Sequence[str]) -> list[Recording]:
    """Each sentence, and again with the term of its place, in voices that nothing was trained on."""
    texts = [
        text for sentence, term in zip(sentences, terms, strict=True) for text in (sentence, f"{sentence}，{term}")
    ]
    said = [said for term in terms for said in ("", term)]
    spoken = speak([{"id": f"{index:04d}", "text": text} for index, text in enumerate(texts)], HELD_OUT_VOICES)
    recordings = []
    for one, term in zip(spoken, said, strict=True):
        content = encode_flac(one.wave, SAMPLE_RATE)
        recordings.append(Recording(one.text, term, content, decode_audio(content)[0]))
    return recordings


def read_sentences(path: Path, count: int) -> list[str]:
    """The first sentences of a manifest.

    Raises:
        HarkenError: it has fewer.
    """
    lines = path.read_text(encoding="utf-8").splitlines()
    if len(lines) < count:
        raise HarkenError("sentences", str(path), f"It has {len(lines)}, {count} are wanted: lower --sentences.")
    return [json.loads(line)["text"] for line in lines[:count]]
