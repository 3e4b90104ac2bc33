"""What a search of the glossary needs beside the spotter, as two files: search.json and search.safetensors.

Nothing in it depends on a glossary, so that an index of one is a function of each of its entries alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from compression.calibration import Calibration
from compression.cohort import Cohort, background_statistics
from compression.maxsim import PackedFrames
from compression.path_head import PathHead
from compression.spans import SpanEmbedder
from compression.spotter import Spotter
from compression.storage import check_tensors, read_tensors, write_tensors
from harken.config import check
from harken.errors import HarkenError
from harken.records import write_json
from harken.search_settings import SearchModelSettings

SETTINGS_FILE = "search.json"
WEIGHTS_FILE = "search.safetensors"
FORMAT = "harken-search-model"
VERSION = 1


@dataclass(frozen=True)
class SearchModel:
    """Span embeddings, path scores, codebook, cohort and calibration for the frames that one spotter keeps.

    Attributes:
        settings: what decides the vectors.
        spotter: fingerprint of the spotter.
        spans: embeds terms and the windows of utterances.
        path_head: makes the vectors of path scores; None: they are the kept frames.
        centroids: (centroids, size), unit vectors: the coarse codebook of every index.
        cohort: background utterances.
        calibration: probabilities, thresholds and caps.
    """

    settings: SearchModelSettings
    spotter: str
    spans: SpanEmbedder
    path_head: PathHead | None
    centroids: Tensor
    cohort: Cohort
    calibration: Calibration

    @torch.inference_mode()
    def path_frames(self, kept: Tensor) -> Tensor:
        """The unit vectors (..., layers, path size) whose cosines path scores are means of.

        Args:
            kept: (..., layers, size), as the spotter compresses or as a glossary gives it back: a vector's length
                does not matter.
        """
        unit = F.normalize(kept.float(), dim=-1)
        return unit if self.path_head is None else self.path_head(unit)

    @torch.inference_mode()
    def background_statistics(self, recordings: Sequence[Tensor]) -> Tensor:
        """What enrolments score in the cohort, float32 (n, 2): `compression.cohort.background_statistics`.

        Args:
            recordings: kept frames of one enrolment each, (layers, frames, size).
        """
        if not recordings:
            return torch.empty(0, 2)
        packed = torch.cat([recording.transpose(0, 1) for recording in recordings])
        lengths = torch.tensor([recording.shape[1] for recording in recordings])
        heard = [self.path_frames(frames).transpose(0, 1) for frames in self.cohort.utterances()]
        return background_statistics(PackedFrames(self.path_frames(packed), lengths), heard)

    def fingerprint(self) -> str:
        """16 hexadecimal digits of what decides what a glossary stores: not the calibration."""
        digest = hashlib.sha256(f"{self.spotter} {self.settings.model_dump_json()}".encode())
        for name, tensor in sorted(self._tensors().items()):
            digest.update(name.encode() + tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]

    def save(self, folder: Path) -> None:
        """Write the two files, each atomically; equal models make equal bytes.

        Raises:
            HarkenError: the folder cannot be written.
        """
        write_tensors(folder / WEIGHTS_FILE, self._tensors(), {"format": FORMAT, "version": VERSION})
        description = {
            "format": FORMAT,
            "version": VERSION,
            "spotter": self.spotter,
            "fingerprint": self.fingerprint(),
            "settings": self.settings.model_dump(mode="json"),
            "calibration": self.calibration.as_json(),
        }
        write_json(folder / SETTINGS_FILE, description)

    @classmethod
    def load(cls, folder: str | Path, spotter: Spotter) -> SearchModel:
        """The model of a folder: exactly the one that was saved.

        Raises:
            HarkenError: a file is missing or damaged, another format or version, unknown settings, weights that do
                not fit them, or another spotter's model.
        """
        folder = Path(folder)
        description = _read_description(folder / SETTINGS_FILE)
        if description["spotter"] != (fingerprint := spotter.fingerprint()):
            remedy = f"The spotter in use is {fingerprint}: train the search model for it with jobs.keywords."
            raise HarkenError(f"spotter of {folder / SETTINGS_FILE}", description["spotter"], remedy)
        settings = check(description["settings"], SearchModelSettings, source=str(folder / SETTINGS_FILE))
        calibration = Calibration.from_json(description["calibration"], folder / SETTINGS_FILE)
        tensors, _ = read_tensors(folder / WEIGHTS_FILE)
        spans, path_head = untrained_parts(settings, spotter)
        found = {name: tensor for name, tensor in tensors.items() if name not in _OF_ANY_LENGTH}
        expected = _weights(spans, path_head)
        check_tensors(expected, found, folder / WEIGHTS_FILE)
        for name, tensor in found.items():
            expected[name].copy_(tensor)
        return cls(settings, fingerprint, spans, path_head, *_fixed(tensors, settings, spotter, folder), calibration)

    def _tensors(self) -> dict[str, Tensor]:
        fixed = (self.centroids, self.cohort.codes, self.cohort.offsets)
        return _weights(self.spans, self.path_head) | dict(zip(_OF_ANY_LENGTH, fixed, strict=True))


def read_fingerprint(folder: Path) -> str:
    """The fingerprint of the search model in a folder, as its description states it.

    Raises:
        HarkenError: there is none, or none that this release reads.
    """
    return str(_read_description(folder / SETTINGS_FILE)["fingerprint"])


def untrained_parts(
    settings: SearchModelSettings, spotter: Spotter, seed: int = 0
) -> tuple[SpanEmbedder, PathHead | None]:
    """Span embedder and path head for a spotter's kept frames, with initial weights; `seed` is the embedder's."""
    layers, size = len(spotter.settings.layers), spotter.settings.frame_size
    spans = SpanEmbedder(settings.spans, layers, size, spotter.settings.keyword_frames, seed).eval()
    path_head = None if settings.path_size is None else PathHead(layers, size, settings.path_size).eval()
    return spans.requires_grad_(False), None if path_head is None else path_head.requires_grad_(False)


_OF_ANY_LENGTH = ("centroids", "cohort.codes", "cohort.offsets")


def _weights(spans: SpanEmbedder, path_head: PathHead | None) -> dict[str, Tensor]:
    parts = {"spans.": spans, "path.": path_head}
    return {
        prefix + name: tensor
        for prefix, part in parts.items()
        if part is not None
        for name, tensor in part.state_dict().items()
    }


def _fixed(
    tensors: dict[str, Tensor], settings: SearchModelSettings, spotter: Spotter, folder: Path
) -> tuple[Tensor, Cohort]:
    """Codebook and cohort, which have as many rows as they were made with."""
    try:
        centroids, codes, offsets = (tensors[name] for name in _OF_ANY_LENGTH)
    except KeyError as missing:
        remedy = f"It lacks {missing}: fetch it or train it again."
        raise HarkenError("search model", str(folder / WEIGHTS_FILE), remedy) from None
    shape = (len(spotter.settings.layers), spotter.settings.frame_size)
    whole = centroids.dim() == 2 and centroids.shape[1] == settings.spans.size and tuple(codes.shape[1:]) == shape
    whole = whole and len(offsets) > 1 and bool((offsets.diff() > 0).all())
    if not whole or int(offsets[0]) != 0 or int(offsets[-1]) != len(codes):
        raise HarkenError("search model", str(folder / WEIGHTS_FILE), "Its parts do not fit together: train it again.")
    return centroids, Cohort(codes, offsets)


def _read_description(path: Path) -> dict[str, Any]:
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise HarkenError("search model folder", str(path.parent), f"It holds no {path.name}.") from None
    except (OSError, ValueError) as failure:
        raise HarkenError("search model description", str(path), f"It cannot be read ({failure}).") from None
    parts = ("spotter", "fingerprint", "settings", "calibration")
    if not isinstance(description, dict) or description.get("format") != FORMAT or not description.keys() >= {*parts}:
        remedy = f"It is no {FORMAT} with {', '.join(parts)}: train the search model again."
        raise HarkenError("search model description", str(path), remedy)
    if description.get("version") != VERSION:
        remedy = f"This release reads version {VERSION}: use the release that saved it."
        raise HarkenError(f"version of {path}", description.get("version"), remedy)
    return description
