"""A real Whisper folder, randomly initialised and small enough to be built and run in a test."""

from pathlib import Path

import torch
from transformers import (
    GenerationConfig,
    WhisperConfig,
    WhisperFeatureExtractor,
    WhisperForConditionalGeneration,
    WhisperProcessor,
    WhisperTokenizer,
)
from transformers.convert_slow_tokenizer import bytes_to_unicode

# Tiny tensors spread over threads spend their time waiting for one another.
torch.set_num_threads(1)

WINDOW_SECONDS = 2
POSITIONS = 48
LANGUAGES = ("en", "zh")
TASKS = ("translate", "transcribe")
END = "<|endoftext|>"


def save_tiny_whisper(folder: Path, seed: int = 0, window_seconds: int = WINDOW_SECONDS) -> Path:
    """Write a two-layer model with a byte-level tokenizer to `folder` and return it."""
    tokenizer = _tokenizer()
    extractor = WhisperFeatureExtractor(chunk_length=window_seconds, hop_length=320)
    token = tokenizer.convert_tokens_to_ids
    end = token(END)
    torch.manual_seed(seed)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(tokenizer),
            d_model=32,
            encoder_layers=2,
            decoder_layers=2,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=64,
            decoder_ffn_dim=64,
            max_source_positions=extractor.nb_max_frames // 2,
            max_target_positions=POSITIONS,
            decoder_start_token_id=token("<|startoftranscript|>"),
            bos_token_id=end,
            eos_token_id=end,
            pad_token_id=end,
            # Larger than usual, so that adapters on frozen random weights can learn something in a few steps.
            init_std=0.2,
            suppress_tokens=None,
            begin_suppress_tokens=None,
        )
    )
    # A fresh configuration: edits to the model's own are lost when it is loaded again.
    model.generation_config = GenerationConfig(
        decoder_start_token_id=token("<|startoftranscript|>"),
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
        is_multilingual=True,
        lang_to_id={f"<|{language}|>": token(f"<|{language}|>") for language in LANGUAGES},
        task_to_id={task: token(f"<|{task}|>") for task in TASKS},
        no_timestamps_token_id=token("<|notimestamps|>"),
        max_length=POSITIONS,
        begin_suppress_tokens=[end],
    )
    model.save_pretrained(folder)
    WhisperProcessor(extractor, tokenizer).save_pretrained(folder)
    return folder


def _tokenizer() -> WhisperTokenizer:
    vocabulary = {symbol: index for index, symbol in enumerate(bytes_to_unicode().values())}
    vocabulary[END] = len(vocabulary)
    tokenizer = WhisperTokenizer(vocab=vocabulary, merges=[], pad_token=END)
    specials = ["startoftranscript", *LANGUAGES, *TASKS, "startoflm", "startofprev", "nospeech", "notimestamps"]
    tokenizer.add_special_tokens({"extra_special_tokens": [f"<|{name}|>" for name in specials]})
    return tokenizer
