"""One utterance as a transcriber sends it to the shards of a glossary: a few kilobytes instead of its audio."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from compression.quantisation import decode, quantise
from compression.spotter import Spotter
from harken.errors import HarkenError

_FORMAT = "harken-utterance"
_HEADER_BYTES = 4


@dataclass(frozen=True)
class CompressedUtterance:
    """What a spotter keeps of an utterance.

    Attributes:
        codes: uint8 (layers, frames, size), the bytes of int8 codes. Their scales are not kept: no stage sees more
            of a vector than its direction.
        frames_per_second: kept frames per second of audio.
        spotter: fingerprint of the spotter that compressed it.
    """

    codes: NDArray[np.uint8]
    frames_per_second: float
    spotter: str

    @classmethod
    def pack(cls, kept: Tensor, spotter: Spotter) -> CompressedUtterance:
        """Of one recording's (layers, frames, size) from `spotter.compress`, without padding; it may have no frames."""
        codes = quantise(kept.detach().float().cpu().numpy()).codes
        return cls(codes, kept_frames_per_second(spotter), spotter.fingerprint())

    def __len__(self) -> int:
        return self.codes.shape[1]

    @property
    def seconds(self) -> float:
        """How long it lasts, up to the end of its last frame."""
        return len(self) / self.frames_per_second

    def frames(self) -> Tensor:
        """Unit frames, float32 (layers, frames, size)."""
        return F.normalize(torch.from_numpy(decode(self.codes, 8)), dim=-1)

    def to_bytes(self) -> bytes:
        """All of it as bytes that are the same on every machine."""
        header = {
            "format": _FORMAT,
            "shape": self.codes.shape,
            "frames_per_second": self.frames_per_second,
            "spotter": self.spotter,
        }
        text = json.dumps(header).encode()
        return len(text).to_bytes(_HEADER_BYTES, "little") + text + self.codes.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> CompressedUtterance:
        """What `to_bytes` gave.

        Raises:
            HarkenError: the bytes are something else, or not all of them are there.
        """
        try:
            end = _HEADER_BYTES + int.from_bytes(data[:_HEADER_BYTES], "little")
            header = json.loads(data[_HEADER_BYTES:end])
            if header["format"] != _FORMAT:
                raise ValueError(f"its format is {header['format']!r}")
            codes = np.frombuffer(data, np.uint8, offset=end).reshape(header["shape"])
            return cls(codes, float(header["frames_per_second"]), str(header["spotter"]))
        except (ValueError, KeyError, TypeError) as failure:
            remedy = f"It is damaged or none ({failure}): send the bytes of CompressedUtterance.to_bytes."
            raise HarkenError("compressed utterance", f"{len(data)} bytes", remedy) from None


def kept_frames_per_second(spotter: Spotter) -> float:
    """Frames that the spotter keeps of a second of audio."""
    settings = spotter.settings
    return settings.encoder.frames_per_second / settings.compression.frame_factor
