"""Conversion to CTranslate2, decoded by CTranslate2 and by faster-whisper themselves."""

from pathlib import Path

import numpy as np
import pytest

from harken.errors import HarkenError
from harken.whisper import load_whisper
from tests.tiny_whisper import WINDOW_SECONDS, save_tiny_whisper


@pytest.fixture(scope="module")
def waves() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [(0.1 * draw.standard_normal(16_000 + 3000 * place)).astype(np.float32) for place in range(3)]


def test_a_missing_package_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "ctranslate2", None)
    from harken.ctranslate import convert

    with pytest.raises(HarkenError, match="the extra `faster`"):
        convert(None, tmp_path, tmp_path / "out", "float32")  # type: ignore[arg-type]


@pytest.mark.parametrize("window", [WINDOW_SECONDS, 30])
def test_the_converted_model_hears_the_same(tmp_path, waves, window):
    pytest.importorskip("ctranslate2")
    from harken.ctranslate import FastWhisper, convert, for_faster_whisper

    model = save_tiny_whisper(tmp_path / "tiny", window_seconds=window)
    whisper = load_whisper(str(model), "cpu")
    convert(whisper, model, tmp_path / "fast", "float32")
    heard = FastWhisper(tmp_path / "fast", whisper).transcribe(waves, "zh", 12)
    expected = [h.text for h in whisper.transcribe(waves, language="zh", max_new_tokens=12)]
    assert heard == expected
    assert any(heard)
    # The tiny model's hop is twice the usual one, so that its window of 30 s has half of faster-whisper's frames.
    assert not for_faster_whisper(whisper)


def test_faster_whisper_loads_the_folder(tmp_path):
    faster_whisper = pytest.importorskip("faster_whisper")
    from harken.ctranslate import convert

    model = save_tiny_whisper(tmp_path / "tiny")
    convert(load_whisper(str(model), "cpu"), model, tmp_path / "fast", "int8")
    loaded = faster_whisper.WhisperModel(str(tmp_path / "fast"), device="cpu")
    assert loaded.feature_extractor.nb_max_frames == 100
    assert loaded.hf_tokenizer.token_to_id("<|transcribe|>") is not None


def test_a_folder_without_a_converted_model_is_named(tmp_path: Path):
    pytest.importorskip("ctranslate2")
    from harken.ctranslate import FastWhisper

    whisper = load_whisper(str(save_tiny_whisper(tmp_path / "tiny")), "cpu")
    with pytest.raises(HarkenError, match="cannot be loaded"):
        FastWhisper(tmp_path / "tiny", whisper)
