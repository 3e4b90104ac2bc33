"""Rows of one batch, held against the model's own generation of each alone."""

import numpy as np
import pytest
import torch

from harken.audio import SAMPLE_RATE
from harken.biasing.cross_states import CrossStates
from harken.biasing.decoding import Boost, DecodingRow, decode_rows
from harken.biasing.scoring import score_texts
from harken.detection import Detection
from harken.whisper import Whisper, load_whisper
from tests.tiny_whisper import POSITIONS, save_tiny_whisper

BOOST = Boost(weight=100.0, slack=2.0)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Whisper:
    return load_whisper(str(save_tiny_whisper(tmp_path_factory.mktemp("tiny"))), device="cpu")


@pytest.fixture(scope="module")
def encoded(whisper: Whisper):
    waves = [np.random.default_rng(seed).standard_normal(SAMPLE_RATE).astype(np.float32) for seed in range(2)]
    return whisper.encode(whisper.features(waves))


def decode(whisper, encoded, rows, most=12):
    return decode_rows(whisper, CrossStates(whisper, encoded), rows, [1.0, 1.0], BOOST, "zh", most)


def test_rows_without_help_are_what_the_model_writes(whisper, encoded):
    plain = whisper.decode(encoded, "zh", 12)
    ours = decode(whisper, encoded, [DecodingRow(1), DecodingRow(0)])
    for left, right in zip(ours, reversed(plain), strict=True):
        assert (left.text, left.tokens, left.truncated) == (right.text, right.tokens, right.truncated)
        assert left.average_logprob == pytest.approx(right.average_logprob, abs=1e-4)


def test_each_rows_prompt_is_its_own(whisper, encoded):
    prompts = [(whisper.previous_token, 7, 8, 9), (), (whisper.previous_token, 5)]
    together = decode(whisper, encoded, [DecodingRow(0, prompt) for prompt in prompts])
    beginning = whisper.prompt_tokens("zh")
    for prompt, hypothesis in zip(prompts, together, strict=True):
        sequence = torch.tensor([[*prompt, *beginning, *hypothesis.tokens]])
        with torch.inference_mode():
            logits = whisper.model(encoder_outputs=select(encoded, 0), decoder_input_ids=sequence).logits[0]
        logits = logits.clone()
        start = len(prompt) + len(beginning) - 1
        logits[start, whisper.suppressed_tokens()[1]] = -torch.inf
        best = logits[start:].argmax(dim=-1)[: len(hypothesis.tokens)]
        assert best.tolist() == list(hypothesis.tokens)
    assert len({hypothesis.tokens for hypothesis in together}) > 1


def select(encoded, row):
    from harken.whisper import select_rows

    return select_rows(encoded, [row])


def test_a_prompt_leaves_room_for_what_is_left_of_the_positions(whisper, encoded):
    prompt = (whisper.previous_token, *range(5, 25))
    short, long = decode(whisper, encoded, [DecodingRow(0, prompt), DecodingRow(0)], most=1000)
    beginning = len(whisper.prompt_tokens("zh"))
    assert len(short.tokens) <= POSITIONS - len(prompt) - beginning
    assert len(long.tokens) <= POSITIONS - beginning
    assert short.truncated or len(short.tokens) < POSITIONS - len(prompt) - beginning


def test_boosted_terms_are_written_and_the_row_beside_is_not_touched(whisper, encoded):
    alone = decode(whisper, encoded, [DecodingRow(0)])[0]
    plain, helped = decode(
        whisper, encoded, [DecodingRow(0), DecodingRow(0, boosted=(Detection("xyz", 0.0, 1.0, 0.9),))]
    )
    assert plain.tokens == alone.tokens
    assert "xyz" in helped.text.lower()
    assert "xyz" not in plain.text.lower()


def test_what_is_taken_back_leaves_no_trace(whisper, encoded, monkeypatch):
    """A row that withdraws its tokens once goes on as if they had never been."""
    from harken.biasing.boosting import TermBoosting

    withdrawn = []

    def take_back(self, number, token):
        step = len(withdrawn)
        withdrawn.append(token)
        return {4: 3, 9: 1}.get(step, 0) if number == 0 else 0

    monkeypatch.setattr(TermBoosting, "take_back", take_back)
    (again,) = decode(whisper, encoded, [DecodingRow(0)], most=8)
    monkeypatch.undo()
    (plain,) = decode(whisper, encoded, [DecodingRow(0)], most=8)
    assert len(withdrawn) > len(plain.tokens) + 1
    assert again.tokens == plain.tokens
    assert again.average_logprob == pytest.approx(plain.average_logprob, abs=1e-4)


def test_scores_are_the_sum_of_the_models_log_probabilities(whisper, encoded):
    texts = ["ab", "abcdef", "x" * POSITIONS]
    first, second, too_long = score_texts(whisper, CrossStates(whisper, encoded), [1, 0, 0], texts, "zh")
    assert too_long is None
    for row, text, score in ((1, "ab", first), (0, "abcdef", second)):
        tokens = whisper.text_tokens(text)
        sequence = torch.tensor([[*whisper.prompt_tokens("zh"), *tokens]])
        with torch.inference_mode():
            logits = whisper.model(encoder_outputs=select(encoded, row), decoder_input_ids=sequence).logits[0]
        logprobs = logits[3 : 3 + len(tokens)].log_softmax(dim=-1)
        expected = sum(float(logprobs[place, token]) for place, token in enumerate(tokens))
        assert score == pytest.approx(expected, abs=1e-3)
