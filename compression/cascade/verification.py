"""The third stage: the spotter's verifier on maps around the paths that the second stage found."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from compression.frames import Frames
from compression.similarity import check_rows, full_maps
from compression.spotter import Spotter
from compression.verifier import ResNet

_PAIRS_AT_ONCE = 256


class PathVerifier:
    """Logits of enrolments at given places of one utterance: those of `Spotter.score` where the places are its own.

    It knows where the path runs and makes no map but the verifier's window. Batch normalisation is folded into the
    convolutions: the same function of the same weights, at half of the time.
    """

    def __init__(self, spotter: Spotter) -> None:
        self._settings = spotter.settings
        self._gate = copy.deepcopy(spotter.gate)
        self._network = folded(spotter.verifier).to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @torch.inference_mode()
    def __call__(self, keywords: Frames, utterance: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
        """Float32 logits (n,).

        Args:
            keywords: (n, layers, frames, size), unit frames.
            utterance: (layers, frames, size), unit frames.
            starts: (n,), first frame of each path.
            ends: (n,), one past the last, as `maxsim` tells them.

        Raises:
            HarkenError: a keyword longer than the spotter's maps.
        """
        check_rows(keywords, self._settings.keyword_frames)
        logits = [torch.empty(0, device=utterance.device)]
        for rows in torch.arange(len(keywords), device=utterance.device).split(_PAIRS_AT_ONCE):
            maps = self._maps(keywords.select(rows).without_padding(), utterance, starts[rows], ends[rows])
            if self._gate is not None:
                maps = self._gate(maps)
            logits.append(self._network(maps.contiguous(memory_format=torch.channels_last))[:, 0].float())
        return torch.cat(logits)

    def _maps(self, keywords: Frames, utterance: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
        rows, columns = self._settings.keyword_frames, self._settings.map_columns
        if self._settings.verifier.crop_seconds is None:
            return full_maps(torch.einsum("nlkd,lud->nlku", keywords.values, utterance), rows, columns)
        # The same window as `similarity.cropped_maps`: the path in its middle, zeros outside the utterance.
        places = (starts + ends - columns)[:, None] // 2 + torch.arange(columns, device=utterance.device)
        outside = (places < 0) | (places >= utterance.shape[1])
        windows = utterance[:, places.clamp(0, utterance.shape[1] - 1)].masked_fill(outside[None, :, :, None], 0.0)
        return full_maps(torch.einsum("nlkd,lnud->nlku", keywords.values, windows), rows, columns)


def folded(network: ResNet) -> ResNet:
    """The network in evaluation mode with each batch normalisation folded into the convolution before it."""
    network = copy.deepcopy(network).eval()
    for module in list(network.modules()):
        for name, norm in (("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")):
            if hasattr(module, norm):
                setattr(module, name, fuse_conv_bn_eval(getattr(module, name), getattr(module, norm)))
                setattr(module, norm, nn.Identity())
        shortcut: Any = getattr(module, "downsample", None)
        if isinstance(shortcut, nn.Sequential):
            parts: list[Any] = list(shortcut)
            module.add_module("downsample", fuse_conv_bn_eval(parts[0], parts[1]))
    return network
