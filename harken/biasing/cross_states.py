"""What the decoder's cross-attention makes of encoder frames, computed once for all rows that read the same window.

Each row of a pass would project its window's frames to keys and values anew, which costs a large Whisper several times
what writing a sentence does; several decodings and scorings of one window share them instead.
"""

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from harken.whisper import Whisper


class CrossStates:
    """Keys and values of every decoder layer for encoded windows (windows, frames, width)."""

    def __init__(self, whisper: Whisper, encoded: BaseModelOutput) -> None:
        states: Any = encoded.last_hidden_state
        self.frames: torch.Tensor = states
        self._layers: list[tuple[torch.Tensor, torch.Tensor]] = []
        with torch.inference_mode():
            for layer in whisper.model.get_decoder().layers:
                attention = layer.encoder_attn
                shape = (*self.frames.shape[:2], attention.num_heads, attention.head_dim)
                keys, values = (
                    project(self.frames).view(shape).transpose(1, 2) for project in (attention.k_proj, attention.v_proj)
                )
                self._layers.append((keys, values))

    def rows(self, windows: Sequence[int]) -> torch.Tensor:
        """The frames of each row's window, (rows, frames, width)."""
        return self.frames[self._index(windows)]

    def cache(self, windows: Sequence[int]) -> EncoderDecoderCache:
        """A cache for rows that read these windows, before their first token."""
        index = self._index(windows)
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        for number, (keys, values) in enumerate(self._layers):
            cache.cross_attention_cache.update(keys[index], values[index], number)
            cache.is_updated[number] = True
        return cache

    def _index(self, windows: Sequence[int]) -> torch.Tensor:
        return torch.tensor(list(windows), dtype=torch.long, device=self.frames.device)
