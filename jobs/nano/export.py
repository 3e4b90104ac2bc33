"""Writes the model as a folder that `from_pretrained` loads: half-precision weights, processor, generation settings."""

from __future__ import annotations

import copy
from pathlib import Path

from transformers import WhisperForConditionalGeneration, WhisperProcessor, WhisperTokenizer

from jobs.nano.features import feature_extractor
from jobs.nano.model import generation_config
from jobs.nano.settings import NanoConfig


def export(
    config: NanoConfig, model: WhisperForConditionalGeneration, tokenizer: WhisperTokenizer, folder: Path
) -> None:
    """Save `model` in float16 with its processor; `model` itself stays as it is."""
    half = copy.deepcopy(model).cpu().half()
    half.generation_config = generation_config(config.model, tokenizer)
    half.save_pretrained(folder)
    extractor = feature_extractor(config.model.window_seconds, config.model.hop_length)
    WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
