"""A search model taught on made-up sounds: terms of a few noises each, said slower, faster and in noise."""

from functools import cache
from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from compression.codebook import spherical_centroids
from compression.compressed import spliced
from compression.inventory import Inventory, Term, Utterance
from compression.search_calibration import calibrate
from compression.search_model import SearchModel
from compression.search_recall import Glossary, ranks, said_terms, scored_utterances
from compression.search_training import train_search_model
from compression.span_corpus import Occurrence, SpanCorpus
from compression.stage_scores import Enrolments
from harken.errors import HarkenError
from harken.search_settings import (
    CalibrationSettings,
    PathTrainingSettings,
    SearchModelSettings,
    SearchSettings,
    SpanSettings,
    SpanTrainingSettings,
)
from tests.tiny_spotter import LAYERS, tiny_spotter

SIZE, SOUNDS, TERMS = 8, 16, 60
SETTINGS = SearchSettings(
    model=SearchModelSettings(spans=SpanSettings(hidden=48, size=32, shortest_frames=2), path_size=8),
    spans=SpanTrainingSettings(epochs=10, batch=80, other_windows=64),
    path=PathTrainingSettings(steps=120, batch=24, learning_rate=5e-3, context_seconds=0.3),
    centroids=8,
    codebook_splices=50,
    cohort=6,
    calibration=CalibrationSettings(candidates=10),
)


def spoken(sounds: list[int], draw: torch.Generator, noise: float = 0.5) -> Tensor:
    """A recording of 6 to 9 frames; all frames share a part, and the voice a part of its own."""
    alphabet = torch.randn(SOUNDS, LAYERS, SIZE, generator=torch.Generator().manual_seed(1))
    length = int(torch.randint(6, 10, (), generator=draw))
    clean = torch.stack([alphabet[sounds[frame * len(sounds) // length]] for frame in range(length)], dim=1)
    voice = torch.zeros(LAYERS, 1, SIZE)
    voice[..., :2] = 2 * torch.randn(LAYERS, 1, 2, generator=draw)
    return 2.0 + clean + voice + noise * torch.randn(clean.shape, generator=draw)


@cache
def corpus(seed: int, timed: bool = True) -> tuple[SpanCorpus, list[Utterance]]:
    """Terms of 4 sounds with three recordings each, and utterances of two terms."""
    draw = torch.Generator().manual_seed(seed)
    words = [torch.randint(SOUNDS, (4,), generator=draw).tolist() for _ in range(TERMS)]
    terms = [
        Term(f"{seed}-{number}", tuple(map(str, word)), tuple(f"{seed}-{number}-{take}" for take in range(3)))
        for number, word in enumerate(words)
    ]
    recordings = {
        name: spoken(word, draw) for term, word in zip(terms, words, strict=True) for name in term.synthesized
    }
    heard, occurrences, utterances = {}, [], []
    for number in range(120):
        name, chosen = f"u{seed}-{number}", torch.randperm(TERMS, generator=draw)[:2].tolist()
        parts = [spoken(words[place], draw) for place in chosen]
        heard[name] = torch.cat(parts, dim=1)
        borders = torch.tensor([0] + [part.shape[1] for part in parts]).cumsum(0).tolist()
        for place, (start, end) in zip(chosen, pairwise(borders), strict=True):
            times = (float(start), float(end)) if timed else (None, None)
            occurrences.append(Occurrence(terms[place].text, name, *times))
        utterances.append(Utterance(name, frozenset(terms[place].text for place in chosen)))
    inventory = Inventory(terms)
    unclear = {utterance.name: inventory.unclear(utterance) for utterance in utterances}
    return SpanCorpus(tuple(terms), recordings, heard, unclear, tuple(occurrences), 12.0), utterances


@cache
def trained() -> tuple[SearchModel, SearchModel]:
    """A model as it is before and after training."""
    spotter, (training, _) = tiny_spotter("LHF"), corpus(0)
    untrained = SETTINGS.model_copy(
        update={
            "spans": SETTINGS.spans.model_copy(update={"epochs": 1, "learning_rate": 1e-9}),
            "path": SETTINGS.path.model_copy(update={"steps": 1, "learning_rate": 1e-9}),
        }
    )
    return tuple(train_search_model(spotter, training, one, 0, lambda _: None) for one in (untrained, SETTINGS))  # type: ignore[return-value]


def glossary(model: SearchModel, made_up: int = 100) -> Glossary:
    """Terms that no model was trained on, and made-up ones."""
    unseen, _ = corpus(5)
    first = [unseen.recordings[term.synthesized[0]] for term in unseen.terms]
    texts = tuple(term.text for term in unseen.terms)
    return Glossary(Inventory(unseen.terms), texts, Enrolments.of(model, first + spliced(first, made_up, 0)))


def found_first(model: SearchModel, stage: str, first: int = 3) -> float:
    unseen, utterances = corpus(5)
    heard = [(utterance, unseen.utterances[utterance.name]) for utterance in utterances]
    listed = glossary(model)
    places = [
        ranks(getattr(scores, stage), one, [len(listed)])[0]
        for _, said, scores in scored_utterances(model, listed, heard)
        for one in said
    ]
    assert len(places) == 240
    return sum(place <= first for place in places) / len(places)


@pytest.mark.parametrize("stage", ["span", "path"])
def test_training_finds_terms_that_it_has_not_heard(stage: str) -> None:
    before, after = trained()
    assert found_first(after, stage) > found_first(before, stage) + 0.1
    assert found_first(after, stage) > 0.6


def test_the_same_arguments_make_the_same_model() -> None:
    short = SETTINGS.model_copy(update={"spans": SETTINGS.spans.model_copy(update={"epochs": 2})})
    spotter, (training, _) = tiny_spotter("LHF"), corpus(0)
    first, again, other = (
        train_search_model(spotter, training, short, seed, lambda _: None).fingerprint() for seed in (0, 0, 1)
    )
    assert first == again != other


def test_calibration_separates_what_was_said() -> None:
    _, model = trained()
    unseen, utterances = corpus(5)
    heard = [(utterance, unseen.utterances[utterance.name]) for utterance in utterances]
    listed = glossary(model)
    draw = torch.Generator().manual_seed(9)
    silence = [0.1 * torch.randn(LAYERS, 30, SIZE, generator=draw) for _ in range(4)]
    everything = SETTINGS.calibration.model_copy(update={"probability": 0.0})
    found = calibrate(model, tiny_spotter("LHF"), listed, heard, silence, everything)
    kept = [
        (float(scores.span[one.own].max()), float(scores.path[one.own].max()))
        for _, said, scores in scored_utterances(model, listed, heard)
        for one in said
    ]
    assert sum(span >= found.span_threshold for span, _ in kept) >= 0.99 * len(kept)
    assert sum(path >= found.path_threshold for _, path in kept) >= 0.99 * len(kept)
    assert found.weights[0] > 0
    assert 16 <= found.path_cap <= 512
    likely = calibrate(model, tiny_spotter("LHF"), listed, heard, silence, SETTINGS.calibration)
    assert likely.weights == found.weights
    assert likely.path_threshold >= found.path_threshold
    assert likely.path_cap <= found.path_cap


def test_occurrences_without_times_are_located() -> None:
    timed, _ = corpus(0)
    untimed, _ = corpus(0, timed=False)
    close = [
        abs(one.start - truth.start) <= 2 and abs(one.end - truth.end) <= 3  # type: ignore[operator]
        for one, truth in zip(untimed.located().occurrences, timed.occurrences, strict=True)
    ]
    assert sum(close) > 0.7 * len(close)
    assert timed.located() == timed


def test_terms_that_sound_alike_do_not_compete() -> None:
    terms = [Term("sea", ("s", "i")), Term("see", ("s", "i")), Term("tea", ("t", "i"))]
    _, model = trained()
    recordings = [spoken([number, 3, 4], torch.Generator().manual_seed(number)) for number in range(3)]
    listed = Glossary(Inventory(terms), ("sea", "see", "tea"), Enrolments.of(model, recordings))
    (said,) = said_terms(listed, Utterance("u", frozenset({"sea"})))
    assert said.own.tolist() == [0, 1]
    assert said.others.tolist() == [False, False, True]
    assert ranks(torch.tensor([0.2, 0.5, 0.4]), said, [3]) == [1]
    assert ranks(torch.tensor([0.2, 0.4, 0.4]), said, [2, 3]) == [1, 2]


def test_without_occurrences_nothing_can_be_learnt() -> None:
    training, _ = corpus(0)
    empty = SpanCorpus(training.terms, training.recordings, training.utterances, training.unclear, (), 12.0)
    with pytest.raises(HarkenError, match="occurrences of terms"):
        train_search_model(tiny_spotter("LHF"), empty, SETTINGS, 0, lambda _: None)


def test_centroids_are_unit_vectors_and_all_in_use() -> None:
    draw = torch.Generator().manual_seed(0)
    centres = F.normalize(torch.randn(6, 16, generator=draw), dim=1)
    vectors = F.normalize(centres.repeat(50, 1) + 0.1 * torch.randn(300, 16, generator=draw), dim=1)
    found = spherical_centroids(vectors, 6, seed=0)
    assert torch.equal(found, spherical_centroids(vectors, 6, seed=0))
    torch.testing.assert_close(found.norm(dim=1), torch.ones(6))
    assert set((vectors @ found.T).argmax(dim=1).tolist()) == set(range(6))
    with pytest.raises(HarkenError, match="centroids"):
        spherical_centroids(vectors[:5], 6, seed=0)
