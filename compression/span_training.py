"""Trains span embeddings: windows find the recordings of what they say, among all that is easily taken for it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from compression.neighbours import phoneme_neighbours
from compression.span_corpus import SpanCorpus
from compression.span_examples import SpanBatch, SpanExamples
from compression.spans import SpanEmbedder, segment_means
from harken.search_settings import SpanTrainingSettings

_TERMS_AT_ONCE = 1024


@dataclass(frozen=True)
class SpanEpoch:
    """A finished epoch: its number from 0 and the mean loss of its steps."""

    number: int
    loss: float


def train_spans(
    spans: SpanEmbedder,
    examples: SpanExamples,
    neighbours: Tensor,
    settings: SpanTrainingSettings,
    on_epoch: Callable[[SpanEpoch], None] | None = None,
) -> SpanEmbedder:
    """Teach an embedder, in place; the same weights for the same arguments on one machine.

    InfoNCE (van den Oord et al. 2018, equation 4) three ways: a window finds its term's recording, a recording its
    window, and another recording. What is drawn into a batch for the other terms is negative for a term, and so are
    for all terms the nearest wrong ones of the whole corpus, which every epoch finds anew; terms that sound alike are
    neither.

    Args:
        neighbours: of every term by sound (`neighbour_table`).
        on_epoch: called after every epoch.
    """
    draw = torch.Generator().manual_seed(settings.seed)
    spans.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(
        spans.parameters(), settings.learning_rate, betas=(0.9, 0.99), weight_decay=settings.weight_decay
    )
    steps = settings.epochs * math.ceil(len(examples) / settings.batch)
    step = 0
    for number in range(settings.epochs):
        nearest = torch.cat([neighbours, _nearest_terms(spans, examples)], dim=1)
        losses = []
        for chosen in torch.randperm(len(examples), generator=draw).split(settings.batch):
            loss = span_loss(spans, examples.batch(chosen, nearest, draw), settings.temperature)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            for group in optimizer.param_groups:
                group["lr"] = settings.learning_rate * _rate(step / steps, settings.final_learning_rate)
            optimizer.step()
            losses.append(float(loss.detach()))
            step += 1
        if on_epoch is not None:
            on_epoch(SpanEpoch(number, sum(losses) / len(losses)))
    return spans.requires_grad_(False).eval()


def span_loss(spans: SpanEmbedder, batch: SpanBatch, temperature: float) -> Tensor:
    """The sum of the cross-entropies."""
    parts = (
        *(batch.windows, batch.recordings, batch.others, batch.negatives, batch.splices, batch.elsewhere),
        *batch.made_up,
    )
    vectors = spans(torch.cat(parts)).split([len(part) for part in parts])
    windows, recordings, others, negatives, splices, elsewhere, made_up, made_up_recordings = vectors
    alike = batch.groups[:, None] == batch.groups
    alike.fill_diagonal_(False)
    wrong = batch.groups[:, None] == batch.negative_groups
    never = alike.new_zeros(len(windows), len(splices))
    wrong_terms = torch.cat([wrong, never], dim=1)
    rejected = torch.cat([negatives, splices])
    none = torch.zeros_like(alike)
    return (
        _cross_entropy(windows, recordings, rejected, alike, wrong_terms, temperature)
        + _cross_entropy(recordings, windows, elsewhere, alike, batch.unclear, temperature)
        + _cross_entropy(recordings, others, rejected, alike, wrong_terms, temperature)
        + _cross_entropy(made_up, made_up_recordings, recordings, none, none, temperature)
    )


def _cross_entropy(
    queries: Tensor, keys: Tensor, rejected: Tensor, alike: Tensor, unclear: Tensor, temperature: float
) -> Tensor:
    """Each query's own key among all; masked pairs count neither way."""
    cosines = queries @ torch.cat([keys, rejected]).T
    logits = (cosines / temperature).masked_fill(torch.cat([alike, unclear], dim=1), float("-inf"))
    return F.cross_entropy(logits, torch.arange(len(queries)))


def _rate(share: float, final: float) -> float:
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * share))


def neighbour_table(corpus: SpanCorpus, settings: SpanTrainingSettings) -> Tensor:
    """Neighbours by sound of every term, (terms, nearest); a term with few has them repeatedly, with none itself.

    A term is of its own sound, and what sounds alike is masked: naming the term itself draws nothing.
    """
    found = phoneme_neighbours(
        [term.phonemes for term in corpus.terms], settings.phoneme_distance, settings.nearest, settings.seed
    )
    table = torch.arange(len(corpus.terms))[:, None].repeat(1, settings.nearest)
    for row, places in zip(table, found, strict=True):
        if len(places):
            row.copy_(torch.from_numpy(places).repeat(math.ceil(len(row) / len(places)))[: len(row)])
    return table


@torch.inference_mode()
def _nearest_terms(spans: SpanEmbedder, examples: SpanExamples) -> Tensor:
    """The wrong terms nearest to every term, (terms, nearest), by the mean vectors of their recordings."""
    recordings = examples.recordings
    ends = recordings.firsts + recordings.lengths
    vectors = torch.cat(
        [
            spans(segment_means(recordings.values, start, end, spans.settings.segments))
            for start, end in zip(recordings.firsts.split(4096), ends.split(4096), strict=True)
        ]
    )
    means = torch.zeros(len(examples.groups), vectors.shape[1])
    means = F.normalize(means.index_add_(0, examples.term_of_recording, vectors), dim=1)
    most = min(examples.settings.nearest, len(means))
    nearest = []
    for rows in torch.arange(len(means)).split(_TERMS_AT_ONCE):
        cosines = means[rows] @ means.T
        cosines.masked_fill_(examples.groups[rows][:, None] == examples.groups, -2.0)
        nearest.append(cosines.topk(most, dim=1).indices)
    return torch.cat(nearest)
