"""The glossary benchmark's utterances, compressed: terms in unheard voices, in an unseen engine, and none at all."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from actors.phoneme_reader import espeak_voice, read_phonemes
from actors.speaker import Speaker
from benchmarks.glossary_vocabulary import ENGLISH, Said, Vocabulary
from benchmarks.results import say
from compression.cascade.utterance import CompressedUtterance
from compression.features import utterance_frames
from compression.frames import Frames
from compression.spotter import Spotter
from compression.storage import load_spotter
from harken.audio import SAMPLE_RATE, decode_audio, read_audio, resample
from harken.config import check
from harken.digests import model_digest
from harken.glossary_settings import GlossarySettings
from harken.inventory import read_terms
from harken.records import OK, fingerprint, generator, read_manifest, read_parquet, write_parquet
from harken.settings import SpeechSettings
from harken.whisper import Whisper, load_whisper

ESPEAK, UNSEEN, UNSAID, SILENCE, NOISE, LONG = "espeak", "unseen", "no term", "silence", "noise", "10 s"
SAYING = (ESPEAK, UNSEEN)
"""Kinds of utterances that say terms; LONG is for timing alone."""
FESTIVAL = Path("examples/spotting")
# Voices of no training or validation set of configs/nano-spotter.yaml, as rough as its test sets.
_ROUGH = {
    "speed_probability": 0.5,
    "speed": [0.88, 1.14],
    "room_probability": 0.3,
    "noise_probability": 0.7,
    "noise_snr_db": [8, 35],
    "codec_probability": 0.2,
    "codecs": ["mu-law", "gsm", "mp3"],
}
_VARIANTS = ("m6", "m8", "steph", "edward", "quincy")
_LOUDNESS = 0.03
_AT_ONCE = 8
_SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("kind", "text", "language")]
    + [(name, pa.list_(pa.string())) for name in ("terms", "phonemes")]
    + [("utterance", pa.binary())]
)


@dataclass(frozen=True)
class Heard:
    """One utterance as a search is given it."""

    kind: str
    said: Said
    utterance: CompressedUtterance


def unseen_names() -> list[str]:
    """The names that the unseen synthesizer says."""
    return read_terms(FESTIVAL / "unheard_names.csv")


def heard_utterances(run: GlossarySettings, vocabulary: Vocabulary, unseen: int, nothing: int) -> list[Heard]:
    """All utterances, spoken and encoded once.

    Args:
        unseen: recordings of the unseen synthesizer, at most.
        nothing: utterances of 10 s each of silence and of noise.
    """
    spotter = load_spotter(run.spotter)
    content = [(said.text, said.terms) for said in (*vocabulary.utterances, *vocabulary.unsaid)]
    digest = fingerprint(
        "benchmark utterances", 1, content, _ROUGH, unseen, nothing, model_digest(run.model), spotter.fingerprint()
    )
    path = run.run.output / "utterances" / f"{digest}.parquet"
    if not path.exists():
        say(f"speaking {len(content)} utterances")
        whisper = load_whisper(run.model, "cpu")
        waves = list(_waves(vocabulary, unseen, nothing, whisper, run.run.seed))
        write_parquet(path, list(_rows(waves, whisper, spotter)), _SCHEMA)
    return [
        Heard(
            row["kind"],
            Said(row["text"], row["language"], tuple(row["terms"]), tuple(row["phonemes"])),
            CompressedUtterance.from_bytes(row["utterance"]),
        )
        for row in read_parquet(path)
    ]


def _waves(
    vocabulary: Vocabulary, unseen: int, nothing: int, whisper: Whisper, seed: int
) -> Iterator[tuple[str, Said, np.ndarray]]:
    spoken = [(ESPEAK, said, wave) for said, wave in _spoken(vocabulary.utterances, seed)]
    yield from spoken
    yield from _unseen(unseen)
    for said, wave in _spoken(vocabulary.unsaid, seed):
        yield UNSAID, said, wave
    draw = np.random.default_rng(seed)
    nobody = Said("", "", (), ())
    for index in range(nothing):
        # Digital silence, and the hiss of a converter.
        hiss = 0.0 if index % 2 == 0 else 1e-4
        yield SILENCE, nobody, (hiss * draw.standard_normal(whisper.window_samples)).astype(np.float32)
        yield NOISE, nobody, _noise(whisper.window_samples, index % 3, draw)
    joined: list[np.ndarray] = []
    for _, _, wave in spoken:
        joined.append(wave)
        if sum(map(len, joined)) >= whisper.window_samples:
            yield LONG, nobody, np.concatenate(joined)[: whisper.window_samples]
            joined = []


def _spoken(utterances: Sequence[Said], seed: int) -> Iterator[tuple[Said, np.ndarray]]:
    for language in sorted({said.language for said in utterances}):
        voice = espeak_voice(language)
        settings = {
            "language": voice,
            "max_seconds": 10,
            "voices": {"speakers": [f"{voice}+{variant}" for variant in _VARIANTS], "augmentation": _ROUGH},
        }
        speech = check(settings, SpeechSettings, "the benchmark's voices")
        speaker = Speaker(speech, speech.voices, {})
        chosen = [said for said in utterances if said.language == language]
        for start in range(0, len(chosen), _AT_ONCE):
            part = chosen[start : start + _AT_ONCE]
            rows = [{"id": fingerprint("said", seed, said.text), "text": said.text} for said in part]
            for said, row in zip(part, speaker(rows), strict=True):
                # A text that takes more than the window is left out.
                if row["status"] == OK:
                    wave, rate = decode_audio(row["audio"])
                    yield said, resample(wave, rate, SAMPLE_RATE)


def _unseen(most: int) -> Iterator[tuple[str, Said, np.ndarray]]:
    rows = read_manifest(FESTIVAL / "unheard_engine.jsonl")
    rows = sorted(generator("unseen").sample(rows, min(most, len(rows))), key=lambda row: str(row["id"]))
    names, voice = set(unseen_names()), espeak_voice(ENGLISH)
    sounds = read_phonemes({word for row in rows for word in row["text"].split()}, voice)
    for row in rows:
        words = row["text"].split()
        phonemes = tuple(sound for word in words for sound in sounds[word])
        wave, rate = read_audio(FESTIVAL / row["audio"])
        said = Said(row["text"], ENGLISH, tuple(word for word in words if word in names), phonemes)
        yield UNSEEN, said, resample(wave, rate, SAMPLE_RATE)


def _noise(samples: int, colour: int, draw: np.random.Generator) -> np.ndarray:
    """White, pink or brown noise: power falls with 0, 1 or 2 powers of the frequency."""
    spectrum = np.fft.rfft(draw.standard_normal(samples))
    spectrum /= np.maximum(np.arange(len(spectrum)), 1) ** (colour / 2)
    wave = np.fft.irfft(spectrum, samples)
    return (_LOUDNESS * wave / wave.std()).clip(-1, 1).astype(np.float32)


def _rows(
    waves: Sequence[tuple[str, Said, np.ndarray]], whisper: Whisper, spotter: Spotter
) -> Iterator[dict[str, object]]:
    for start in range(0, len(waves), _AT_ONCE):
        part = waves[start : start + _AT_ONCE]
        frames = utterance_frames(whisper, [wave for _, _, wave in part], spotter.settings.layers)
        with torch.inference_mode():
            kept = spotter.compress(Frames.stack(frames))[0].unstack()
        for (kind, said, _), recording in zip(part, kept, strict=True):
            yield {
                "kind": kind,
                "text": said.text,
                "language": said.language,
                "terms": list(said.terms),
                "phonemes": list(said.phonemes),
                "utterance": CompressedUtterance.pack(recording, spotter).to_bytes(),
            }
