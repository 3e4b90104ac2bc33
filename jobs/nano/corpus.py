"""Speaks the training and test text and stores log-mel features in shards that can be made in any order.

Every utterance is a function of (seed, shard name, index). A shard is written to a temporary name and renamed, so an
interrupted run leaves whole shards only and goes on with the missing ones.
"""

from __future__ import annotations

import csv
import functools
import json
import multiprocessing
import os
import random
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soxr
import torch

from actors.tts.espeak import ENGINE_RATE, HELD_OUT_VARIANTS, MANDARIN, TRAINING_VARIANTS, Engine, voice_name
from actors.tts.flite import VOICES as FLITE_VOICES
from actors.tts.flite import FliteSynthesizer, flite_binary
from actors.tts.interface import SpeechRequest
from harken import augment
from harken.errors import HarkenError
from jobs.nano.features import SAMPLE_RATE, log_mel
from jobs.nano.settings import NanoConfig
from jobs.nano.text import DomainFilter, Sentence, Writer, split_of
from jobs.nano.tokenizer import character_inventory

TEST_SETS = ("seen-voices", "unseen-voices", "domain", "prompts", "silence")
_ENGLISH = "en-us"


@dataclass
class Utterance:
    """One clip: its text and what is in it, how it was spoken, and its features (frames, 80) float16."""

    text: str
    language: str
    terms: list[str]
    phonemes: list[str]
    voice: str
    seconds: float
    features: np.ndarray


def read_domain(path: str) -> list[str]:
    """The terms of a CSV file with the columns term,category; HarkenError when it cannot be read."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            return [row["term"] for row in csv.DictReader(file)]
    except (OSError, KeyError) as failure:
        remedy = f"Give a CSV file with the columns term,category ({failure})."
        raise HarkenError("domain term list", path, remedy) from None


def make_writer(config: NanoConfig) -> Writer:
    """The writer that keeps the configured domain terms out of its sentences."""
    terms = read_domain(config.text.domain)
    return Writer(DomainFilter(terms), character_inventory(terms, config.text.characters))


def use_flite(config: NanoConfig) -> bool:
    """Whether English is also spoken by Flite; HarkenError when it is demanded but not installed."""
    if config.corpus.flite == "always":
        FliteSynthesizer()
    return config.corpus.flite != "never" and flite_binary() is not None


@dataclass(frozen=True)
class _Manner:
    """How far voices and surroundings may stray."""

    variants: tuple[str, ...]
    speeds: tuple[float, float]
    noise_share: float
    snr: tuple[float, float]
    effects: bool


_TRAINING = _Manner(TRAINING_VARIANTS, (0.87, 1.15), 0.5, (6.0, 35.0), True)
_SEEN = _Manner(TRAINING_VARIANTS, (0.93, 1.07), 0.3, (15.0, 35.0), False)
_UNSEEN = _Manner(HELD_OUT_VARIANTS, (0.87, 1.15), 0.6, (10.0, 30.0), True)


class Speaker:
    """Speaks sentences through open engines and turns them into features."""

    def __init__(self, config: NanoConfig, engine: Engine) -> None:
        self._config = config
        self._engine = engine
        self._flite = FliteSynthesizer() if use_flite(config) else None

    def utterance(self, sentence: Sentence, manner: _Manner, rng: random.Random) -> Utterance | None:
        """The spoken sentence, or None when it does not fit the window."""
        generator = np.random.default_rng(rng.getrandbits(32))
        language = _ENGLISH if sentence.language == "en" else MANDARIN
        if sentence.language == "en" and self._flite and manner is not _UNSEEN and rng.random() < 0.35:
            voice = rng.choice(list(FLITE_VOICES))
            rate, pitch = rng.uniform(0.75, 1.4), rng.uniform(-3, 4)
            spoken = self._flite.synthesize([SpeechRequest("", sentence.text, sentence.text, voice, rate, pitch)])[0]
            if spoken.wave is None:
                raise RuntimeError(spoken.error)
            wave, voice = spoken.wave, f"flite {voice}"
        else:
            voice = voice_name(rng.choice(manner.variants), language)
            pace = round(rng.triangular(130, 270, 185))
            wave = self._engine.speak(sentence.text, voice, pace, rng.randint(20, 80), rng.randint(15, 85))
            wave = soxr.resample(wave, ENGINE_RATE, SAMPLE_RATE, quality="MQ").astype(np.float32)
        phonemes = self._engine.phonemes(sentence.text, language) if sentence.text else []
        # Changing the speed by resampling moves the formants: it is vocal-tract augmentation, and the voice's own
        # pace, drawn independently, keeps tempo and vocal tract from going together.
        if rng.random() < 0.7:
            wave = augment.speed(wave, rng.uniform(*manner.speeds))
        wave = self._surround(wave, manner, rng, generator)
        if not 0.2 <= len(wave) / SAMPLE_RATE <= self._config.model.window_seconds - 0.1:
            return None
        return self._featurise(wave, sentence, phonemes, voice)

    def silence(self, rng: random.Random) -> Utterance:
        """A clip without speech: digital silence, faint or loud noise of some colour, or hum."""
        generator = np.random.default_rng(rng.getrandbits(32))
        samples = int(rng.uniform(0.5, 8.0) * SAMPLE_RATE)
        colour = rng.choice(("none", *augment.NOISE_COLOURS))
        wave: np.ndarray = np.zeros(samples, np.float32)
        if colour != "none":
            level = 10 ** (rng.uniform(-70, -12) / 20)
            wave = level * augment.coloured_noise(generator, samples, colour, SAMPLE_RATE)
            if rng.random() < 0.3:
                wave[rng.randrange(samples) :] *= rng.uniform(0, 0.5)
        wave = np.clip(wave, -1, 1).astype(np.float32)
        return self._featurise(wave, Sentence("", "zh"), [], f"silence {colour}")

    def _surround(
        self, wave: np.ndarray, manner: _Manner, rng: random.Random, generator: np.random.Generator
    ) -> np.ndarray:
        before, after = (int(rng.uniform(0, longest) * SAMPLE_RATE) for longest in (0.4, 0.25))
        wave = np.concatenate([np.zeros(before, np.float32), wave, np.zeros(after, np.float32)])
        if manner.effects and rng.random() < 0.25:
            wave = augment.room(wave, generator, SAMPLE_RATE, rng.uniform(0.08, 0.4), rng.uniform(0.15, 0.6))
        if rng.random() < manner.noise_share:
            colour = rng.choice(augment.NOISE_COLOURS)
            wave = augment.add_noise(wave, generator, rng.uniform(*manner.snr), colour, SAMPLE_RATE)
        if manner.effects and rng.random() < 0.12:
            wave = augment.telephone(wave, SAMPLE_RATE) if rng.random() < 0.6 else augment.mu_law(wave)
        return augment.gain(wave, rng.uniform(-18, 3))

    def _featurise(self, wave: np.ndarray, sentence: Sentence, phonemes: list[str], voice: str) -> Utterance:
        features = log_mel(wave, self._config.model.window_seconds, self._config.model.hop_length)
        return Utterance(
            sentence.text,
            sentence.language,
            list(sentence.terms),
            phonemes,
            voice,
            len(wave) / SAMPLE_RATE,
            features.astype(np.float16),
        )


def _training_utterances(config: NanoConfig, shard: int) -> Iterator[Utterance]:
    writer = make_writer(config)
    with Engine(config.seed) as engine:
        speaker = Speaker(config, engine)
        for index in range(config.corpus.shard_size):
            rng = random.Random(f"{config.seed}:train:{shard}:{index}")
            if rng.random() < config.corpus.silence:
                yield speaker.silence(rng)
                continue
            utterance = None
            while utterance is None:
                short = rng.random() < config.text.short
                text = config.text
                sentence = writer.sentence(rng, text.pseudo, text.english, short, text.sequences)
                held_out = split_of(sentence.text) != "nano-train" or any(is_held_out_term(t) for t in sentence.terms)
                if not held_out:
                    utterance = speaker.utterance(sentence, _TRAINING, rng)
            yield utterance


def is_held_out_term(term: str) -> bool:
    """Pseudo-terms kept for the prompt test."""
    return split_of(term) == "nano-test"


def held_out_terms(writer: Writer, rng: random.Random, count: int) -> list[str]:
    """`count` different pseudo-terms that no training sentence holds."""
    found: dict[str, None] = {}
    while len(found) < count:
        term = writer.pseudo_term(rng)
        if is_held_out_term(term) and len(term) <= 12:
            found[term] = None
    return list(found)


def _test_utterances(config: NanoConfig, name: str) -> Iterator[Utterance]:
    rng = random.Random(f"{config.seed}:{name}")
    writer = make_writer(config)
    terms = read_domain(config.text.domain)
    count = config.corpus.test_size
    names = rng.sample(terms, min(count, len(terms))) if name == "domain" else held_out_terms(writer, rng, count)
    with Engine(config.seed) as engine:
        speaker = Speaker(config, engine)
        for index in range(count):
            utterance = None
            while utterance is None:
                if name == "silence":
                    utterance = speaker.silence(rng)
                elif name in ("domain", "prompts"):
                    sentence = writer.with_term(rng, names[index % len(names)])
                    utterance = speaker.utterance(sentence, _SEEN, rng)
                else:
                    sentence = writer.general(rng, "nano-test")
                    utterance = speaker.utterance(sentence, _SEEN if name == "seen-voices" else _UNSEEN, rng)
            yield utterance


def shard_path(config: NanoConfig, name: str | int) -> Path:
    """Where a training shard (by number) or a test set (by name) is stored."""
    stem = f"train-{name:04d}" if isinstance(name, int) else f"test-{name}"
    return Path(config.output_directory) / "corpus" / f"{stem}.npz"


def save_shard(path: Path, utterances: list[Utterance]) -> None:
    """Write utterances as one file, whole or not at all."""
    rows = []
    for utterance in utterances:
        row = asdict(utterance)
        row["frames"] = len(row.pop("features"))
        rows.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        features = np.concatenate([utterance.features for utterance in utterances])
        np.savez(file, features=features, rows=np.frombuffer(json.dumps(rows).encode(), np.uint8))
    temporary.replace(path)


def load_shard(path: Path) -> list[Utterance]:
    """The utterances of a stored shard, in order."""
    with np.load(path) as stored:
        features, rows = stored["features"], json.loads(stored["rows"].tobytes())
    utterances, start = [], 0
    for row in rows:
        frames = row.pop("frames")
        utterances.append(Utterance(**row, features=features[start : start + frames]))
        start += frames
    return utterances


def _make(config: NanoConfig, name: str | int) -> None:
    torch.set_num_threads(1)
    made = _training_utterances(config, name) if isinstance(name, int) else _test_utterances(config, name)
    save_shard(shard_path(config, name), list(made))


def make_corpus(config: NanoConfig) -> None:
    """Make the test sets and the training shards that are missing, in parallel."""
    names: list[str | int] = [*TEST_SETS, *range(config.corpus.shards)]
    missing = [name for name in names if not shard_path(config, name).exists()]
    if not missing:
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(config.corpus.processes) as pool:
        for done, _ in enumerate(pool.imap_unordered(functools.partial(_make, config), missing), start=1):
            print(f"corpus: {done}/{len(missing)} shards", flush=True)


def training_shards(config: NanoConfig) -> list[Path]:
    """The finished training shards, in order."""
    return [path for n in range(config.corpus.shards) if (path := shard_path(config, n)).exists()]
