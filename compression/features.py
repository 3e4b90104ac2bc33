"""A Whisper encoder's hidden states, of terms in a short context and of utterances in the whole window."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from harken.audio import SAMPLE_RATE, check_wave
from harken.errors import HarkenError
from harken.spotter_settings import EncoderShape, EnrolmentSettings
from harken.whisper import Whisper, encoder_states

# Contexts are multiples of this, so that terms of similar length share a pass. The context of a term depends on its
# own length only: an encoder without an attention mask would otherwise hear its neighbours' padding.
_CONTEXT_STEP_SECONDS = 0.5
_LEVEL_SECONDS = 0.01


def encoder_shape(whisper: Whisper) -> EncoderShape:
    """What a spotter must know of this model's encoder."""
    config = whisper.model.config
    positions: int = config.max_source_positions
    return EncoderShape(
        layers=config.encoder_layers,
        width=config.d_model,
        window_frames=positions,
        frames_per_second=positions / whisper.window_seconds,
    )


def check_layers(whisper: Whisper, layers: Sequence[int]) -> None:
    """Refuse layers that the encoder does not have, or in another than their own order.

    Raises:
        HarkenError: none, one out of range, or not ascending.
    """
    most = encoder_shape(whisper).layers
    if not layers or list(layers) != sorted(set(layers)) or layers[0] < 1 or layers[-1] > most:
        raise HarkenError("encoder layers", list(layers), f"Name some of 1 to {most}, ascending.")


def keyword_frames(
    whisper: Whisper,
    waves: Sequence[np.ndarray],
    layers: Sequence[int],
    settings: EnrolmentSettings,
    batch_size: int = 32,
) -> list[Tensor]:
    """Hidden states of each term's own audio, float32 (layers, frames, width) on the model's device.

    Args:
        waves: 16 kHz mono, one term each.
        layers: counted from 1, ascending; the layers above the last are not run.
        settings: how silence is trimmed and how much context the encoder gets.
        batch_size: terms per pass; no part of the result.

    Returns:
        The frames under the trimmed audio only, in the order given.

    Raises:
        HarkenError: a wave that is empty, not finite, silent, or longer than the window.
    """
    trimmed = [_speech(wave, f"keyword {index}", settings.trim_db) for index, wave in enumerate(waves)]
    return _frames(whisper, trimmed, layers, settings.padding_seconds, batch_size)


def utterance_frames(
    whisper: Whisper, waves: Sequence[np.ndarray], layers: Sequence[int], batch_size: int = 16
) -> list[Tensor]:
    """Hidden states of utterances in the whole window, as `keyword_frames`; frames up to the end of the audio.

    Raises:
        HarkenError: a wave that is empty, not finite or longer than the window.
    """
    checked = [check_wave(wave, f"utterance {index}") for index, wave in enumerate(waves)]
    return _frames(whisper, checked, layers, None, batch_size)


@dataclass(frozen=True)
class Closeness:
    """Cosine of a layer's short-context frames with its full-window frames.

    `cosine`: mean over frames. `centred`: the same after subtracting the layer's mean frame, which all frames share
    and which alone would make any two of them similar. `lowest`: the worst frame's centred cosine.
    """

    layer: int
    cosine: float
    centred: float
    lowest: float


def context_closeness(
    whisper: Whisper, waves: Sequence[np.ndarray], layers: Sequence[int], padding_seconds: float
) -> list[Closeness]:
    """How close frames from a short context are to those from the whole window, per layer.

    This says whether terms may be enrolled with `padding_seconds` of context on a given model, or whether it has
    to be longer.
    """
    short = torch.cat(_frames(whisper, waves, layers, padding_seconds, batch_size=8), dim=1)
    full = torch.cat(_frames(whisper, waves, layers, None, batch_size=8), dim=1)
    shared = full.mean(dim=1, keepdim=True)
    plain = F.cosine_similarity(short, full, dim=-1)
    centred = F.cosine_similarity(short - shared, full - shared, dim=-1)
    return [
        Closeness(layer, float(plain[row].mean()), float(centred[row].mean()), float(centred[row].min()))
        for row, layer in enumerate(layers)
    ]


def frame_count(whisper: Whisper, samples: int) -> int:
    """Encoder frames that hold so many samples of 16 kHz audio, the last one perhaps in part."""
    positions: int = whisper.model.config.max_source_positions
    return -(-samples * positions // whisper.window_samples)


def trim_silence(wave: np.ndarray, below_db: float) -> np.ndarray:
    """The wave from its first to its last 10 ms that is less than `below_db` under the loudest; empty if it is silent.

    One quiet step is kept on each side, so that a plosive's onset is not cut.
    """
    step = int(_LEVEL_SECONDS * SAMPLE_RATE)
    padded = np.pad(wave.astype(np.float64), (0, -len(wave) % step))
    energy = np.square(padded).reshape(-1, step).mean(axis=1)
    loud = np.flatnonzero((energy > energy.max() * 10 ** (-below_db / 10)) & (energy > 0))
    if not loud.size:
        return wave[:0]
    return wave[max(0, int(loud[0]) - 1) * step : (int(loud[-1]) + 2) * step]


def _speech(wave: np.ndarray, name: str, trim_db: float | None) -> np.ndarray:
    wave = check_wave(wave, name)
    if trim_db is None:
        return wave
    trimmed = trim_silence(wave, trim_db)
    if not trimmed.size:
        raise HarkenError("audio", name, "It is silent: record or synthesize the term again.")
    return trimmed


def _frames(
    whisper: Whisper, waves: Sequence[np.ndarray], layers: Sequence[int], padding: float | None, batch_size: int
) -> list[Tensor]:
    for index, wave in enumerate(waves):
        if len(wave) > whisper.window_samples:
            seconds = f"{len(wave) / SAMPLE_RATE:.1f} s"
            raise HarkenError(f"audio {index}", seconds, f"One pass takes {whisper.window_seconds:g} s: cut it.")
    contexts = [_context(whisper, len(wave), padding) for wave in waves]
    found: list[Tensor] = [torch.empty(0)] * len(waves)
    for context in sorted(set(contexts)):
        members = [index for index, own in enumerate(contexts) if own == context]
        for start in range(0, len(members), batch_size):
            batch = members[start : start + batch_size]
            states = _encode(whisper, [waves[index] for index in batch], context, layers)
            for row, index in enumerate(batch):
                found[index] = states[row, :, : frame_count(whisper, len(waves[index]))].float().clone()
    return found


def _context(whisper: Whisper, samples: int, padding: float | None) -> int:
    """Encoder frames that the encoder is given for this many samples of audio."""
    positions: int = whisper.model.config.max_source_positions
    if padding is None:
        return positions
    seconds = math.ceil((samples / SAMPLE_RATE + padding) / _CONTEXT_STEP_SECONDS) * _CONTEXT_STEP_SECONDS
    return min(positions, math.ceil(seconds * positions / whisper.window_seconds))


def _encode(whisper: Whisper, waves: Sequence[np.ndarray], context: int, layers: Sequence[int]) -> Tensor:
    """(batch, layers, context, width): position embeddings cropped to the context, layers above the last not run."""
    features = whisper.features(waves)[:, :, : 2 * context].to(whisper.device, whisper.model.dtype)
    with torch.inference_mode():
        states = islice(encoder_states(whisper.model.get_encoder(), features), max(layers))
        wanted = set(layers)
        return torch.stack([state for number, state in enumerate(states, start=1) if number in wanted], dim=1)
