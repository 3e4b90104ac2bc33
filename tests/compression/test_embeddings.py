import pytest
import torch

from compression.embeddings import KeywordEmbeddings, padded_bytes_per_keyword
from compression.frames import Frames
from compression.storage import read_tensors, write_tensors
from harken.errors import HarkenError
from harken.spotter_settings import (
    CompressionSettings,
    EncoderShape,
    SpotterSettings,
    VerifierSettings,
    paper_spotter,
)
from tests.tiny_spotter import LAYERS, recordings, tiny_spotter

TERMS = ("老花", "Speedy 20", "马衔扣")
LENGTHS = [7, 16, 11]


@pytest.fixture(scope="module")
def spotter():
    return tiny_spotter("LHF")


@pytest.fixture(scope="module")
def keywords(spotter):
    with torch.no_grad():
        return spotter.compress(Frames.stack(recordings(LENGTHS, seed=1)))[0]


def test_the_papers_bytes_per_keyword():
    """Section 2.1: 12 layers of Whisper-medium cost 7.37 MB a keyword; LHF on large-v2 costs 128 times less."""
    medium = SpotterSettings(
        encoder=EncoderShape(layers=24, width=1024),
        compression=CompressionSettings(variant="baseline", layers=tuple(range(13, 25))),
        verifier=VerifierSettings(),
    )
    baseline = padded_bytes_per_keyword(medium, 12)
    compressed = padded_bytes_per_keyword(paper_spotter("LHF"), 3)
    assert (baseline, compressed) == (7_372_800, 57_600)
    assert baseline / compressed == 128
    assert padded_bytes_per_keyword(paper_spotter("LHF"), 3, "int8") == 14_400


@pytest.mark.parametrize(("precision", "itemsize"), [("float32", 4), ("float16", 2), ("int8", 1)])
def test_bytes_are_those_of_the_real_frames(spotter, keywords, precision, itemsize):
    packed = KeywordEmbeddings.pack(TERMS, keywords, spotter, precision)
    frames = sum((length + 1) // 2 for length in LENGTHS)
    assert packed.values.shape == (frames, LAYERS, 8)
    assert packed.bytes_per_keyword() == pytest.approx(frames * LAYERS * 8 * itemsize / 3 + 8)


@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 1e-5), ("float16", 0.01), ("int8", 0.05)])
def test_stored_keywords_score_as_fresh_ones(spotter, keywords, precision, tolerance):
    with torch.no_grad():
        utterances = spotter.compress(Frames.stack(recordings([30, 44], seed=2)))[0]
        expected = spotter.score(keywords, utterances)
        packed = KeywordEmbeddings.pack(TERMS, keywords, spotter, precision)
        assert torch.allclose(spotter.score(packed.frames(), utterances), expected, atol=tolerance)
        assert torch.allclose(spotter.score(packed.frames([2, 0]), utterances), expected[[2, 0]], atol=tolerance)


def test_int8_frames_point_where_the_originals_do(spotter, keywords):
    packed = KeywordEmbeddings.pack(TERMS, keywords, spotter, "int8")
    for stored, original in zip(packed.frames().unstack(), keywords.unstack(), strict=True):
        assert torch.nn.functional.cosine_similarity(stored, original, dim=-1).min() > 0.999


def test_saved_embeddings_come_back_exactly(spotter, keywords, tmp_path):
    packed = KeywordEmbeddings.pack(TERMS, keywords, spotter, "float16")
    packed.save(tmp_path / "terms.safetensors")
    loaded = KeywordEmbeddings.load(tmp_path / "terms.safetensors", spotter)
    assert loaded.terms == TERMS
    assert torch.equal(loaded.values, packed.values)
    assert torch.equal(loaded.offsets, packed.offsets)


def test_embeddings_of_another_spotter_or_version_are_refused(spotter, keywords, tmp_path):
    path = tmp_path / "terms.safetensors"
    KeywordEmbeddings.pack(TERMS, keywords, spotter, "int8").save(path)
    with pytest.raises(HarkenError, match=r"The spotter in use is \w{16}: enrol the terms again"):
        KeywordEmbeddings.load(path, tiny_spotter("LHF", seed=1))
    tensors, notes = read_tensors(path)
    write_tensors(path, tensors, notes | {"version": 9})
    with pytest.raises(HarkenError, match=r"'harken-keyword-embeddings 9'\. This release reads"):
        KeywordEmbeddings.load(path, spotter)
    write_tensors(path, tensors | {"offsets": tensors["offsets"][:-1]}, notes)
    with pytest.raises(HarkenError, match="do not fit together"):
        KeywordEmbeddings.load(path, spotter)
