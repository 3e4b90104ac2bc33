"""What one replica does with windows of several requests at once."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput

from actors.listener import Heard, Listener, Passage, Wave
from actors.phonetics import Phonetics
from compression.storage import load_spotter
from harken.biasing.biaser import Biaser
from harken.biasing.options import DecodingOptions
from harken.detection import Detection
from harken.whisper import load_whisper
from tests.serve.service import speech
from tests.tiny_service import NANO, save_models

SAID = "我们今天去商店买铂金包"
WARM = DecodingOptions(temperature=1.0, seed=5)


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Listener:
    whisper = load_whisper(str(NANO), device="cpu")
    spotter = load_spotter(save_models(tmp_path_factory.mktemp("models") / "models"))
    return Listener(Biaser(whisper, Phonetics()), spotter, whisper, 100)


@pytest.fixture(scope="module")
def heard(listener: Listener) -> Heard:
    return listener.encode([Wave(speech(SAID), spotted=True)])[0]


def texts(listener: Listener, *passages: Passage) -> list[str]:
    return [written.transcript.text for written in listener.write(passages)]


def test_a_window_is_written_as_its_own_request_asks_whatever_is_beside_it(listener, heard):
    asked = [
        Passage(heard, (), "zh"),
        Passage(heard, (), "zh", WARM),
        Passage(heard, (Detection("铂金包", 1.2, 2.2, 0.9, ("铂金包",)),), "zh", DecodingOptions(prompt="好的。")),
        Passage(heard, (), None),
        Passage(heard, (), "zh", WARM),
    ]
    alone = [texts(listener, passage)[0] for passage in asked]
    assert texts(listener, *asked) == alone
    assert alone[1] == alone[4] != alone[0]


def test_a_language_that_nobody_names_is_the_likeliest_to_the_model(listener, heard):
    whisper = load_whisper(str(NANO), device="cpu")
    config = whisper.model.generation_config
    with torch.inference_mode():
        logits = whisper.model(
            encoder_outputs=BaseModelOutput(last_hidden_state=heard.states[None]),
            decoder_input_ids=torch.tensor([[config.decoder_start_token_id]]),
        ).logits[0, 0]
    likeliest = max(config.lang_to_id, key=lambda name: float(logits[config.lang_to_id[name]]))
    (written,) = listener.write([Passage(heard, (), None)])
    assert f"<|{written.language}|>" == likeliest


def test_only_what_is_spotted_in_is_compressed(listener, heard):
    plain, spotted = listener.encode([Wave(np.zeros(8000, np.float32), False), Wave(speech(SAID), True)])
    assert plain.compressed is None
    assert spotted.compressed is not None
    assert spotted.seconds == heard.seconds == len(speech(SAID)) / 16_000


def test_passages_with_and_without_a_draft_are_written_alike(listener, heard):
    found = (Detection("铂金包", 1.2, 2.2, 0.9, ("铂金包",)),)
    (other,) = listener.encode([Wave(speech("我们今天去商店买东西"), spotted=True)])
    passages = [Passage(heard, found, None), Passage(other, (), None), Passage(heard, found, None, WARM)]
    drafts, together = listener.draft(passages), listener.write(passages)
    assert [draft.language for draft in drafts] == [written.language for written in together]
    assert not any(draft.proposals.detections for draft in drafts)
    later = [
        replace(one, language=draft.language, draft=draft.proposals)
        for one, draft in zip(passages, drafts, strict=True)
    ]
    expected = [written.transcript.text for written in together]
    assert texts(listener, later[0], passages[1], later[2]) == expected
    assert [decision.term for decision in together[0].transcript.decisions] == ["铂金包"]
    assert listener.as_drafted(drafts[1]).transcript.text == expected[1]
