import pytest
import torch

from compression.frames import Frames
from compression.projector import FrameHalver, FrameProjector, halved
from tests.tiny_spotter import LAYERS, WIDTH, recordings

SIZE = 8
LENGTHS = [9, 4, 1, 12]


def padded(lengths: list[int], extra: int, garbage: float) -> Frames:
    """Recordings of SIZE values with `extra` more frames of padding, which holds `garbage`."""
    tight = Frames.stack([recording[:, :, :SIZE] for recording in recordings(lengths)])
    values = torch.nn.functional.pad(tight.values, (0, 0, 0, extra))
    return Frames(values.masked_fill(~Frames(values, tight.lengths).mask[:, None, :, None], garbage), tight.lengths)


def test_stacking_and_unstacking_keep_every_frame():
    originals = recordings(LENGTHS)
    frames = Frames.stack(originals)
    assert frames.values.shape == (4, LAYERS, 12, WIDTH)
    assert frames.mask.sum(dim=1).tolist() == LENGTHS
    assert all(torch.equal(one, other) for one, other in zip(frames.unstack(), originals, strict=True))
    chosen = frames.select(torch.tensor([3, 1, 3]))
    assert chosen.lengths.tolist() == [12, 4, 12]
    assert torch.equal(chosen.unstack()[1], originals[1])


def test_projection_is_each_layers_own_and_leaves_padding_zero():
    torch.manual_seed(0)
    projector = FrameProjector(LAYERS, WIDTH, hidden=24, size=SIZE)
    originals = recordings(LENGTHS)
    projected = projector(Frames.stack(originals))
    assert projected.values.shape == (4, LAYERS, 12, SIZE)
    assert torch.allclose(projected.unstack()[1][2], projector.layers[2](originals[1][2]), atol=1e-6)
    assert not torch.allclose(projected.unstack()[1][1], projector.layers[2](originals[1][1]), atol=1e-3)
    assert projected.values[2, :, 1:].abs().max() == 0


@pytest.mark.parametrize("training", [True, False])
def test_halving_equals_the_plain_network_on_what_is_not_padding(training):
    torch.manual_seed(0)
    halver = FrameHalver(LAYERS, SIZE).train(training)
    found = halver([padded(LENGTHS, extra=3, garbage=1e4)])[0]
    assert found.lengths.tolist() == [5, 2, 1, 6] == halved(torch.tensor(LENGTHS)).tolist()
    convolution, norm = halver.convolutions[1], torch.nn.BatchNorm1d(SIZE).train(training)
    alone = [convolution(item[1].T[None])[0] for item in padded(LENGTHS, extra=0, garbage=0.0).unstack()]
    normed = norm(torch.cat(alone, dim=1).T).T.split(LENGTHS, dim=1)
    pooled = [torch.nn.functional.max_pool1d(part, 3, 2, 1) for part in normed]
    for row, expected in zip(found.unstack(), pooled, strict=True):
        assert torch.allclose(row[1].T, expected, atol=1e-5)
    assert found.values[2, :, 1:].abs().max() == 0


def test_batch_statistics_do_not_see_padding():
    torch.manual_seed(0)
    tight, wide = FrameHalver(LAYERS, SIZE).train(), FrameHalver(LAYERS, SIZE).train()
    wide.load_state_dict(tight.state_dict())
    tight([padded(LENGTHS, extra=0, garbage=0.0)])
    wide([padded(LENGTHS, extra=40, garbage=1e4)])
    for one, other in zip(tight.norms, wide.norms, strict=True):
        assert torch.allclose(one.running_mean, other.running_mean, atol=1e-6)
        assert torch.allclose(one.running_var, other.running_var, atol=1e-6)
        assert one.running_mean.abs().max() > 1e-3


def test_keywords_and_utterances_are_normalised_together():
    torch.manual_seed(0)
    halver = FrameHalver(LAYERS, SIZE).train()
    keywords, utterances = padded([4, 5], 0, 0.0), padded([9, 12], 0, 0.0)
    together = halver([keywords, Frames(utterances.values + 3, utterances.lengths)])
    apart = halver([keywords])[0]
    assert not torch.allclose(together[0].values, apart.values, atol=1e-2)


def test_gradients_do_not_come_from_padding():
    torch.manual_seed(0)
    batch = padded(LENGTHS, extra=2, garbage=0.5)
    values = batch.values.requires_grad_()
    halver = FrameHalver(LAYERS, SIZE).train()
    halver([Frames(values, batch.lengths)])[0].values.square().sum().backward()
    inside = batch.mask[:, None, :, None].expand_as(values)
    assert torch.isfinite(values.grad).all()
    assert values.grad[~inside].abs().max() == 0
    assert values.grad[inside].abs().max() > 0
