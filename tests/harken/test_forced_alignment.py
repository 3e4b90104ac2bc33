"""Alignment by cross-attention, held against the times of the synthesizer that spoke the audio."""

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from actors.tts.espeak import EspeakSynthesizer
from actors.tts.interface import SpeechRequest, SpeechResult
from harken.audio import SAMPLE_RATE
from harken.errors import HarkenError
from harken.forced_alignment import CrossAttention, align, align_encoded, alignment_heads, monotonic_path
from harken.text import unit_spans
from harken.whisper import Whisper, load_whisper
from tests.tiny_whisper import POSITIONS, WINDOW_SECONDS, save_tiny_whisper

NANO = Path(__file__).resolve().parents[2] / "models" / "nano"
TEXTS = (
    "中年男性，上海人，喜欢健身。",
    "喜欢老花，想要购买小包，风格休闲。",
    "北京人，女士，颜色要黑色。",
    "三十岁左右，白领，风格低调。",
    "年轻女生，上班用。",
    "今天天气很好，我们去公园走走吧",
    "她问open的时间",
    "我想买new bag送给妈妈",
    "这位客户每个月都来看新款。",
    "她说下周要来试一下。",
)
VOICES = ("cmn", "cmn+f2", "cmn+m3", "cmn+linda")


@pytest.fixture(scope="module")
def nano() -> Whisper:
    return load_whisper(str(NANO), device="cpu")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Whisper:
    return load_whisper(str(save_tiny_whisper(tmp_path_factory.mktemp("tiny"))), device="cpu")


@pytest.fixture(scope="module")
def spoken() -> list[SpeechResult]:
    voices = (VOICES[index % len(VOICES)] for index in range(len(TEXTS)))
    requests = [SpeechRequest(text, text, text, voice, timed=True) for text, voice in zip(TEXTS, voices, strict=True)]
    return EspeakSynthesizer().synthesize(requests)


def noise(seconds: float) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(int(seconds * SAMPLE_RATE)).astype(np.float32)


def test_aligned_units_are_where_the_synthesizer_said_them(nano, spoken):
    aligned = align(nano, [result.wave for result in spoken], TEXTS)
    errors = []
    for text, result, alignment in zip(TEXTS, spoken, aligned, strict=True):
        assert [(unit.character_start, unit.character_end) for unit in alignment.units] == unit_spans(text)
        for said, found in zip(result.units, alignment.units, strict=True):
            errors += [abs(said.start - found.start), abs(said.end - found.end)]
    assert len(errors) > 150
    # An encoder frame of the nano model is 40 ms.
    assert np.median(errors) < 0.05
    assert np.quantile(errors, 0.9) < 0.2


def test_confidence_tells_a_text_that_is_not_said(nano, spoken):
    waves = [result.wave for result in spoken[:4]]
    right = align(nano, waves, TEXTS[:4])
    wrong = align(nano, waves, TEXTS[4:8])
    assert min(alignment.confidence for alignment in right) > 0.4
    assert max(alignment.confidence for alignment in wrong) < 0.2


def test_a_batch_changes_no_times(nano, spoken):
    waves = [result.wave for result in spoken[:3]]
    together, alone = align(nano, waves, TEXTS[:3], batch_size=3), align(nano, waves, TEXTS[:3], batch_size=1)
    for left, right in zip(together, alone, strict=True):
        assert left.units == right.units
        assert left.confidence == pytest.approx(right.confidence, abs=1e-4)


def test_what_is_encoded_already_is_aligned_alike(nano, spoken):
    waves, texts = [result.wave for result in spoken[:3]], [TEXTS[0], "，。", TEXTS[2]]
    encoded = nano.encode(nano.features(waves))
    seconds = [len(wave) / SAMPLE_RATE for wave in waves]
    first, nothing, third = align_encoded(nano, encoded, seconds, texts)
    assert nothing is None
    for found, index in ((first, 0), (third, 2)):
        (alone,) = align(nano, [waves[index]], [texts[index]])
        assert found.units == alone.units
        assert found.confidence == pytest.approx(alone.confidence, abs=1e-4)
    assert align_encoded(nano, encoded, [0.1, 1.0, 0.1], TEXTS[:3])[0] is None
    with pytest.raises(HarkenError, match="en, zh"):
        align_encoded(nano, encoded, seconds, texts, language="xx")


def test_units_are_found_whatever_tokens_they_are_made_of(nano):
    # 龘 is three tokens of one byte each, GUCCI a token per letter.
    text = "老板 喜欢龘GUCCI的it's。"
    (alignment,) = align(nano, [noise(4.0)], [text])
    assert [(unit.character_start, unit.character_end) for unit in alignment.units] == unit_spans(text)
    assert all(unit.end - unit.start >= 0.04 - 1e-9 for unit in alignment.units)


def test_attention_is_the_models_own_on_the_audios_frames(tiny):
    heads = [(0, 1), (1, 0)]
    given = torch.tensor([[*tiny.prompt_tokens("zh"), 5, 6, 7]])
    encoded = tiny.encode(tiny.features([noise(1.0)]))
    with torch.inference_mode(), CrossAttention(tiny, heads) as attention:
        tiny.model(encoder_outputs=encoded, decoder_input_ids=given, use_cache=False)
    assert not any(module._forward_hooks for module in tiny.model.modules())
    used = tiny.model.config._attn_implementation
    tiny.model.set_attn_implementation("eager")
    try:
        with torch.inference_mode():
            states = tiny.model(encoder_outputs=encoded, decoder_input_ids=given, output_attentions=True)
    finally:
        tiny.model.set_attn_implementation(used)
    own = torch.stack([states.cross_attentions[layer][0, head, 2:6, :20] for layer, head in heads])
    expected = (own / own.sum(dim=-1, keepdim=True)).mean(dim=0).numpy()
    assert np.allclose(attention.weights(0, slice(2, 6), 20), expected, atol=1e-5)


def test_the_newest_position_is_the_last_of_each_rows_own_frames(tiny):
    given = torch.tensor([[*tiny.prompt_tokens("zh"), 5, 6, 7]] * 2)
    encoded = tiny.encode(tiny.features([noise(1.0), noise(0.5)]))
    with torch.inference_mode(), CrossAttention(tiny, [(0, 1), (1, 0)]) as attention:
        cache = tiny.model(encoder_outputs=encoded, decoder_input_ids=given, use_cache=True).past_key_values
        newest = attention.newest(cache, [20, 10])
    last = given.shape[1] - 1
    for row, frames in enumerate((20, 10)):
        expected = attention.weights(row, slice(last, last + 1), frames)[0]
        assert np.allclose(newest[row, :frames], expected, atol=1e-5)
        assert not newest[row, frames:].any()


def test_a_model_that_names_no_heads_is_read_from_all(tiny, nano):
    assert alignment_heads(tiny) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert len(alignment_heads(nano)) == 12


def test_the_path_is_the_best_of_all():
    generator = np.random.default_rng(0)
    for rows, frames in ((1, 4), (3, 3), (3, 7), (4, 9)):
        scores = generator.standard_normal((rows, frames))
        starts = monotonic_path(scores).tolist()

        def total(begins: list[int], scores: np.ndarray = scores) -> float:
            ends = [*begins[1:], scores.shape[1]]
            return sum(scores[row, begin:end].sum() for row, (begin, end) in enumerate(zip(begins, ends, strict=True)))

        every = [[0, *inner] for inner in combinations(range(1, frames), rows - 1)]
        assert starts in every
        assert total(starts) == pytest.approx(max(map(total, every)))


def test_more_rows_than_frames_have_no_path():
    with pytest.raises(ValueError, match="3 rows"):
        monotonic_path(np.zeros((3, 2)))


@pytest.mark.parametrize(
    ("seconds", "text", "match"),
    [
        (WINDOW_SECONDS + 0.1, "好", r"utterance 1: '2\.1 s'"),
        (1.0, "，。", "utterance 1.*no letter"),
        (1.0, "x" * POSITIONS, f"utterance 1: '{POSITIONS} tokens'. The model takes"),
        (0.1, "喜欢健身", r"utterance 1: '12 tokens'.*0\.10 s"),
        (0.0, "好", "utterance 1.*no samples"),
    ],
)
def test_what_cannot_be_aligned_is_named(tiny, seconds, text, match):
    with pytest.raises(HarkenError, match=match):
        align(tiny, [noise(1.0), noise(seconds)], ["好", text])
