"""Spotters of a few thousand weights, and made-up encoder frames that they can be taught on."""

import torch
from torch import Tensor

from compression.pairs import Pair
from compression.spotter import Spotter
from harken.spotter_settings import (
    CompressionSettings,
    EncoderShape,
    ProjectionSettings,
    SpotterSettings,
    Variant,
    VerifierSettings,
)

# Tiny tensors spread over threads spend their time waiting for one another.
torch.set_num_threads(1)

VARIANTS: tuple[Variant, ...] = ("baseline", "L", "LH", "LHF")
LAYERS, WIDTH, WINDOW = 3, 16, 48


def tiny_settings(variant: Variant, cropped: bool = True, centred: bool = True) -> SpotterSettings:
    """3 layers of 16 values, 24 frames a second, a window of 2 s, terms of up to 0.75 s."""
    projection = ProjectionSettings(hidden=24, size=8) if variant in ("LH", "LHF") else None
    return SpotterSettings(
        encoder=EncoderShape(layers=LAYERS, width=WIDTH, window_frames=WINDOW, frames_per_second=24.0),
        compression=CompressionSettings(variant=variant, projection=projection, centred=centred),
        verifier=VerifierSettings(
            keyword_seconds=0.75, crop_seconds=1.25 if cropped else None, blocks=(1, 1), widths=(8, 16)
        ),
    )


def tiny_spotter(variant: Variant, cropped: bool = True, seed: int = 0) -> Spotter:
    """An untrained spotter with a mean to subtract and batch statistics other than the initial ones."""
    spotter = Spotter(tiny_settings(variant, cropped), seed)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, buffer in spotter.named_buffers():
            if name.endswith("mean"):
                buffer.copy_(0.1 * torch.randn(buffer.shape, generator=generator))
            elif name.endswith("var"):
                buffer.copy_(0.1 + 0.1 * torch.rand(buffer.shape, generator=generator))
    return spotter.eval()


def recordings(lengths: list[int], seed: int = 0) -> list[Tensor]:
    """Random frames (layers, length, width)."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(LAYERS, length, WIDTH, generator=generator) for length in lengths]


class TinySource:
    """Keywords and utterances by name; ``u3`` holds ``k3``, at a place of its own and a little disturbed."""

    def __init__(self, count: int, noise: float = 0.3, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        lengths = [10 + index % 5 for index in range(count)]
        self.keywords = recordings(lengths, seed + 1)
        self.utterances = recordings([30 + index % 7 for index in range(count)], seed + 2)
        for index, (keyword, utterance) in enumerate(zip(self.keywords, self.utterances, strict=True)):
            start = int(torch.randint(utterance.shape[1] - lengths[index], (), generator=generator))
            disturbance = noise * torch.randn(keyword.shape, generator=generator)
            utterance[:, start : start + lengths[index]] = keyword + disturbance

    def keyword(self, name: str) -> Tensor:
        return self.keywords[int(name[1:])]

    def utterance(self, name: str) -> Tensor:
        return self.utterances[int(name[1:])]

    def pairs(self) -> list[Pair]:
        """Each keyword with its own utterance and with the next one's."""
        count = len(self.keywords)
        own = [Pair(f"k{index}", f"u{index}", True) for index in range(count)]
        return own + [Pair(f"k{index}", f"u{(index + 1) % count}", False) for index in range(count)]
