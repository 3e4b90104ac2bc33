import pytest
import torch

from compression.centring import PositionMean
from compression.diagonals import best_diagonals
from compression.frames import Frames
from compression.similarity import check_rows, cosine_maps, cropped_maps, full_maps
from harken.errors import HarkenError
from tests.tiny_spotter import LAYERS, WIDTH, recordings


def test_maps_hold_cosines_and_zeros_on_padding():
    keywords, utterances = recordings([4, 6], seed=1), recordings([9, 5], seed=2)
    maps = cosine_maps(Frames.stack(keywords), Frames.stack(utterances))
    assert maps.shape == (2, LAYERS, 6, 9)
    expected = torch.nn.functional.cosine_similarity(keywords[0][1, 3], utterances[0][1, 7], dim=0)
    assert maps[0, 1, 3, 7].item() == pytest.approx(expected.item(), abs=1e-6)
    assert maps[0, :, 4:].abs().max() == 0
    assert maps[1, :, :, 5:].abs().max() == 0


def test_full_maps_have_the_fixed_size():
    maps = torch.rand(2, LAYERS, 4, 9)
    assert full_maps(maps, 6, 12).shape == (2, LAYERS, 6, 12)
    assert torch.equal(full_maps(maps, 6, 12)[:, :, :4, :9], maps)
    assert full_maps(maps, 6, 12)[:, :, 4:].abs().max() == 0


@pytest.mark.parametrize("slope", [0.72, 1.0, 1.4])
@pytest.mark.parametrize("start", [0, 11])
def test_the_best_diagonal_is_where_the_keyword_was_put(slope, start):
    length = 10
    maps = 0.2 * torch.rand(1, 12, 40, generator=torch.Generator().manual_seed(0))
    maps[:, length:] = 0
    path = [start + round(step * slope) for step in range(length)]
    maps[0, range(length), path] = 1.0
    found = best_diagonals(maps, torch.tensor([length]))
    assert (found.starts.item(), found.ends.item()) == (start, path[-1] + 1)
    assert found.scores.item() == pytest.approx(1.0)


def test_a_diagonal_that_leaves_the_utterance_loses_what_is_outside():
    maps = torch.zeros(1, 10, 14)
    maps[0, range(5), range(9, 14)] = 1.0
    assert best_diagonals(maps, torch.tensor([10])).scores.item() == pytest.approx(0.5)


@pytest.mark.parametrize("start", [0, 17, 30])
def test_a_crop_has_the_diagonal_in_its_middle(start):
    maps = torch.zeros(1, 2, 10, 40)
    maps[0, :, range(10), range(start, start + 10)] = 1.0
    cropped = cropped_maps(maps, torch.tensor([10]), rows=12, columns=16)
    assert cropped.shape == (1, 2, 12, 16)
    assert torch.equal(cropped[0, 0, range(10), range(3, 13)], torch.ones(10))
    assert cropped.sum() == maps.sum()


def test_a_crop_passes_gradients_to_what_it_shows():
    maps = torch.rand(2, 2, 6, 30, generator=torch.Generator().manual_seed(0)).requires_grad_()
    cropped_maps(maps, torch.tensor([6, 4]), rows=6, columns=10).sum().backward()
    assert (maps.grad != 0).any(dim=3).all()
    assert (maps.grad.sum(dim=3) <= 10).all()


def test_a_keyword_longer_than_the_maps_is_refused():
    frames = Frames.stack(recordings([7, 3]))
    check_rows(frames, 7)
    check_rows(Frames(frames.values, torch.tensor([6, 3])), 6)
    with pytest.raises(HarkenError, match=r"keyword frames: 7\. The spotter takes at most 6"):
        check_rows(frames, 6)


def test_the_mean_of_each_position_is_taken_away():
    generator = torch.Generator().manual_seed(0)
    position = torch.randn(LAYERS, 20, WIDTH, generator=generator)
    many = [position[:, : 10 + index % 11] + recordings([10 + index % 11], seed=index)[0] for index in range(300)]
    centring = PositionMean(LAYERS, 20, WIDTH)
    centring.fit(Frames.stack([recording]) for recording in many)
    assert (centring.mean - position).abs().mean() < 0.1
    batch = Frames.stack([position[:, :12]])
    assert centring(batch).values.abs().mean() < 0.1


def test_the_mean_does_not_see_padding_and_is_defined_where_nothing_was_seen():
    batches = [Frames.stack(recordings([5, 8, 3], seed=4))]
    garbage = batches[0].values.masked_fill(~batches[0].mask[:, None, :, None], 1e6)
    tight, dirty = PositionMean(LAYERS, 20, WIDTH), PositionMean(LAYERS, 20, WIDTH)
    tight.fit(batches)
    dirty.fit([Frames(garbage, batches[0].lengths)])
    assert torch.equal(tight.mean, dirty.mean)
    overall = torch.cat(batches[0].unstack(), dim=1).mean(dim=1)
    assert torch.allclose(tight.mean[:, 19], overall, atol=1e-5)
