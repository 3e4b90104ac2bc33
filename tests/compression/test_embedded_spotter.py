"""The spotters that the repository carries are those of the embedded Whisper, and spot terms nobody trained them on."""

from pathlib import Path

import numpy as np
import pytest
import torch

from actors.tts.espeak import EspeakSynthesizer
from actors.tts.interface import SpeechRequest
from compression.features import encoder_shape, keyword_frames, utterance_frames
from compression.frames import Frames
from compression.search_model import SearchModel
from compression.spotter import Spotter
from compression.storage import load_spotter
from harken.audio import SAMPLE_RATE, resample
from harken.whisper import Whisper, load_whisper

MODELS = Path(__file__).resolve().parents[2] / "models"
VARIANTS = ("baseline", "L", "LH", "LHF")
# Brands and a nickname of examples/luxury: of no text that Whisper or spotter was trained on.
SAID = ("givenchy", "cartier", "马衔扣")
UTTERANCES = ("我想看givenchy的包", "她买了cartier", "马衔扣有没有")


@pytest.fixture(scope="module")
def nano() -> Whisper:
    return load_whisper(str(MODELS / "nano"), device="cpu")


def speech(texts: tuple[str, ...], voice: str) -> list[np.ndarray]:
    results = EspeakSynthesizer().synthesize([SpeechRequest(text, text, text, voice) for text in texts])
    return [resample(result.wave, result.sample_rate, SAMPLE_RATE) for result in results]


def scores(spotter: Spotter, nano: Whisper) -> torch.Tensor:
    """Logits (terms, utterances), the utterances in a voice that no training heard."""
    layers = spotter.settings.layers
    keywords = keyword_frames(nano, speech(SAID, "cmn+f2"), layers, spotter.settings.enrolment)
    utterances = utterance_frames(nano, speech(UTTERANCES, "cmn+m6"), layers)
    with torch.inference_mode():
        return spotter(Frames.stack(keywords), Frames.stack(utterances))


@pytest.mark.parametrize("variant", VARIANTS)
def test_each_term_is_found_where_it_is_said(variant: str, nano: Whisper) -> None:
    spotter = load_spotter(MODELS / "nano-spotter" / variant)
    spotter.check_encoder(encoder_shape(nano))
    assert spotter.threshold is not None
    assert scores(spotter, nano).argmax(dim=1).tolist() == [0, 1, 2]


def test_the_smallest_variant_decides_rightly(nano: Whisper) -> None:
    spotter = load_spotter(MODELS / "nano-spotter" / "LHF")
    assert spotter.threshold is not None
    assert torch.equal(scores(spotter, nano) >= spotter.threshold, torch.eye(3, dtype=torch.bool))


def test_the_search_model_is_that_of_the_smallest_variant() -> None:
    folder = MODELS / "nano-spotter" / "LHF"
    assert SearchModel.load(folder / "search", load_spotter(folder)).settings.spans.segments > 1
