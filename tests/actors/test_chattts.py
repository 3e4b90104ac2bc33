"""ChatTTS's real loader, batching, voices and vocoder on tiny random weights (the extra `tts`)."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from actors.tts.chattts import ENGINE_RATE, ChatTTSSynthesizer, pauses
from actors.tts.interface import SpeechRequest
from harken.errors import HarkenError
from harken.speech_settings import ChatTTSSettings, ReferenceVoice
from tests.tiny_chattts import admit_torchaudio, tiny_chat


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    if importlib.util.find_spec("ChatTTS") is None:
        pytest.skip("the extra `tts` is not installed")
    admit_torchaudio()
    folder = tmp_path_factory.mktemp("chattts")
    return tiny_chat(folder), folder


@pytest.fixture(scope="module")
def synthesizer(weights: tuple[Any, Path], tmp_path_factory: pytest.TempPathFactory) -> ChatTTSSynthesizer:
    chat, folder = weights
    recording = tmp_path_factory.mktemp("references") / "shanghai.wav"
    noise = np.random.default_rng(0).normal(0, 0.05, 22_050).astype(np.float32)
    soundfile.write(recording, noise, 22_050)
    references = {"shanghai": ReferenceVoice(audio=recording, text="中年男性", accent="Shanghai")}
    settings = ChatTTSSettings(weights=folder, references=references, batch_size=3, max_new_tokens=24, device="cpu")
    return ChatTTSSynthesizer(settings, chat)


def request(name: str, speaker: str = "anna", text: str = "喜欢健身", rate: float = 1.0) -> SpeechRequest:
    return SpeechRequest(name, text, text, speaker, rate, seed=len(name))


@pytest.mark.slow
def test_rows_of_several_voices_come_back_in_order_and_the_same_twice(synthesizer: ChatTTSSynthesizer) -> None:
    requests = [request(f"row-{index}", ("anna", "ben")[index % 2], "喜欢健身" * (1 + index % 3)) for index in range(8)]
    first, second = synthesizer.synthesize(requests), synthesizer.synthesize(requests)
    assert [result.id for result in first] == [item.id for item in requests]
    for one, two in zip(first, second, strict=True):
        assert one.error is None
        assert one.sample_rate == ENGINE_RATE
        assert one.wave is not None
        assert two.wave is not None
        assert np.array_equal(one.wave, two.wave)
        assert 0 < len(one.wave) <= 24 * 512


@pytest.mark.slow
def test_one_voice_does_not_leak_into_another(synthesizer: ChatTTSSynthesizer) -> None:
    alone = synthesizer.synthesize([request("row", "anna")])[0].wave
    synthesizer.synthesize([request("other", "shanghai"), request("another", "ben")])
    again = synthesizer.synthesize([request("row", "anna")])[0].wave
    other = synthesizer.synthesize([request("row", "ben")])[0].wave
    assert alone is not None
    assert np.array_equal(alone, again)
    assert not np.array_equal(alone, other)


@pytest.mark.slow
def test_a_cloned_voice_speaks_and_brings_its_accent(synthesizer: ChatTTSSynthesizer) -> None:
    result = synthesizer.synthesize([request("row", "shanghai")])[0]
    assert result.wave is not None
    assert synthesizer.capabilities().accents == {"shanghai": "Shanghai"}


@pytest.mark.slow
def test_speech_that_hits_the_limit_is_marked(synthesizer: ChatTTSSynthesizer) -> None:
    results = synthesizer.synthesize([request(f"row-{index}") for index in range(3)])
    # Random weights hardly ever say that they are done.
    assert any(result.truncated for result in results)
    for result in results:
        assert result.wave is not None
        assert result.truncated == (len(result.wave) >= 24 * 512 - 512)


@pytest.mark.slow
def test_the_rate_is_a_speed_token(synthesizer: ChatTTSSynthesizer) -> None:
    slow = synthesizer.synthesize([request("row", rate=0.8)])[0].wave
    fast = synthesizer.synthesize([request("row", rate=1.2)])[0].wave
    assert not np.array_equal(slow, fast)


@pytest.mark.slow
def test_what_it_would_delete_or_not_know_is_told(synthesizer: ChatTTSSynthesizer) -> None:
    text = "喜欢speedy 20和Hermès！M&M's（好）"
    assert synthesizer.unreadable(request("row", text=text)) == ["2", "0", "和", "è", "&", "'"]
    refused, spoken = synthesizer.synthesize([request("a", text=text), request("b")])
    assert refused.wave is None
    assert "è" in str(refused.error)
    assert spoken.wave is not None


@pytest.mark.slow
def test_weights_with_other_digests_are_refused(weights: tuple[Any, Path]) -> None:
    settings = ChatTTSSettings(weights=weights[1], device="cpu")
    with pytest.raises(HarkenError, match="not the one that version"):
        ChatTTSSynthesizer(settings).synthesize([request("row")])


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("喜欢：老花；健身！", "喜欢，老花，健身"),
        ("《speedy》re-edition", "speedy，re edition"),
        ("喜欢 健身。好", "喜欢 健身。好"),
        ("don't", "don't"),
    ],
)
def test_punctuation_becomes_pauses(text: str, read: str) -> None:
    assert pauses(text) == read


def test_missing_weights_and_recordings_are_named(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match=r"speech\.chattts\.weights.*asset/"):
        ChatTTSSynthesizer(ChatTTSSettings(weights=tmp_path))
    reference = ReferenceVoice(audio=tmp_path / "absent.wav", text="喜欢")
    with pytest.raises(HarkenError, match=r"absent\.wav"):
        ChatTTSSynthesizer(ChatTTSSettings(references={"anna": reference}))
