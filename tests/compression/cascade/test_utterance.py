import numpy as np
import pytest
import torch
import torch.nn.functional as F

from compression.cascade.utterance import CompressedUtterance
from harken.errors import HarkenError
from tests.tiny_glossary import noise, parts


def test_what_is_sent_arrives():
    spotter, _ = parts()
    kept = noise(20, seed=1)
    sent = CompressedUtterance.pack(kept, spotter)
    data = sent.to_bytes()
    found = CompressedUtterance.from_bytes(data)
    assert np.array_equal(found.codes, sent.codes)
    assert (len(found), found.frames_per_second, found.spotter) == (20, 12.0, spotter.fingerprint())
    assert found.seconds == pytest.approx(20 / 12)
    assert found.to_bytes() == data
    # A byte a value, and a line of text.
    assert len(data) < kept.numel() + 200


def test_codes_keep_the_direction():
    kept = noise(20, seed=1)
    found = CompressedUtterance.pack(kept, parts()[0]).frames()
    assert torch.allclose(found.norm(dim=-1), torch.ones(found.shape[:-1]))
    assert F.cosine_similarity(found, kept, dim=-1).min() > 0.9999


def test_an_utterance_without_frames_is_one():
    spotter, _ = parts()
    empty = CompressedUtterance.pack(noise(0, seed=1), spotter)
    assert CompressedUtterance.from_bytes(empty.to_bytes()).frames().shape == (3, 0, 8)


@pytest.mark.parametrize(
    "damage", [lambda data: data[:-1], lambda data: data[:7], lambda data: b"", lambda data: b"RIFF" * 9]
)
def test_damaged_bytes_are_refused(damage):
    data = CompressedUtterance.pack(noise(5, seed=1), parts()[0]).to_bytes()
    with pytest.raises(HarkenError, match="compressed utterance"):
        CompressedUtterance.from_bytes(damage(data))
