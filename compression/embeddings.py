"""What a glossary keeps of each term: its compressed frames, packed back to back without padding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from compression.frames import Frames
from compression.spotter import Spotter
from compression.storage import read_tensors, write_tensors
from harken.errors import HarkenError
from harken.spotter_settings import Precision, SpotterSettings

FORMAT = "harken-keyword-embeddings"
VERSION = 1

_TYPES: dict[Precision, torch.dtype] = {"float32": torch.float32, "float16": torch.float16, "int8": torch.int8}


@dataclass(frozen=True)
class KeywordEmbeddings:
    """Compressed frames of terms.

    `values`: (all frames, layers, size), unit vectors; int8 holds each scaled to a largest value of 127, and its
    scale is not kept since a cosine does not see it. `offsets`: (terms + 1,), int64, where each term's frames begin.
    `spotter`: the fingerprint of the spotter that compressed them.
    """

    terms: tuple[str, ...]
    values: Tensor
    offsets: Tensor
    spotter: str

    @classmethod
    def pack(cls, terms: Sequence[str], keywords: Frames, spotter: Spotter, precision: Precision) -> KeywordEmbeddings:
        """Pack `keywords`, which `spotter.compress` made of as many terms, on the CPU."""
        recordings = [recording.transpose(0, 1) for recording in keywords.unstack()]
        packed = F.normalize(torch.cat(recordings).detach().float().cpu(), dim=-1)
        if precision == "int8":
            largest = packed.abs().amax(dim=-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)
            packed = (packed * (127 / largest)).round()
        offsets = torch.cat([torch.zeros(1, dtype=torch.int64), keywords.lengths.cpu().cumsum(0)])
        return cls(tuple(terms), packed.to(_TYPES[precision]), offsets, spotter.fingerprint())

    def __len__(self) -> int:
        return len(self.terms)

    def frames(self, indices: Sequence[int] | None = None, device: str | torch.device = "cpu") -> Frames:
        """The terms at `indices` (None: all) as `Spotter.score` takes them, float32."""
        chosen = range(len(self)) if indices is None else indices
        bounds = self.offsets.tolist()
        recordings = [self.values[bounds[index] : bounds[index + 1]].float().transpose(0, 1) for index in chosen]
        return Frames.stack(recordings).to(torch.device(device))

    def bytes_per_keyword(self) -> float:
        """Mean bytes of a term as stored: its frames and its offset."""
        stored = self.values.nbytes + self.offsets.nbytes - self.offsets.itemsize
        return stored / len(self)

    def save(self, path: Path) -> None:
        """Write one safetensors file, atomically.

        Raises:
            HarkenError: the folder cannot be written.
        """
        notes = {"format": FORMAT, "version": VERSION, "spotter": self.spotter, "terms": self.terms}
        write_tensors(path, {"values": self.values, "offsets": self.offsets}, notes)

    @classmethod
    def load(cls, path: Path, spotter: Spotter) -> KeywordEmbeddings:
        """Read what `save` wrote, for the spotter it was made with.

        Raises:
            HarkenError: a missing or damaged file, another format or version, offsets that do not fit the values,
                another spotter's embeddings.
        """
        tensors, notes = read_tensors(path)
        if (notes.get("format"), notes.get("version")) != (FORMAT, VERSION):
            found = f"{notes.get('format')} {notes.get('version')}"
            raise HarkenError(
                f"format of {path}", found, f"This release reads {FORMAT} {VERSION}: enrol the terms again."
            )
        fingerprint = spotter.fingerprint()
        if notes.get("spotter") != fingerprint:
            raise HarkenError(
                f"spotter of {path}",
                notes.get("spotter"),
                f"The spotter in use is {fingerprint}: enrol the terms again with it.",
            )
        terms = tuple(notes["terms"])
        values, offsets = tensors["values"], tensors["offsets"]
        shape = (len(spotter.settings.layers), spotter.settings.frame_size)
        # Each term has at least one frame, the first begins at 0 and the last ends with the values.
        whole = offsets.shape == (len(terms) + 1,) and bool((offsets.diff() > 0).all())
        whole = whole and int(offsets[0]) == 0 and int(offsets[-1]) == len(values)
        if values.dtype not in _TYPES.values() or tuple(values.shape[1:]) != shape or not whole:
            raise HarkenError("keyword embeddings", str(path), "Its parts do not fit together: enrol the terms again.")
        return cls(terms, values, offsets, fingerprint)


def padded_bytes_per_keyword(settings: SpotterSettings, layers: int, precision: Precision = "float32") -> int:
    """Bytes of one keyword zero-padded to the map's rows, as the second paper counts them (section 2.1).

    `layers` is how many are stored: all for the baseline, the selected ones otherwise.
    """
    return layers * settings.keyword_frames * settings.frame_size * _TYPES[precision].itemsize
