"""The keyword spotter: frames of keywords and utterances in, one logit per pair out."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor, nn

from compression.centring import PositionMean
from compression.frames import Frames
from compression.layer_gate import LayerGate
from compression.projector import FrameHalver, FrameProjector
from compression.similarity import check_rows, cosine_maps, cropped_maps, full_maps
from compression.verifier import ResNet
from harken.errors import HarkenError
from harken.spotter_settings import EncoderShape, SpotterSettings

# Half a gigabyte of float32.
_VALUES_AT_ONCE = 2**27


class Spotter(nn.Module):
    """Says whether a keyword was said in an utterance (second paper, section 2).

    `compress` is what a glossary runs once per term and a transcriber once per utterance; `score` is what remains
    per pair. `threshold` is the logit from which a keyword counts as said: it is chosen on validation pairs.
    """

    def __init__(self, settings: SpotterSettings, seed: int = 0) -> None:
        super().__init__()
        self.settings = settings
        self.threshold: float | None = None
        compression, encoder, layers = settings.compression, settings.encoder, len(settings.layers)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.centring = PositionMean(layers, encoder.window_frames, encoder.width) if compression.centred else None
            self.gate = LayerGate(settings.layers) if compression.variant == "L" else None
            self.projector = (
                FrameProjector(layers, encoder.width, compression.projection.hidden, compression.projection.size)
                if compression.projection is not None
                else None
            )
            self.halver = FrameHalver(layers, settings.frame_size) if compression.variant == "LHF" else None
            self.verifier = ResNet(settings.verifier, channels=layers)

    def forward(self, keywords: Frames, utterances: Frames, pairs: Tensor | None = None) -> Tensor:
        """Logits of encoder frames: `score` of what `compress` makes of them."""
        kept, heard = self.compress(keywords, utterances)
        return self.score(kept, heard, pairs)

    def compress(self, *batches: Frames) -> list[Frames]:
        """What is kept of encoder frames: (batch, layers, frames, width) to (batch, layers, frames', frame_size).

        The layers are those of `settings.layers` in that order. Batches given together share batch statistics
        while training; in evaluation each recording's result depends on nothing but the recording.

        Raises:
            HarkenError: another number of layers, another width, or more frames than the encoder's window.
        """
        kept = []
        for batch in batches:
            self._check(batch)
            batch = batch.without_padding()
            if self.centring is not None:
                batch = self.centring(batch)
            kept.append(batch if self.projector is None else self.projector(batch))
        if self.halver is not None:
            return self.halver(kept)
        return [batch.without_padding() for batch in kept]

    def score(
        self, keywords: Frames, utterances: Frames, pairs: Tensor | None = None, at_once: int | None = None
    ) -> Tensor:
        """Logits of pairs of compressed keywords and utterances.

        Args:
            keywords: (k, layers, frames, frame_size) from `compress`.
            utterances: (u, layers, frames, frame_size) from `compress`.
            pairs: (n, 2), rows of `keywords` and of `utterances`; None: all with all.
            at_once: pairs whose frames and maps are held together; None: about half a gigabyte of them. No part of
                the result, and without effect in training, where batch statistics belong to all pairs.

        Returns:
            float32 (n,), or (k, u) for all with all.

        Raises:
            HarkenError: a keyword longer than the spotter's maps.
        """
        check_rows(keywords, self.settings.keyword_frames)
        shape: tuple[int, ...] = (-1,)
        if pairs is None:
            shape = (len(keywords), len(utterances))
            pairs = torch.cartesian_prod(*(torch.arange(size, device=keywords.lengths.device) for size in shape))
        if self.training:
            at_once = len(pairs)
        elif at_once is None:
            (_, layers, rows, size), columns = keywords.values.shape, utterances.values.shape[2]
            at_once = _VALUES_AT_ONCE // (layers * (rows * columns + (rows + columns) * size))
        parts = [self._score_pairs(keywords, utterances, part) for part in pairs.split(max(1, at_once))]
        return torch.cat(parts).reshape(shape)

    def selected_layers(self) -> tuple[int, ...]:
        """The encoder layers, counted from 1, that have any influence on a score."""
        return self.settings.layers if self.gate is None else self.gate.selected_layers()

    def narrowed(self) -> Spotter:
        """An L spotter with the layers alone that its gate selected, and the same scores; other variants as they are.

        The other layers' maps were exact zeros, so that nothing the verifier saw is lost.
        """
        if self.gate is None or self.selected_layers() == self.settings.layers:
            return self
        probabilities = self.gate.probabilities().detach()
        kept = probabilities.nonzero()[:, 0]
        narrow = Spotter(self.settings.with_layers(self.selected_layers(), "L")).to(probabilities.device)
        state = self.state_dict()
        # A point of the simplex is its own sparsemax.
        state["gate.scores"] = probabilities[kept]
        state["verifier.conv1.weight"] = state["verifier.conv1.weight"][:, kept]
        if self.centring is not None:
            state["centring.mean"] = state["centring.mean"][kept]
        narrow.load_state_dict(state)
        narrow.threshold = self.threshold
        return narrow.train(self.training)

    def fingerprint(self) -> str:
        """16 hexadecimal digits of what decides a compressed frame: embeddings of another spotter do not fit."""
        compression = self.settings.compression.model_dump_json()
        digest = hashlib.sha256(f"{self.settings.encoder.model_dump_json()} {compression}".encode())
        for name, tensor in sorted(self.state_dict().items()):
            if not name.startswith(("verifier.", "gate.")):
                digest.update(name.encode() + tensor.cpu().numpy().tobytes())
        return digest.hexdigest()[:16]

    def check_encoder(self, shape: EncoderShape) -> None:
        """Refuse an encoder that the spotter was not made for.

        Raises:
            HarkenError: depth, width, window or frame rate differ.
        """
        if shape != self.settings.encoder:
            expected = ", ".join(f"{name} {value:g}" for name, value in self.settings.encoder.model_dump().items())
            found = ", ".join(f"{name} {value:g}" for name, value in shape.model_dump().items())
            raise HarkenError(
                "spotter's encoder", found, f"The spotter was trained on one of {expected}: use that model."
            )

    def _score_pairs(self, keywords: Frames, utterances: Frames, pairs: Tensor) -> Tensor:
        chosen, heard = keywords.select(pairs[:, 0]), utterances.select(pairs[:, 1])
        maps = cosine_maps(chosen, heard)
        if self.gate is not None:
            maps = self.gate(maps)
        rows, columns = self.settings.keyword_frames, self.settings.map_columns
        if self.settings.verifier.crop_seconds is None:
            maps = full_maps(maps, rows, columns)
        else:
            maps = cropped_maps(maps, chosen.lengths, rows, columns)
        logits: Tensor = self.verifier(maps)[:, 0].float()
        return logits

    def _check(self, batch: Frames) -> None:
        _, layers, frames, width = batch.values.shape
        encoder, expected = self.settings.encoder, len(self.settings.layers)
        if (layers, width) != (expected, encoder.width) or frames > encoder.window_frames:
            raise HarkenError(
                "encoder frames",
                tuple(batch.values.shape),
                f"The spotter takes (batch, {expected}, up to {encoder.window_frames}, {encoder.width}): "
                f"layers {list(self.settings.layers)} of the encoder it was trained on.",
            )
