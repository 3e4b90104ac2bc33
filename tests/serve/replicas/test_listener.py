"""The embedded model in one replica: a draft beside the search, and what biasing makes of it."""

import pytest

from actors.phonetics import Phonetics
from compression.storage import load_spotter
from harken.audio import SAMPLE_RATE
from harken.biasing.biaser import Biaser
from harken.detection import Detection
from harken.whisper import load_whisper
from serve.replicas.listener import Listener, Passage, Wave
from tests.serve.service import speech
from tests.tiny_service import NANO, save_models


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Listener:
    whisper = load_whisper(str(NANO), device="cpu")
    spotter = load_spotter(save_models(tmp_path_factory.mktemp("models")))
    return Listener(Biaser(whisper, Phonetics()), spotter, whisper, 100)


def test_passages_with_and_without_a_draft_are_written_alike_in_one_batch(listener):
    waves = [speech("我们今天去商店买铂金包"), speech("我们今天去商店买东西")]
    heard = listener.encode([Wave(wave, True) for wave in waves])
    seconds = len(waves[0]) / SAMPLE_RATE
    found = (Detection("铂金包", seconds - 0.8, seconds - 0.1, 0.9, ("铂金包",)),)
    passages = [Passage(heard[0], found, None), Passage(heard[1], (), None)]
    drafts = listener.draft(passages)
    together = listener.write(passages)
    assert [draft.language for draft in drafts] == [written.language for written in together]
    later = Passage(heard[0], found, drafts[0].language, draft=drafts[0].proposals)
    assert [one.transcript.text for one in listener.write([passages[1], later])] == [
        together[1].transcript.text,
        together[0].transcript.text,
    ]
    assert together[0].transcript.decisions[0].term == "铂金包"
    plain = listener.as_drafted(drafts[1])
    assert plain.transcript.text == together[1].transcript.text
    assert plain.transcript.decisions == ()
