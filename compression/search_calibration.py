"""Fits a search model's calibration on utterances and a glossary full of distractors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compression.calibration import Calibration, Evidence, Labelled, fit_weights, recall_threshold
from compression.frames import Frames
from compression.glossary.partitions import PARTITIONS
from compression.inventory import Utterance
from compression.search_model import SearchModel
from compression.search_recall import Glossary, SaidTerm, ranks, scored_utterances
from compression.spotter import Spotter
from compression.stage_scores import StageScores, score_stages
from harken.search_settings import CalibrationSettings

# A cap must hold for the fullest of a glossary's partitions, and for larger glossaries.
_CAP_SLACK = 2.0
# Fewer would save no time.
_SPAN_CAPS, _PATH_CAPS = (128, 512), (16, 512)
# Of the known terms, so many times fewer make the smallest glossary that the probabilities must hold for.
_THINNED = 4


@dataclass(frozen=True)
class _Told:
    """A said term: the stages' scores of its best enrolment, and its place in each stage's list."""

    span: float
    path: float
    span_place: int
    path_place: int


def calibrate(
    model: SearchModel,
    spotter: Spotter,
    glossary: Glossary,
    utterances: Sequence[tuple[Utterance, Tensor]],
    background: Sequence[Tensor],
    settings: CalibrationSettings,
) -> Calibration:
    """The calibration of a model whose other parts are final.

    Every utterance counts twice: as it is, and held against the glossary without the terms that it says, as most
    speech is; and so in glossaries of three sizes: a quarter of the known terms, all of them, and the made-up ones as
    well. What the stages let through is decided by the terms that would be found if they let through everything: the
    thresholds by those in any size, the caps by those in the largest.

    Args:
        glossary: holds the terms that the utterances say; the more others, the rarer a hit by chance becomes.
        utterances: with their kept frames, in voices that the model was not trained on.
        background: kept frames (layers, frames, size) of recordings in which nobody speaks.

    Raises:
        HarkenError: no utterance says a term of the glossary.
    """
    frames = {utterance.name: kept for utterance, kept in utterances}
    sizes = _sizes(glossary)
    labelled: list[Labelled] = []
    told: list[_Told] = []
    with_terms: list[list[tuple[Labelled, int]]] = [[] for _ in sizes]
    for utterance, said, scores in scored_utterances(model, glossary, utterances):
        heard = frames[utterance.name]
        for size, of_size in zip(sizes, with_terms, strict=True):
            found = _labelled(spotter, glossary, heard, said, scores, size, settings.candidates)
            labelled += [found, _without(found, len(said))]
            of_size.append((found, len(said)))
        told += [_told(glossary, one, scores) for one in said]
    for heard in background:
        scores = score_stages(model, glossary.enrolments, heard)
        labelled += [_labelled(spotter, glossary, heard, [], scores, size, settings.candidates) for size in sizes]
    weights, bias = fit_weights(labelled, settings.penalty)
    opened = Calibration(weights, bias, -1.0, -math.inf, 1, 1)
    likely = np.array(
        [
            np.concatenate([opened.probability(found.evidence)[:count] for found, count in of_size])
            for of_size in with_terms
        ]
    )
    # Terms that nothing would find are none that a stage could lose.
    anywhere = _selected(told, likely.max(axis=0) >= settings.probability)
    largest = _selected(told, likely[-1] >= settings.probability)
    return Calibration(
        weights,
        bias,
        recall_threshold([one.span for one in anywhere], settings.stage_recall),
        recall_threshold([one.path for one in anywhere], settings.stage_recall),
        _cap([one.span_place for one in largest], settings.stage_recall, _SPAN_CAPS),
        _cap([one.path_place for one in largest], settings.stage_recall, _PATH_CAPS),
    )


def _sizes(glossary: Glossary) -> list[Tensor]:
    """Which enrolments (n,) are in glossaries of each size."""
    every = torch.arange(len(glossary))
    known = every < len(glossary.texts)
    return [known & (every % _THINNED == 0), known, torch.ones_like(known)]


def _selected(told: Sequence[_Told], chosen: NDArray[np.bool_]) -> list[_Told]:
    return [one for one, is_chosen in zip(told, chosen, strict=True) if is_chosen] or list(told)


def _labelled(
    spotter: Spotter,
    glossary: Glossary,
    heard: Tensor,
    said: Sequence[SaidTerm],
    scores: StageScores,
    size: Tensor,
    candidates: int,
) -> Labelled:
    """The said terms, a row each by its best enrolment, then the others that are likeliest by the second stage."""
    own = torch.tensor([int(one.own[scores.path[one.own].argmax()]) for one in said], dtype=torch.int64)
    rivals = scores.path.masked_fill(~size, -math.inf)
    for one in said:
        rivals[one.own] = -math.inf
    rows = torch.cat([own, rivals.topk(min(candidates, int(rivals.isfinite().sum()))).indices])
    recordings = [glossary.enrolments.recordings[row] for row in rows.tolist()]
    with torch.inference_mode():
        logits = spotter.score(Frames.stack(recordings), Frames.stack([heard]))[:, 0]
    lengths = torch.tensor([recording.shape[1] for recording in recordings]).log()
    features = torch.stack([scores.path[rows], logits, scores.span[rows], lengths], dim=1).double().numpy()
    evidence = Evidence(
        features, scores.starts[rows].numpy(), scores.ends[rows].numpy(), rows.numpy().astype(np.uint64)
    )
    is_said: NDArray[np.bool_] = np.arange(len(rows)) < len(own)
    # What is part of a said term competes with it, but whether it was said as well is a matter of taste.
    others = said[0].others[rows].numpy() if said else np.ones(len(rows), bool)
    return Labelled(evidence, is_said, is_said | others)


def _without(found: Labelled, count: int) -> Labelled:
    """The same utterance held against a glossary that has not the terms of the first rows."""
    whole = found.evidence
    rest = Evidence(whole.features[count:], whole.starts[count:], whole.ends[count:], whole.entries[count:])
    return Labelled(rest, found.said[count:], found.counted[count:])


def _told(glossary: Glossary, said: SaidTerm, scores: StageScores) -> _Told:
    count = [len(glossary)]
    return _Told(
        float(scores.span[said.own].max()),
        float(scores.path[said.own].max()),
        ranks(scores.span, said, count)[0],
        ranks(scores.path, said, count)[0],
    )


def _cap(places: Sequence[int], recall: float, bounds: tuple[int, int]) -> int:
    """Terms of a partition that a stage must let through so that this share of said terms is among them."""
    least = -recall_threshold([-place for place in places], recall)
    return int(min(max(math.ceil(_CAP_SLACK * least / PARTITIONS), bounds[0]), bounds[1]))
