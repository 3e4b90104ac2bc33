import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from harken.audio import SAMPLE_RATE, split_at_pauses
from harken.errors import HarkenError
from harken.whisper import Whisper, load_whisper, select_rows
from tests.tiny_whisper import POSITIONS, WINDOW_SECONDS, save_tiny_whisper


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_whisper(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def whisper(folder: Path) -> Whisper:
    return load_whisper(str(folder), device="cpu")


def noise(seconds: float, seed: int = 0, level: float = 0.1) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return (level * generator.standard_normal(int(seconds * SAMPLE_RATE))).astype(np.float32)


def test_window_is_read_from_the_feature_extractor(whisper):
    assert whisper.window_seconds == WINDOW_SECONDS
    assert whisper.model.dtype == torch.float32


@pytest.mark.parametrize("seconds", [0.01, 0.5, 1.9, 2.0])
def test_features_equal_the_extractors_own_on_the_padded_window(whisper, seconds):
    waves = [noise(seconds), noise(0.3, seed=1, level=1e-4), np.zeros(1600, np.float32)]
    expected = whisper.processor.feature_extractor(waves, sampling_rate=SAMPLE_RATE, return_tensors="pt").input_features
    assert torch.allclose(whisper.features(waves), expected, atol=1e-5)


def test_trimmed_features_are_the_beginning_of_the_full_ones(whisper):
    waves = [noise(0.7), noise(0.4, seed=1)]
    full, trimmed = whisper.features(waves), whisper.features(waves, full_window=False)
    assert trimmed.shape[-1] < full.shape[-1]
    assert trimmed.shape[-1] % 2 == 0
    assert torch.allclose(full[:, :, : trimmed.shape[-1]], trimmed)


def test_decoding_equals_greedy_generation_and_its_logprob_is_the_models_own(whisper):
    waves = [noise(1.0, seed=seed) for seed in range(3)]
    heard = whisper.transcribe(waves, max_new_tokens=6)
    features = whisper.features(waves)
    generated = whisper.model.generate(features, language="zh", task="transcribe", max_new_tokens=6)
    prompt = whisper.prompt_tokens("zh")
    for row, hypothesis in enumerate(heard):
        assert hypothesis.tokens
        assert list(hypothesis.tokens) == generated[row].tolist()[: len(hypothesis.tokens)]
        sequence = torch.tensor([prompt + list(hypothesis.tokens)])
        with torch.no_grad():
            logits = whisper.model(features[row : row + 1], decoder_input_ids=sequence).logits[0]
        # The end may not come first (begin_suppress_tokens), which changes the first token's probability.
        logits[len(prompt) - 1, whisper.model.generation_config.eos_token_id] = -torch.inf
        end = [] if hypothesis.truncated else [whisper.model.generation_config.eos_token_id]
        chosen = [*hypothesis.tokens, *end]
        logprobs = logits.log_softmax(-1)[len(prompt) - 1 :]
        expected = np.mean([logprobs[step, token].item() for step, token in enumerate(chosen)])
        assert hypothesis.average_logprob == pytest.approx(expected, abs=1e-4)


def test_order_and_batching_do_not_matter(whisper):
    waves = [noise(seconds, seed) for seed, seconds in enumerate([1.5, 0.2, 0.9, 1.1, 0.4])]
    one_by_one = [whisper.transcribe([wave], max_new_tokens=8)[0].tokens for wave in waves]
    together = [heard.tokens for heard in whisper.transcribe(waves, batch_size=2, max_new_tokens=8)]
    assert together == one_by_one


def test_token_limit_is_clamped_to_the_decoders_positions_and_marked(whisper):
    (heard,) = whisper.transcribe([noise(1.0)], max_new_tokens=10_000)
    assert heard.truncated
    assert len(heard.tokens) == POSITIONS - len(whisper.prompt_tokens("zh"))


def test_audio_beyond_the_window_is_cut_and_every_piece_is_heard(whisper):
    wave = noise(5.0)
    wave[int(1.8 * SAMPLE_RATE) : int(1.9 * SAMPLE_RATE)] = 0
    pieces = split_at_pauses(wave, whisper.window_samples)
    assert 1.8 <= len(pieces[0]) / SAMPLE_RATE <= 1.9
    assert np.array_equal(np.concatenate(pieces), wave)
    assert all(len(piece) <= whisper.window_samples for piece in pieces)
    (heard,) = whisper.transcribe([wave], max_new_tokens=5)
    assert heard.windows == len(pieces) >= 3
    alone = [whisper.transcribe([piece], max_new_tokens=5)[0] for piece in pieces]
    assert heard.tokens == tuple(token for piece in alone for token in piece.tokens)
    assert heard.average_logprob == pytest.approx(np.mean([piece.average_logprob for piece in alone]), abs=1e-4)


def test_other_rates_are_resampled(whisper):
    (slow,) = whisper.transcribe([noise(1.0)], rate=8_000, max_new_tokens=4)
    assert slow.windows == 1
    assert slow.tokens


def test_one_encoder_pass_serves_several_decodings(whisper):
    encoded = whisper.encode(whisper.features([noise(1.0)]))
    assert whisper.decode(encoded, "zh", 5) == whisper.decode(encoded, "zh", 5)
    assert whisper.prompt_tokens("zh") != whisper.prompt_tokens("en")


def test_texts_from_elsewhere_have_no_special_tokens(whisper):
    special = set(whisper.processor.tokenizer.get_added_vocab().values())
    assert whisper.plain_tokens("ab") == list(whisper.text_tokens("ab"))[:-1]
    assert special & set(whisper.text_tokens("a<|zh|>b")[:-1])
    assert whisper.plain_tokens("a<|zh|><|endoftext|>b") == whisper.plain_tokens("ab")


def test_rows_of_encoded_audio_are_picked_in_order_and_repeated(whisper):
    encoded = whisper.encode(whisper.features([noise(1.0, seed) for seed in range(3)]))
    picked = select_rows(encoded, [2, 0, 2]).last_hidden_state
    assert torch.equal(picked, encoded.last_hidden_state[[2, 0, 2]])
    assert whisper.decode(select_rows(encoded, [1]), "zh", 5)[0].tokens == whisper.decode(encoded, "zh", 5)[1].tokens


def test_unknown_language_names_the_known_ones(whisper):
    with pytest.raises(HarkenError, match="en, zh"):
        whisper.transcribe([noise(0.5)], language="xx")


def test_bad_waves_are_refused(whisper):
    with pytest.raises(HarkenError, match="wave 1"):
        whisper.transcribe([noise(0.5), np.zeros(0, np.float32)])


def damaged(folder: Path, copy: Path, damage: str) -> Path:
    shutil.copytree(folder, copy)
    if damage == "cut weights":
        weights = copy / "model.safetensors"
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "other model":
        config = json.loads((copy / "config.json").read_text())
        (copy / "config.json").write_text(json.dumps(config | {"model_type": "bert"}))
    elif damage == "other shape":
        config = json.loads((copy / "config.json").read_text())
        (copy / "config.json").write_text(json.dumps(config | {"encoder_layers": 3}))
    elif damage == "broken json":
        (copy / "config.json").write_text("{")
    else:
        (copy / damage).unlink()
    return copy


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("config.json", "lacks config.json"),
        ("broken json", "config.json cannot be read"),
        ("other model", "type 'bert'"),
        ("generation_config.json", "lacks generation_config.json"),
        ("processor_config.json", "lacks the feature extractor"),
        ("tokenizer.json", "lacks the tokenizer"),
        ("model.safetensors", "lacks the weights"),
        ("cut weights", "cannot be loaded"),
        ("other shape", "weights lack"),
    ],
)
def test_a_wrong_folder_gives_one_clear_error(folder, tmp_path, damage, message):
    copy = damaged(folder, tmp_path / "model", damage)
    with pytest.raises(HarkenError, match=message) as caught:
        load_whisper(str(copy), device="cpu")
    assert str(copy) in str(caught.value)


def test_a_missing_folder_and_an_unreachable_hub_id_are_told_apart(tmp_path, monkeypatch):
    with pytest.raises(HarkenError, match="does not exist"):
        load_whisper(str(tmp_path / "nowhere"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(HarkenError, match="model hub did not give it") as caught:
        load_whisper("nobody/no-such-whisper")
    assert caught.value.value == "nobody/no-such-whisper"


def test_an_adapter_is_merged_and_a_wrong_one_refused(folder, tmp_path, whisper):
    from peft import LoraConfig, get_peft_model

    tuned = get_peft_model(load_whisper(str(folder)).model, LoraConfig(r=2, target_modules=["q_proj", "fc1"]))
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    tuned.save_pretrained(tmp_path / "adapter")
    adapted = load_whisper(str(folder), adapter=str(tmp_path / "adapter"))
    features = whisper.features([noise(1.0)])
    with torch.no_grad():
        expected = tuned.get_base_model().get_encoder()(features).last_hidden_state
    assert torch.allclose(adapted.encode(features).last_hidden_state, expected, atol=1e-5)
    assert not torch.allclose(whisper.encode(features).last_hidden_state, expected, atol=1e-3)
    with pytest.raises(HarkenError, match=r"adapter_config\.json"):
        load_whisper(str(folder), adapter=str(tmp_path))
