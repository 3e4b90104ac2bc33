"""Fits a search model's calibration on utterances and a glossary full of distractors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compression.calibration import Calibration, fit_weights, margins, recall_threshold
from compression.frames import Frames
from compression.glossary.partitions import PARTITIONS
from compression.inventory import Utterance
from compression.search_model import SearchModel
from compression.search_recall import Glossary, SaidTerm, ranks, scored_utterances
from compression.spotter import Spotter
from compression.stage_scores import StageScores
from harken.search_settings import CalibrationSettings

# A cap must hold for the fullest of a glossary's partitions, and for larger glossaries.
_CAP_SLACK = 2.0
_CAPS = (16, 512)


@dataclass(frozen=True)
class _Evidence:
    """Of one utterance: features and labels of its candidates; of its said terms the stages' scores and ranks."""

    features: NDArray[np.float64]
    labels: NDArray[np.bool_]
    said: list[tuple[float, float, int, int]]


def calibrate(
    model: SearchModel,
    spotter: Spotter,
    glossary: Glossary,
    utterances: Sequence[tuple[Utterance, Tensor]],
    settings: CalibrationSettings,
) -> Calibration:
    """The calibration of a model whose other parts are final.

    Args:
        glossary: holds the terms that the utterances say; the more others, the rarer a hit by chance becomes.
        utterances: with their kept frames, in voices that the model was not trained on.

    Raises:
        HarkenError: no utterance says a term of the glossary.
    """
    frames = {utterance.name: kept for utterance, kept in utterances}
    evidence = [
        _evidence(spotter, glossary, frames[utterance.name], said, scores, settings.candidates)
        for utterance, said, scores in scored_utterances(model, glossary, utterances)
    ]
    told = [one for part in evidence for one in part.said]
    spans, paths = [one[0] for one in told], [one[1] for one in told]
    span_threshold = recall_threshold(spans, settings.stage_recall)
    path_threshold = recall_threshold(paths, settings.stage_recall)
    weights, bias = fit_weights(
        np.concatenate([part.features for part in evidence]),
        np.concatenate([part.labels for part in evidence]),
        settings.penalty,
    )
    return Calibration(
        weights,
        bias,
        span_threshold,
        path_threshold,
        _cap([one[2] for one in told], settings.stage_recall),
        _cap([one[3] for one in told], settings.stage_recall),
    )


def _evidence(
    spotter: Spotter, glossary: Glossary, heard: Tensor, said: list[SaidTerm], scores: StageScores, candidates: int
) -> _Evidence:
    own = torch.cat([one.own[scores.path[one.own].argmax()][None] for one in said])
    others = scores.path.masked_fill(~said[0].others, -math.inf)
    others[torch.cat([one.own for one in said])] = -math.inf
    rivals = others.topk(min(candidates, int(others.isfinite().sum()))).indices
    rows = torch.cat([own, rivals])
    recordings = [glossary.enrolments.recordings[row] for row in rows.tolist()]
    with torch.inference_mode():
        logits = spotter.score(Frames.stack(recordings), Frames.stack([heard]))[:, 0]
    margin = margins(scores.starts[rows].numpy(), scores.ends[rows].numpy(), logits.numpy())
    lengths = torch.tensor([recording.shape[1] for recording in recordings]).log()
    features = torch.stack([scores.path[rows], logits, scores.span[rows], lengths], dim=1).double().numpy()
    count = [len(glossary)]
    return _Evidence(
        np.column_stack([features, margin]),
        np.arange(len(rows)) < len(own),
        [
            (
                float(scores.span[one.own].max()),
                float(scores.path[one.own].max()),
                ranks(scores.span, one, count)[0],
                ranks(scores.path, one, count)[0],
            )
            for one in said
        ],
    )


def _cap(places: Sequence[int], recall: float) -> int:
    """Terms of a partition that a stage must let through so that this share of said terms is among them."""
    least = -recall_threshold([-place for place in places], recall)
    return int(min(max(math.ceil(_CAP_SLACK * least / PARTITIONS), _CAPS[0]), _CAPS[1]))
