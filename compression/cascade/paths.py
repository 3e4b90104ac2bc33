"""The second stage: z-normed path scores of a glossary's enrolments in one utterance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from compression.cohort import normed
from compression.diagonals import Diagonals
from compression.glossary.reader import GlossaryReader
from compression.maxsim import PackedFrames, maxsim, maxsim_places, unit_codes
from compression.maxsim_triton import available, maxsim_triton
from compression.search_model import SearchModel

# Enrolments whose float32 frames are in memory at once.
_READ_AT_ONCE = 4096


@dataclass(frozen=True)
class PathScores:
    """Of enrolments, arrays (n,) or (n, places): z-normed scores, first frames, and one past the last, which may lie
    beyond the utterance."""

    z: NDArray[np.float32]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    def select(self, rows: NDArray[np.int64]) -> PathScores:
        """Those of some enrolments."""
        return PathScores(self.z[rows], self.starts[rows], self.ends[rows])

    @classmethod
    def joined(cls, parts: Sequence[PathScores]) -> PathScores:
        """Those of several, one after another; at least one."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in ("z", "starts", "ends")))


class GlossaryPaths:
    """Scores enrolments of one opened glossary on a device.

    Path scores are sums of integers (`compression.maxsim`): they are the same on a CPU and a GPU, and whatever is
    scored with them. Partitions that are searched as a whole stay on the device, a byte a value.
    """

    def __init__(self, glossary: GlossaryReader, search_model: SearchModel, device: torch.device) -> None:
        self._glossary, self._search_model, self._device = glossary, search_model, device
        self._resident: dict[int, tuple[PackedFrames, NDArray[np.float32]]] = {}

    def score(self, enrolments: NDArray[np.int64], heard: Tensor, places: int | None = None) -> PathScores:
        """Scores (n,) of the best place, or with `places` (n, places) of so many.

        Args:
            enrolments: indices.
            heard: (layers, frames, size), `unit_codes` of the utterance's path frames.
        """
        packed, statistics = self.read(enrolments), self._glossary.statistics(enrolments)
        if places is None:
            return _normed(self._best(packed, heard), statistics)
        # As rows of their own, (places, n): the norm is along enrolments.
        found = maxsim_places(packed, heard, places)
        turned = Diagonals(found.scores.T, found.starts.T, found.ends.T)
        scores = _normed(turned, statistics)
        return PathScores(scores.z.T, scores.starts.T, scores.ends.T)

    def score_partition(self, partition: int, enrolments: NDArray[np.int64], heard: Tensor) -> PathScores:
        """As `score` of all enrolments of a partition, which are read the first time only."""
        if partition not in self._resident:
            self._resident[partition] = self.read(enrolments), self._glossary.statistics(enrolments)
        packed, statistics = self._resident[partition]
        return _normed(self._best(packed, heard), statistics)

    def read(self, enrolments: NDArray[np.int64]) -> PackedFrames:
        """Codes of enrolments' path frames, on the device."""
        lengths = np.asarray(self._glossary.lengths)[enrolments].astype(np.int64)
        parts = [torch.empty(0, *self._shape(), dtype=torch.int8)]
        # Neighbours in length are read together: the reader pads them.
        order = np.argsort(lengths, kind="stable")
        for begin in range(0, len(order), _READ_AT_ONCE):
            values, found = self._glossary.frames(enrolments[order[begin : begin + _READ_AT_ONCE]])
            real = np.arange(values.shape[2]) < found[:, None]
            frames = torch.from_numpy(values.transpose(0, 2, 1, 3)[real])
            parts.append(unit_codes(self._search_model.path_frames(frames)))
        by_length = PackedFrames(torch.cat(parts).to(self._device), torch.from_numpy(lengths[order]).to(self._device))
        return by_length.select(torch.from_numpy(np.argsort(order, kind="stable")).to(self._device))

    def _shape(self) -> tuple[int, int]:
        spans = self._search_model.spans
        return spans.layers, self._search_model.settings.path_size or spans.frame_size

    def _best(self, packed: PackedFrames, heard: Tensor) -> Diagonals:
        fused = self._device.type == "cuda" and available()
        return maxsim_triton(packed, heard) if fused else maxsim(packed, heard)


def _normed(found: Diagonals, statistics: NDArray[np.float32]) -> PathScores:
    z = normed(found.scores.cpu(), torch.from_numpy(statistics))
    return PathScores(z.numpy(), found.starts.cpu().numpy(), found.ends.cpu().numpy())
