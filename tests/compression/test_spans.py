"""Span embeddings: one vector per term, all windows of an utterance, the same whoever is in the batch."""

import pytest
import torch
import torch.nn.functional as F

from compression.frames import Frames
from compression.spans import SpanEmbedder, running_sums, segment_means
from harken.errors import HarkenError
from harken.search_settings import SpanSettings

LAYERS, SIZE = 2, 8


def embedder(longest: int = 12, **settings: object) -> SpanEmbedder:
    return SpanEmbedder(SpanSettings(hidden=24, size=32, **settings), LAYERS, SIZE, longest).eval()  # type: ignore[arg-type]


def kept(frames: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(LAYERS, frames, SIZE, generator=torch.Generator().manual_seed(seed))


def test_segments_of_whole_frames_are_plain_means_of_unit_frames() -> None:
    frames = kept(8)
    means = segment_means(running_sums(Frames.stack([frames]))[0], torch.tensor([0]), torch.tensor([8]), 4)[0]
    unit = F.normalize(frames, dim=-1)
    torch.testing.assert_close(means, unit.view(LAYERS, 4, 2, SIZE).mean(dim=2))


def test_a_frame_that_a_border_divides_counts_by_its_parts() -> None:
    frames = F.normalize(kept(3), dim=-1)
    means = segment_means(running_sums(Frames.stack([frames]))[0], torch.tensor([0]), torch.tensor([3]), 2)[0]
    torch.testing.assert_close(means[:, 0], (frames[:, 0] + frames[:, 1] / 2) / 1.5)
    moved = segment_means(running_sums(Frames.stack([frames]))[0], torch.tensor([0.5]), torch.tensor([1.25]), 1)[0]
    torch.testing.assert_close(moved[:, 0], (frames[:, 0] / 2 + frames[:, 1] / 4) / 0.75)


def test_the_windows_of_an_utterance_are_what_embedding_each_alone_gives() -> None:
    spans, utterance = embedder(), kept(40)
    windows = spans.windows(utterance)
    assert spans.ladder() == (3, 4, 5, 6, 7, 8, 10, 12)
    assert len(windows) == sum(40 - length + 1 for length in spans.ladder())
    assert int(windows.ends.max()) == 40
    cut = [utterance[:, start:end] for start, end in zip(windows.starts, windows.ends, strict=True)]
    torch.testing.assert_close(windows.vectors, spans.embed(cut), atol=2e-5, rtol=0)
    torch.testing.assert_close(windows.vectors.norm(dim=1), torch.ones(len(windows)))


def test_a_recordings_vector_depends_on_the_recording_alone() -> None:
    spans = embedder()
    recordings = [kept(frames, seed) for seed, frames in enumerate([1, 2, 5, 9, 30, 7])]
    together = spans.embed(recordings)
    assert all(torch.equal(spans.embed([one])[0], row) for one, row in zip(recordings, together, strict=True))
    assert spans.embed([]).shape == (0, 32)


def test_order_counts_and_rate_does_not() -> None:
    spans, term = embedder(), kept(8)
    slow = term.repeat_interleave(2, dim=1)
    first, same, reversed_ = spans.embed([term, slow, term.flip(1)])
    torch.testing.assert_close(first, same)
    assert float(first @ reversed_) < 0.9


@pytest.mark.parametrize("frames", [1, 2])
def test_an_utterance_shorter_than_any_window_is_one_window(frames: int) -> None:
    windows = embedder().windows(kept(frames))
    assert (windows.starts.tolist(), windows.ends.tolist()) == ([0], [frames])


def test_int8_codes_keep_cosines() -> None:
    spans = embedder()
    vectors = spans.embed([kept(6, seed) for seed in range(50)])
    codes = spans.encode_int8(vectors).float() / 127
    assert (codes @ codes.T - vectors @ vectors.T).abs().max() < 0.03


def test_frames_of_another_shape_are_refused() -> None:
    with pytest.raises(HarkenError, match="kept frames"):
        embedder().windows(kept(5).transpose(0, 1))
    with pytest.raises(HarkenError, match="compress with the model's spotter"):
        embedder().embed([kept(3), kept(0)])
