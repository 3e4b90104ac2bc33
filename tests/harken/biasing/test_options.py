"""Prompts and temperatures of rows that are decoded together."""

import numpy as np
import pytest
import torch

from harken.audio import SAMPLE_RATE
from harken.biasing.cross_states import CrossStates
from harken.biasing.decoding import Boost, DecodingRow, decode_rows
from harken.biasing.options import DecodingOptions, Sampler
from harken.whisper import Whisper, load_whisper, select_rows
from tests.tiny_whisper import save_tiny_whisper

WARM = DecodingOptions(temperature=1.0, seed=3)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Whisper:
    return load_whisper(str(save_tiny_whisper(tmp_path_factory.mktemp("tiny"))), device="cpu")


@pytest.fixture(scope="module")
def encoded(whisper):
    waves = [np.random.default_rng(seed).standard_normal(SAMPLE_RATE).astype(np.float32) for seed in range(2)]
    return whisper.encode(whisper.features(waves))


def decode(whisper, encoded, *options, window=0):
    rows = [DecodingRow(window, options=one) for one in options]
    return decode_rows(whisper, CrossStates(whisper, encoded), rows, [1.0, 1.0], Boost(1.0, 1.0), "zh", 12)


def test_the_same_seed_draws_the_same_text_whatever_is_beside_it(whisper, encoded):
    (alone,) = decode(whisper, encoded, WARM)
    other, beside, plain = decode(
        whisper, encoded, DecodingOptions(temperature=1.0, seed=4), WARM, DecodingOptions(seed=3)
    )
    assert beside.tokens == alone.tokens
    assert other.tokens != alone.tokens
    assert plain.tokens == decode(whisper, encoded, DecodingOptions())[0].tokens != alone.tokens


def test_tokens_are_drawn_as_often_as_the_model_says(whisper):
    """Of the softmax at the temperature, and no special token but the end."""
    scores = torch.full((1, len(whisper.processor.tokenizer)), -50.0)
    scores[0, [5, 6, 7]] = torch.tensor([1.0, 2.0, 3.0])
    scores[0, whisper.previous_token] = 100.0
    options = [DecodingOptions(temperature=0.8, seed=seed) for seed in range(2000)]
    drawn = Sampler(whisper, options).choose(scores.expand(2000, -1), [0] * 2000)
    shares = torch.bincount(drawn, minlength=8)[5:8] / 2000
    assert shares.tolist() == pytest.approx((scores[0, 5:8] / 0.8).softmax(0).tolist(), abs=0.04)
    assert float(shares.sum()) == pytest.approx(1.0)


def test_log_probabilities_are_the_models_whatever_the_temperature(whisper, encoded):
    (drawn,) = decode(whisper, encoded, WARM)
    sequence = torch.tensor([[*whisper.prompt_tokens("zh"), *drawn.tokens]])
    with torch.inference_mode():
        logits = whisper.model(encoder_outputs=select_rows(encoded, [0]), decoder_input_ids=sequence).logits[0]
    start, logits = len(whisper.prompt_tokens("zh")) - 1, logits.clone()
    logits[start, whisper.suppressed_tokens()[1]] = -torch.inf
    own = logits[start:].log_softmax(-1)
    expected = [float(own[place, token]) for place, token in enumerate(drawn.tokens)]
    assert drawn.logprobs[: len(expected)] == pytest.approx(expected, abs=1e-3)
    assert drawn.average_logprob == pytest.approx(sum(drawn.logprobs) / len(drawn.logprobs))


def test_the_probability_that_nobody_speaks_is_the_models_behind_any_prompt(whisper, encoded):
    prompted = DecodingRow(0, (whisper.previous_token, 7, 8))
    rows = decode_rows(
        whisper, CrossStates(whisper, encoded), [DecodingRow(0), prompted], [1.0, 1.0], Boost(1.0, 1.0), "zh", 4
    )
    start = whisper.prompt_tokens("zh")[0]
    for row, before in zip(rows, ((), prompted.prompt), strict=True):
        given = torch.tensor([[*before, start]])
        with torch.inference_mode():
            logits = whisper.model(encoder_outputs=select_rows(encoded, [0]), decoder_input_ids=given).logits[0, -1]
        expected = float(logits.softmax(-1)[whisper.no_speech_token])
        assert row.no_speech_probability == pytest.approx(expected, abs=1e-5)
        assert 0 < expected < 1
