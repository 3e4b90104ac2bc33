"""Acoustic span embeddings: one vector for a stretch of kept frames, whatever its length.

A span is cut into a few equal segments, each is averaged and a small network makes one unit vector of them, so that
the order of the sounds counts and the rate of speech does not. Terms are embedded once, utterances window by window.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from compression.frames import Frames
from harken.errors import HarkenError
from harken.search_settings import SpanSettings

_RECORDINGS_AT_ONCE = 1024

LENGTH_TOLERANCE = 1.5
"""An enrolment is compared with windows that are less than so many times longer or shorter."""


@dataclass(frozen=True)
class Windows:
    """All windows of an utterance: `starts` and `ends` in kept frames, int64 (n,); unit `vectors` (n, size)."""

    starts: Tensor
    ends: Tensor
    vectors: Tensor

    def __len__(self) -> int:
        return len(self.starts)


class SpanEmbedder(nn.Module):
    """Segment means of unit frames to a unit vector.

    Args:
        layers: of the kept frames.
        frame_size: values per kept frame and layer.
        longest: kept frames of the longest window.
        seed: of the initial weights.
    """

    def __init__(self, settings: SpanSettings, layers: int, frame_size: int, longest: int, seed: int = 0) -> None:
        super().__init__()
        self.settings, self.layers, self.frame_size, self.longest = settings, layers, frame_size, longest
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = nn.Sequential(
                nn.Linear(layers * settings.segments * frame_size, settings.hidden),
                nn.ReLU(),
                nn.Linear(settings.hidden, settings.size),
            )

    def forward(self, means: Tensor) -> Tensor:
        """Unit vectors (n, size) of `segment_means` (n, layers, segments, frame_size)."""
        return F.normalize(self.network(means.flatten(1)), dim=-1)

    @torch.inference_mode()
    def embed(self, recordings: Sequence[Tensor]) -> Tensor:
        """Unit vectors, float32 (n, size), of recordings of one term each, (layers, frames, frame_size).

        A recording's vector depends on the recording alone: it is computed in float64, where what batching does to
        the last bits does not reach the result.

        Raises:
            HarkenError: frames of another shape, or a recording without any.
        """
        exact = copy.deepcopy(self).double()
        vectors = [torch.empty(0, self.settings.size)]
        for start in range(0, len(recordings), _RECORDINGS_AT_ONCE):
            batch = recordings[start : start + _RECORDINGS_AT_ONCE]
            for recording in batch:
                self._check(recording)
            frames = Frames.stack([recording.double() for recording in batch])
            sums = running_sums(frames)
            firsts = torch.arange(len(batch)) * sums.shape[1]
            means = segment_means(sums.flatten(0, 1), firsts, firsts + frames.lengths, self.settings.segments)
            vectors.append(exact(means).float())
        return torch.cat(vectors)

    @torch.inference_mode()
    def windows(self, frames: Tensor) -> Windows:
        """Every window of an utterance, (layers, frames, frame_size): `ladder` lengths, each from every frame.

        An utterance shorter than the shortest window is one window.

        Raises:
            HarkenError: frames of another shape, or none.
        """
        self._check(frames)
        count = frames.shape[1]
        starts: list[Tensor] = []
        ends: list[Tensor] = []
        for length in self.ladder():
            if length <= count or not starts:
                first = torch.arange(max(1, count - length + 1))
                starts.append(first)
                ends.append((first + length).clamp(max=count))
        begin, end = torch.cat(starts), torch.cat(ends)
        sums = running_sums(Frames.stack([frames.float()]))[0]
        means = segment_means(sums, begin, end, self.settings.segments)
        return Windows(begin, end, self(means))

    def ladder(self) -> tuple[int, ...]:
        """The lengths of windows in kept frames, ascending."""
        lengths = [min(self.settings.shortest_frames, self.longest)]
        while lengths[-1] < self.longest:
            longer = max(lengths[-1] + 1, round(lengths[-1] * self.settings.length_ratio))
            lengths.append(min(self.longest, longer))
        return tuple(lengths)

    @staticmethod
    def encode_int8(vectors: Tensor) -> Tensor:
        """int8 codes of unit vectors (..., size): the dot of two codes over 127 squared is nearly their cosine."""
        return (vectors * 127).round().to(torch.int8)

    def _check(self, recording: Tensor) -> None:
        if recording.dim() != 3 or recording.shape[0::2] != (self.layers, self.frame_size) or not recording.shape[1]:
            expected = f"({self.layers}, one or more, {self.frame_size})"
            raise HarkenError(
                "kept frames", tuple(recording.shape), f"A span has {expected}: compress with the model's spotter."
            )


def running_sums(frames: Frames) -> Tensor:
    """Sums of unit frames up to every border: (batch, layers, frames, size) to (batch, frames + 1, layers, size)."""
    unit = F.normalize(frames.without_padding().values, dim=-1)
    return F.pad(unit.cumsum(dim=2), (0, 0, 1, 0)).transpose(1, 2)


def segment_means(sums: Tensor, starts: Tensor, ends: Tensor, segments: int) -> Tensor:
    """Averages over equal parts of spans; a frame that a border divides counts by its parts.

    Args:
        sums: (borders, layers, size), running sums of one recording or of several one after another.
        starts: (spans,), borders or places between them.
        ends: (spans,), greater than the starts.

    Returns:
        (spans, layers, segments, size).
    """
    # Places in long packs of recordings have too few bits left in float32.
    starts, lengths = starts.double(), (ends - starts).double()
    places = starts[:, None] + lengths[:, None] * (torch.arange(segments + 1, device=sums.device) / segments)
    widths = (lengths / segments).to(sums.dtype)[:, None, None, None]
    return (sums_at(sums, places).diff(dim=1) / widths).transpose(1, 2)


def sums_at(sums: Tensor, places: Tensor) -> Tensor:
    """Running sums (borders, layers, size) at places (..., ) of float64, also between borders: (..., layers, size)."""
    low = places.floor().long().clamp(max=len(sums) - 1)
    weights = (places - low).to(sums.dtype)[..., None]
    flat = sums.flatten(1)
    below, above = (
        flat.index_select(0, index.flatten()).view(*places.shape, -1)
        for index in (low, (low + 1).clamp(max=len(sums) - 1))
    )
    return torch.lerp(below, above, weights).unflatten(-1, sums.shape[1:])
