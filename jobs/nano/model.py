"""The nano model: Whisper's own classes at a small size, and its generation settings."""

from __future__ import annotations

import copy

import torch
from torch import nn
from torch.nn import functional
from transformers import GenerationConfig, WhisperConfig, WhisperForConditionalGeneration, WhisperTokenizer

from jobs.nano.settings import ModelSettings

# The heads of every decoder layer whose cross attention is guided to be monotonic while training.
GUIDED_HEADS = (0, 1)


def token_id(tokenizer: WhisperTokenizer, token: str) -> int:
    """The number of a single token."""
    identifier = tokenizer.convert_tokens_to_ids(token)
    assert isinstance(identifier, int)
    return identifier


def build_model(settings: ModelSettings, tokenizer: WhisperTokenizer) -> WhisperForConditionalGeneration:
    """An untrained model for `tokenizer`."""
    end = token_id(tokenizer, "<|endoftext|>")
    positions = round(settings.window_seconds * 16_000 / settings.hop_length) // 2
    config = WhisperConfig(
        vocab_size=len(tokenizer),
        num_mel_bins=80,
        d_model=settings.width,
        encoder_layers=settings.encoder_layers,
        decoder_layers=settings.decoder_layers,
        encoder_attention_heads=settings.heads,
        decoder_attention_heads=settings.heads,
        encoder_ffn_dim=settings.feed_forward,
        decoder_ffn_dim=settings.feed_forward,
        max_source_positions=positions,
        max_target_positions=settings.target_positions,
        dropout=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
        init_std=0.02,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=token_id(tokenizer, "<|startoftranscript|>"),
    )
    return WhisperForConditionalGeneration(config)


def generation_config(settings: ModelSettings, tokenizer: WhisperTokenizer) -> GenerationConfig:
    """A fresh configuration: one derived from the model's would lose Whisper's own fields when loaded again."""
    end = token_id(tokenizer, "<|endoftext|>")
    special = ("<|startoftranscript|>", "<|translate|>", "<|transcribe|>", "<|startoflm|>", "<|startofprev|>")
    languages = ("<|en|>", "<|zh|>")
    suppressed = [token_id(tokenizer, token) for token in (*special, *languages, "<|nospeech|>", "<|notimestamps|>")]
    return GenerationConfig(
        max_length=settings.target_positions,
        pad_token_id=end,
        bos_token_id=end,
        eos_token_id=end,
        decoder_start_token_id=token_id(tokenizer, "<|startoftranscript|>"),
        is_multilingual=True,
        lang_to_id={language: token_id(tokenizer, language) for language in languages},
        task_to_id={task: token_id(tokenizer, f"<|{task}|>") for task in ("transcribe", "translate")},
        no_timestamps_token_id=token_id(tokenizer, "<|notimestamps|>"),
        prev_sot_token_id=token_id(tokenizer, "<|startofprev|>"),
        max_initial_timestamp_index=50,
        # All: of the nano model's heads, some that were never guided follow the speech best, and all do so together.
        alignment_heads=[[layer, head] for layer in range(settings.decoder_layers) for head in range(settings.heads)],
        suppress_tokens=sorted(suppressed),
        # Whisper also bars the end token at the start; the nano model must be free to say nothing.
        begin_suppress_tokens=[],
        return_timestamps=False,
    )


class Trainee(nn.Module):
    """The model plus an auxiliary CTC head over phonemes, which is dropped at export."""

    def __init__(self, whisper: WhisperForConditionalGeneration, phonemes: int) -> None:
        super().__init__()
        self.whisper = whisper
        self.phoneme_head = nn.Linear(whisper.config.d_model, phonemes + 1)
        decoder_config = copy.deepcopy(whisper.config)
        self.decoder_config = decoder_config
        for module in whisper.model.decoder.modules():
            if hasattr(module, "config"):
                module.config = decoder_config

    def encode(self, features: torch.Tensor) -> torch.Tensor:
        """(batch, frames, 80) -> (batch, frames / 2, width). Whisper's encoder without its fixed-length check."""
        encoder = self.whisper.model.encoder
        states = functional.gelu(encoder.conv1(features.transpose(1, 2)))
        states = functional.gelu(encoder.conv2(states)).transpose(1, 2)
        states = states + encoder.embed_positions.weight[: states.size(1)]
        for layer in encoder.layers:
            output = layer(states, None)
            states = output[0] if isinstance(output, tuple) else output
        return encoder.layer_norm(states)

    def decode(
        self, tokens: torch.Tensor, states: torch.Tensor, with_attention: bool
    ) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """Decoder states (batch, tokens, width) and, if asked for, each layer's cross attention."""
        self.decoder_config._attn_implementation = "eager" if with_attention else "sdpa"
        output = self.whisper.model.decoder(
            input_ids=tokens, encoder_hidden_states=states, use_cache=False, output_attentions=with_attention
        )
        return output.last_hidden_state, output.cross_attentions if with_attention else ()


def guided_attention_loss(
    attentions: tuple[torch.Tensor, ...], target_mask: torch.Tensor, positions: torch.Tensor, width: float = 0.15
) -> torch.Tensor:
    """Penalty on cross attention far from the diagonal of (target tokens, clip) (Tachibana et al. 2018, eq. 4).

    `target_mask` (batch, tokens) marks text tokens, `positions` (batch,) the encoder positions that hold the clip.
    """
    order = (target_mask.cumsum(1) - 0.5) / target_mask.sum(1, keepdim=True).clamp(min=1)
    places = torch.arange(attentions[0].size(-1), device=target_mask.device) + 0.5
    progress = places[None] / positions[:, None]
    distance = order[:, :, None] - progress[:, None, :]
    penalty = (1 - torch.exp(-(distance**2) / (2 * width**2))) * target_mask[:, :, None]
    per_head = torch.stack([attention[:, list(GUIDED_HEADS)].float().mean(1) for attention in attentions]).mean(0)
    return (per_head * penalty).sum() / target_mask.sum().clamp(min=1)
