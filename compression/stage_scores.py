"""What the first two stages of a search say of every enrolment, without an index: for training and measuring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compression.cohort import normed
from compression.maxsim import PackedFrames, maxsim
from compression.search_model import SearchModel
from compression.spans import LENGTH_TOLERANCE, Windows


@dataclass(frozen=True)
class Enrolments:
    """Enrolments ready to be scored: `recordings` as kept, `paths` their path vectors, `vectors` (n, size) of spans,
    `statistics` (n, 2) of the background."""

    recordings: Sequence[Tensor]
    paths: PackedFrames
    vectors: Tensor
    statistics: Tensor

    @classmethod
    def of(cls, model: SearchModel, recordings: Sequence[Tensor]) -> Enrolments:
        """Of kept frames (layers, frames, size), at least one recording."""
        packed = torch.cat([recording.transpose(0, 1) for recording in recordings])
        lengths = torch.tensor([recording.shape[1] for recording in recordings])
        return cls(
            recordings,
            PackedFrames(model.path_frames(packed), lengths),
            model.spans.embed(recordings),
            model.background_statistics(recordings),
        )

    @classmethod
    def joined(cls, *parts: Enrolments) -> Enrolments:
        """Those of several, in the order given."""
        return cls(
            [recording for part in parts for recording in part.recordings],
            PackedFrames(
                torch.cat([part.paths.values for part in parts]), torch.cat([part.paths.lengths for part in parts])
            ),
            torch.cat([part.vectors for part in parts]),
            torch.cat([part.statistics for part in parts]),
        )


@dataclass(frozen=True)
class StageScores:
    """Of every enrolment, (n,): `span` the best window's cosine, -1 where none is of its length; `path` z-normed, and
    the first frame and one past the last of its path."""

    span: Tensor
    path: Tensor
    starts: Tensor
    ends: Tensor


def score_stages(model: SearchModel, enrolments: Enrolments, utterance: Tensor) -> StageScores:
    """Score every enrolment in an utterance's kept frames (layers, frames, size)."""
    span = span_scores(enrolments.vectors, enrolments.paths.lengths, model.spans.windows(utterance))
    found = maxsim(enrolments.paths, model.path_frames(utterance.transpose(0, 1)).transpose(0, 1))
    ends = found.ends.clamp(max=utterance.shape[1])
    return StageScores(span, normed(found.scores, enrolments.statistics), found.starts, ends)


def span_scores(vectors: Tensor, lengths: Tensor, windows: Windows) -> Tensor:
    """The cosine of each enrolment's vector with its nearest window's, among those of about its length.

    Args:
        vectors: (n, size).
        lengths: (n,), kept frames of each enrolment.
        windows: of an utterance.
    """
    scores = vectors.new_full((len(vectors),), -1.0)
    widths = (windows.ends - windows.starts).float()
    for length in lengths.unique().tolist():
        near = (widths * LENGTH_TOLERANCE > length) & (widths < length * LENGTH_TOLERANCE)
        if near.any():
            of_this_length = lengths == length
            scores[of_this_length] = (vectors[of_this_length] @ windows.vectors[near].T).amax(dim=1)
    return scores
