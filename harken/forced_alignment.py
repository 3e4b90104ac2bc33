"""When each unit of a known text is said, told by a Whisper's cross-attention.

The decoder is given the text (teacher forcing), and each token gets the stretch of frames that its attention is on: of
all ways to part the frames among the tokens in order, the one in which most of the attention falls on the token's own
stretch. Whisper's own word timestamps (openai/whisper, ``timing.py``) come from the same attention, by dynamic time
warping of values normalised over the tokens and median filtered. Measured on the nano model against the synthesizer's
times, that normalisation doubles the errors and the filter adds to them. Here neither is needed: every frame
belongs to one token, so a frame that draws every token's attention weighs the same on each path.
"""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from types import TracebackType
from typing import Any

import numpy as np
import torch
from transformers import EncoderDecoderCache
from transformers.modeling_outputs import BaseModelOutput

from harken.audio import SAMPLE_RATE, check_wave
from harken.errors import HarkenError
from harken.text import unit_spans
from harken.unit_times import UnitTime
from harken.whisper import Whisper, select_rows

Head = tuple[int, int]
"""Decoder layer and head, both counted from 0."""


@dataclass(frozen=True)
class Alignment:
    """The times of all units of a text.

    `confidence` is the mean probability that the model gives to the text's tokens, each after those before it: near 0
    when the text is not what is said. `probabilities` are the same means of each unit's tokens.
    """

    units: tuple[UnitTime, ...]
    confidence: float
    probabilities: tuple[float, ...]


@dataclass(frozen=True)
class _Piece:
    """Consecutive tokens that share characters, as the bytes of one do; `start` to `end` in characters."""

    tokens: slice
    start: int
    end: int


@dataclass(frozen=True)
class _Utterance:
    text: str
    tokens: list[int]
    pieces: list[_Piece]
    frames: int


def align(
    whisper: Whisper,
    waves: Sequence[np.ndarray],
    texts: Sequence[str],
    language: str = "zh",
    batch_size: int = 16,
    heads: Sequence[Head] | None = None,
) -> list[Alignment]:
    """Align each wave (16 kHz mono, no longer than the window) with the text that is said in it.

    Args:
        batch_size: utterances per pass; no part of the result.
        heads: those that follow the speech; None: `alignment_heads`.

    Returns:
        One alignment per wave, in their order. Times are multiples of an encoder frame (20 ms; nano: 40 ms).

    Raises:
        HarkenError: a wave that is empty, not finite or longer than the window, a text without units, with more
            tokens than the decoder takes or than the wave has frames, or a language the model does not know.
    """
    prompt = whisper.prompt_tokens(language)
    chosen = alignment_heads(whisper) if heads is None else list(heads)
    checked = [check_wave(wave, f"utterance {index}") for index, wave in enumerate(waves)]
    utterances = [
        _prepare(whisper, len(wave) / SAMPLE_RATE, text, len(prompt), f"utterance {index}")
        for index, (wave, text) in enumerate(zip(checked, texts, strict=True))
    ]
    found: list[Alignment] = []
    for start in range(0, len(utterances), batch_size):
        encoded = whisper.encode(whisper.features(checked[start : start + batch_size]))
        found += _align_batch(whisper, encoded, utterances[start : start + batch_size], prompt, chosen)
    return found


def align_encoded(
    whisper: Whisper,
    encoded: BaseModelOutput,
    seconds: Sequence[float],
    texts: Sequence[str],
    language: str = "zh",
    heads: Sequence[Head] | None = None,
) -> list[Alignment | None]:
    """Align what `Whisper.encode` made of full windows, whose audio lasts `seconds`, with their texts, in one pass.

    Returns:
        As `align`; None where the text has nothing to be aligned or is too long for its audio or the decoder.

    Raises:
        HarkenError: a language the model does not know.
    """
    prompt = whisper.prompt_tokens(language)
    chosen = alignment_heads(whisper) if heads is None else list(heads)
    found: list[Alignment | None] = [None] * len(texts)
    utterances: dict[int, _Utterance] = {}
    for index, (lasts, text) in enumerate(zip(seconds, texts, strict=True)):
        with suppress(HarkenError):
            utterances[index] = _prepare(whisper, lasts, text, len(prompt), f"utterance {index}")
    if utterances:
        rows = select_rows(encoded, list(utterances))
        for index, alignment in zip(
            utterances, _align_batch(whisper, rows, list(utterances.values()), prompt, chosen), strict=True
        ):
            found[index] = alignment
    return found


def alignment_heads(whisper: Whisper) -> list[Head]:
    """The heads that the model's generation configuration names, or else all."""
    named = getattr(whisper.model.generation_config, "alignment_heads", None)
    if named:
        return [(layer, head) for layer, head in named]
    config = whisper.model.config
    return [(layer, head) for layer in range(config.decoder_layers) for head in range(config.decoder_attention_heads)]


def monotonic_path(scores: np.ndarray) -> np.ndarray:
    """The frame at which each row begins, on the path of the highest sum through (rows, frames).

    Each frame belongs to one row, the first to the first and the last to the last, and each row has at least one.

    Raises:
        ValueError: there are more rows than frames.
    """
    rows, frames = scores.shape
    if rows > frames:
        raise ValueError(f"{rows} rows have no path through {frames} frames")
    best = np.full(rows, -np.inf)
    best[0] = scores[0, 0]
    entered = np.zeros((frames, rows), bool)
    for frame in range(1, frames):
        from_above = np.concatenate([[-np.inf], best[:-1]])
        entered[frame] = from_above > best
        best = np.maximum(best, from_above) + scores[:, frame]
    starts = np.zeros(rows, int)
    row = rows - 1
    for frame in range(frames - 1, 0, -1):
        if entered[frame, row]:
            starts[row] = frame
            row -= 1
    return starts


def _prepare(whisper: Whisper, seconds: float, text: str, prompt: int, name: str) -> _Utterance:
    if seconds > whisper.window_seconds:
        raise HarkenError(name, f"{seconds:.1f} s", f"One pass takes {whisper.window_seconds:g} s: cut it.")
    if not unit_spans(text):
        raise HarkenError(f"text of {name}", text, "It has no letter, digit or ideograph to be aligned.")
    encoded = whisper.processor.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    pieces = _pieces(encoded["offset_mapping"])
    frames = int(np.ceil(seconds / whisper.frame_seconds))
    tokens, most = len(encoded["input_ids"]), whisper.model.config.max_target_positions - prompt
    if tokens > most:
        raise HarkenError(f"text of {name}", f"{tokens} tokens", f"The model takes {most}: cut text and audio.")
    if len(pieces) >= frames:
        remedy = f"Nobody says them in {seconds:.2f} s: check text and audio."
        raise HarkenError(f"text of {name}", f"{tokens} tokens", remedy)
    return _Utterance(text, encoded["input_ids"], pieces, frames)


def _pieces(offsets: Sequence[tuple[int, int]]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for index, (start, end) in enumerate(offsets):
        if pieces and start < pieces[-1].end:
            last = pieces.pop()
            pieces.append(_Piece(slice(last.tokens.start, index + 1), last.start, max(end, last.end)))
        else:
            pieces.append(_Piece(slice(index, index + 1), start, end))
    return pieces


def _align_batch(
    whisper: Whisper,
    encoded: BaseModelOutput,
    batch: Sequence[_Utterance],
    prompt: list[int],
    heads: Sequence[Head],
) -> list[Alignment]:
    longest = max(len(utterance.tokens) for utterance in batch)
    given = torch.full((len(batch), len(prompt) + longest), whisper.end_token, device=whisper.device)
    for row, utterance in zip(given, batch, strict=True):
        tokens = [*prompt, *utterance.tokens]
        row[: len(tokens)] = torch.tensor(tokens)
    with torch.inference_mode(), CrossAttention(whisper, heads) as attention:
        logits = whisper.model(encoder_outputs=encoded, decoder_input_ids=given, use_cache=False).logits
    alignments = []
    for index, utterance in enumerate(batch):
        # What predicts each token stands one place before it; the last predicts the end.
        predicting = slice(len(prompt) - 1, len(prompt) + len(utterance.tokens))
        weights = attention.weights(index, predicting, utterance.frames)
        # A character of several tokens counts once, so that it may be said as fast as others.
        rows = [*(weights[piece.tokens].mean(axis=0) for piece in utterance.pieces), weights[-1]]
        starts = monotonic_path(np.stack(rows))
        probabilities = logits[index, predicting][:-1].float().softmax(dim=-1)
        said = (
            probabilities.gather(1, torch.tensor(utterance.tokens, device=logits.device)[:, None])[:, 0].cpu().numpy()
        )
        units = _unit_times(utterance, starts * whisper.frame_seconds)
        alignments.append(Alignment(units, float(said.mean()), _unit_probabilities(utterance, units, said)))
    return alignments


def _unit_times(utterance: _Utterance, starts: np.ndarray) -> tuple[UnitTime, ...]:
    """The characters of a piece of several share its time evenly; a unit lasts from its first to its last."""
    times: dict[int, tuple[float, float]] = {}
    for piece, (start, end) in zip(utterance.pieces, pairwise(starts.tolist()), strict=True):
        edges = np.linspace(start, end, piece.end - piece.start + 1).tolist()
        times.update(zip(range(piece.start, piece.end), pairwise(edges), strict=True))
    units = []
    for first, last in unit_spans(utterance.text):
        said = [times[character] for character in range(first, last) if character in times]
        units.append(UnitTime(first, last, said[0][0], said[-1][1]))
    return tuple(units)


def _unit_probabilities(utterance: _Utterance, units: Sequence[UnitTime], said: np.ndarray) -> tuple[float, ...]:
    found = []
    for unit in units:
        own = [
            said[piece.tokens]
            for piece in utterance.pieces
            if piece.start < unit.character_end and unit.character_start < piece.end
        ]
        found.append(float(np.concatenate(own).mean()))
    return tuple(found)


class CrossAttention:
    """Keeps queries and keys of some heads' cross-attention in the passes made inside its context.

    Weights are computed from them afterwards, so the model keeps whatever implementation of attention it runs, and
    no weights of other heads take memory. Of several passes over one audio (decoding token by token, with the keys in
    a cache) the newest queries are kept.
    """

    def __init__(self, whisper: Whisper, heads: Sequence[Head]) -> None:
        layers = whisper.model.get_decoder().layers
        self._heads = list(heads)
        self._modules: dict[int, Any] = {layer: layers[layer].encoder_attn for layer, _ in self._heads}
        self._queries: dict[int, torch.Tensor] = {}
        self._keys: dict[int, torch.Tensor] = {}
        self._hooks: list[Any] = []

    def __enter__(self) -> "CrossAttention":
        for layer, module in self._modules.items():
            self._hooks.append(module.q_proj.register_forward_hook(_keep(self._queries, layer)))
            self._hooks.append(module.k_proj.register_forward_hook(_keep(self._keys, layer)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for hook in self._hooks:
            hook.remove()

    def weights(self, row: int, positions: slice, frames: int) -> np.ndarray:
        """Of one utterance: (positions, frames), the mean of the heads; each position's weights sum to 1."""
        total: Any = 0.0
        for layer, head in self._heads:
            module = self._modules[layer]
            part = slice(head * module.head_dim, (head + 1) * module.head_dim)
            queries = self._queries[layer][row, positions, part].float()
            keys = self._keys[layer][row, :frames, part].float()
            total = total + (queries @ keys.T * module.scaling).softmax(dim=-1)
        mean: np.ndarray = (total / len(self._heads)).cpu().numpy()
        return mean

    def newest(self, cache: EncoderDecoderCache, frames: Sequence[int]) -> torch.Tensor:
        """At the newest position of rows decoded with a cache: (rows, most frames), the mean of the heads.

        Each row's weights sum to 1 over its own number of `frames`.
        """
        total: Any = 0.0
        most = max(frames)
        for layer, module in self._modules.items():
            heads = [head for of_layer, head in self._heads if of_layer == layer]
            # All heads of a layer at once: this runs at every token, and small steps are what it costs.
            queries = self._queries[layer][:, -1].unflatten(-1, (-1, module.head_dim, 1))[:, heads].float()
            cached: Any = cache.cross_attention_cache.layers[layer]
            keys = cached.keys[:, heads, :most].float()
            scores = (keys @ queries)[..., 0] * module.scaling
            beyond = torch.arange(most, device=scores.device) >= torch.tensor(frames, device=scores.device)[:, None]
            total = total + scores.masked_fill(beyond[:, None], -torch.inf).softmax(dim=-1).sum(dim=1)
        mean: torch.Tensor = total / len(self._heads)
        return mean


def _keep(kept: dict[int, torch.Tensor], layer: int) -> Callable[[Any, Any, torch.Tensor], None]:
    def hook(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
        kept[layer] = output.detach()

    return hook
