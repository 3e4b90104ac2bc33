"""A glossary of real speech: espeak's, through the embedded encoder and an untrained spotter."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from actors.tts.espeak import EspeakSynthesizer
from actors.tts.interface import SpeechRequest
from compression.features import keyword_frames
from compression.frames import Frames
from compression.glossary.entry import Enrolment, Entry, Spelling
from compression.glossary.glossary import open_glossary
from compression.glossary.manifest import Description, Models
from compression.glossary.store import GlossaryStore
from compression.spotter import Spotter
from harken.audio import SAMPLE_RATE, resample
from harken.digests import model_digest
from harken.errors import HarkenError
from harken.spotter_settings import nano_spotter
from harken.whisper import load_whisper

NANO = str(Path(__file__).resolve().parents[3] / "models" / "nano")
TERMS = ("老花", "马衔扣", "speedy", "中古包", "Hermès", "限量版手袋")
VOICES = ("cmn+f2", "cmn+m3")


@pytest.fixture(scope="module")
def spotter() -> Spotter:
    return Spotter(nano_spotter("LHF", layers=(2, 3)), seed=1).eval()


@pytest.fixture(scope="module")
def kept(spotter) -> dict[tuple[str, str], np.ndarray]:
    """Each term's frames by voice, (layers, frames, size)."""
    spoken = [(term, voice) for term in TERMS for voice in VOICES]
    results = EspeakSynthesizer().synthesize([SpeechRequest(term, term, term, voice) for term, voice in spoken])
    waves = [resample(result.wave, result.sample_rate, SAMPLE_RATE) for result in results]
    settings = spotter.settings
    frames = keyword_frames(load_whisper(NANO, device="cpu"), waves, settings.layers, settings.enrolment)
    with torch.no_grad():
        (compressed,) = spotter.compress(Frames.stack([recording.float() for recording in frames]))
    return dict(zip(spoken, (recording.numpy() for recording in compressed.unstack()), strict=True))


def span(frames: np.ndarray) -> np.ndarray:
    """An embedding that a real one could be: the mean frame of either half, all layers, to length 1."""
    halves = [half.mean(axis=1).ravel() for half in np.array_split(frames, 2, axis=1)]
    whole = np.concatenate(halves)
    return whole / np.linalg.norm(whole)


def test_what_was_enrolled_is_found_again_and_its_frames_are_nearly_those_of_the_spotter(tmp_path, spotter, kept):
    size = spotter.settings.frame_size
    models = Models(encoder=model_digest(NANO), spotter=spotter.fingerprint(), search="none")
    description = Description(models=models, layers=2, size=size, bits=4, span_size=4 * size, statistics=2)
    centroids = np.random.default_rng(0).standard_normal((4, 4 * size))
    store = GlossaryStore.create(tmp_path / "store", description, centroids)
    entries = {term: Entry("", (Spelling(term),)) for term in TERMS}
    recordings = [
        Enrolment(entries[term].id, voice, frames, span(frames), np.zeros(2)) for (term, voice), frames in kept.items()
    ]
    store.add(list(entries.values()), recordings)

    glossary = open_glossary(store.folder, models)
    for (term, voice), frames in kept.items():
        found = glossary.span_candidates(span(frames)[None], [frames.shape[1]], 1, 0.9)
        best = int(found.similarities.argmax())
        assert found.similarities[best] > 0.99
        assert glossary.entry(int(found.entries[best])).term == term
        values, lengths = glossary.frames([found.enrolments[best]])
        assert lengths[0] == frames.shape[1]
        cosines = F.cosine_similarity(torch.from_numpy(values[0]), torch.from_numpy(frames), dim=-1)
        assert cosines.min() > 0.98, voice
    assert store.sizes().frames / len(recordings) < 1000

    other = Spotter(spotter.settings, seed=2)
    with pytest.raises(HarkenError, match=f"spotter of the glossary.*{other.fingerprint()}"):
        open_glossary(store.folder, models.model_copy(update={"spotter": other.fingerprint()}))
