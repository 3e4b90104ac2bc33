"""Trains the projection of path scores: the best diagonal of a term's recordings is where the term is said."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from compression.diagonals import best_diagonals
from compression.frames import Frames
from compression.path_head import PathHead
from compression.span_corpus import PackedSums
from compression.span_examples import SpanExamples
from harken.search_settings import PathTrainingSettings


def train_path_head(
    head: PathHead, examples: SpanExamples, neighbours: Tensor, settings: PathTrainingSettings, frames_per_second: float
) -> float:
    """Teach a head, in place, by InfoNCE over path scores: a window finds its term's recording and the reverse.

    Args:
        neighbours: (terms, any), terms that are easily taken for each: a batch holds one for each of its terms.
        frames_per_second: kept frames.

    Returns:
        The mean loss of the last tenth of the steps.
    """
    losses: list[float] = []
    draw = torch.Generator().manual_seed(settings.seed)
    head.requires_grad_(True).train()
    optimizer = torch.optim.AdamW(head.parameters(), settings.learning_rate, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, settings.steps)
    context = settings.context_seconds * frames_per_second
    for _ in range(settings.steps):
        chosen = torch.randint(len(examples), (settings.batch,), generator=draw)
        terms, said_in = examples.terms[chosen], examples.said_in[chosen]
        wrong = neighbours[terms, torch.randint(neighbours.shape[1], (len(terms),), generator=draw)]
        rows = torch.cat([examples.recording_of(terms, said_in, draw), examples.any_recording(wrong, draw)])
        keys = _stretches(examples.recordings, rows, torch.zeros(len(rows)), examples.recordings.lengths[rows])
        starts = (examples.spans[chosen, 0] - context).clamp(min=0).floor()
        ends = (examples.spans[chosen, 1] + context).ceil().minimum(examples.utterances.lengths[said_in].double())
        scores = path_scores(head, keys, _stretches(examples.utterances, said_in, starts, ends))
        sounds = examples.groups[torch.cat([terms, wrong])]
        # What a window may hold beside its own term counts neither way.
        unclear = examples.unclear[said_in][:, sounds].T
        own = torch.arange(len(terms))
        unclear[own, own] = False
        logits = (scores / settings.temperature).masked_fill(unclear, float("-inf"))
        loss = F.cross_entropy(logits.T, own) + F.cross_entropy(logits[: len(own)], own)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
    head.requires_grad_(False).eval()
    last = losses[-max(1, len(losses) // 10) :]
    return sum(last) / len(last)


def path_scores(head: PathHead, keywords: Frames, utterances: Frames) -> Tensor:
    """Best path scores, (keywords, utterances), of unit frames; the best path is chosen without a gradient."""
    rows, columns = (
        head(batch.values.transpose(1, 2)).masked_fill(~batch.mask[..., None, None], 0.0)
        for batch in (keywords, utterances)
    )
    maps = torch.einsum("aklo,bulo->abku", rows, columns) / rows.shape[2]
    lengths = keywords.lengths.repeat_interleave(len(utterances))
    return best_diagonals(maps.flatten(0, 1), lengths).scores.view(len(keywords), len(utterances))


def _stretches(packed: PackedSums, rows: Tensor, starts: Tensor, ends: Tensor) -> Frames:
    """Unit frames from `starts` to `ends` of some recordings, whose sums they are the steps of."""
    firsts = packed.firsts[rows]
    borders = zip((firsts + starts.long()).tolist(), (firsts + ends.long()).tolist(), strict=True)
    return Frames.stack([packed.values[start : end + 1].diff(dim=0).transpose(0, 1) for start, end in borders])
