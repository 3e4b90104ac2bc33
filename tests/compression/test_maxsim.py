import pytest
import torch

from compression.diagonals import best_diagonals
from compression.frames import Frames
from compression.maxsim import PackedFrames, maxsim, maxsim_places, maxsim_reference, unit_codes, unit_frames
from compression.similarity import cosine_maps

LAYERS, SIZE = 2, 8


def enrolments(lengths: list[int], seed: int = 0) -> PackedFrames:
    generator = torch.Generator().manual_seed(seed)
    values = unit_frames(torch.randn(sum(lengths), LAYERS, SIZE, generator=generator))
    return PackedFrames(values, torch.tensor(lengths))


def utterance(frames: int, seed: int = 1) -> torch.Tensor:
    return unit_frames(torch.randn(LAYERS, frames, SIZE, generator=torch.Generator().manual_seed(seed)))


@pytest.mark.parametrize("implementation", [maxsim, maxsim_reference])
def test_paths_are_those_of_the_diagonals_on_cosine_maps(implementation):
    packed, heard = enrolments([5, 1, 12, 3, 3, 25, 7]), utterance(40)
    keywords = Frames(packed.padded(), packed.lengths)
    maps = cosine_maps(keywords, Frames.stack([heard] * len(packed))).mean(dim=1)
    expected, found = best_diagonals(maps, packed.lengths), implementation(packed, heard)
    assert torch.allclose(found.scores, expected.scores, atol=1e-5)
    assert torch.equal(found.starts, expected.starts)
    assert torch.equal(found.ends, expected.ends)


def test_many_blocks_give_what_the_reference_gives():
    lengths = torch.randint(3, 26, (1500,), generator=torch.Generator().manual_seed(0)).tolist()
    packed, heard = enrolments(lengths), utterance(125)
    found, expected = maxsim(packed, heard), maxsim_reference(packed, heard)
    assert torch.allclose(found.scores, expected.scores, atol=1e-5)
    # Two paths may be equally good to the last bit of one implementation.
    same = (found.starts == expected.starts) & (found.ends == expected.ends)
    assert same.float().mean() > 0.999


@pytest.mark.parametrize("frames", [1, 2, 9])
def test_an_utterance_shorter_than_the_term_counts_what_is_inside(frames):
    packed, heard = enrolments([12, 4]), utterance(frames)
    found, expected = maxsim(packed, heard), maxsim_reference(packed, heard)
    assert torch.allclose(found.scores, expected.scores, atol=1e-6)
    assert torch.equal(found.starts, expected.starts)
    assert (found.starts < frames).all()


def test_a_term_is_found_where_it_was_put():
    packed, heard = enrolments([6, 9, 4]), utterance(50)
    heard[:, 20:29] = packed.values[6:15].transpose(0, 1)
    found = maxsim(packed, heard)
    assert found.scores.argmax() == 1
    assert found.scores[1].item() == pytest.approx(1.0, abs=1e-5)
    assert (found.starts[1].item(), found.ends[1].item()) == (20, 29)


def test_order_matters():
    packed, heard = enrolments([8]), utterance(30)
    heard[:, 10:18] = packed.values.flip(0).transpose(0, 1)
    assert maxsim(packed, heard).scores.item() < 0.6


def test_nothing_enrolled_finds_nothing():
    empty = PackedFrames(torch.zeros(0, LAYERS, SIZE), torch.zeros(0, dtype=torch.int64))
    assert len(maxsim(empty, utterance(10)).scores) == 0


def test_selected_enrolments_keep_their_frames():
    packed = enrolments([5, 1, 12, 3])
    chosen = packed.select(torch.tensor([2, 0, 2]))
    assert chosen.lengths.tolist() == [12, 5, 12]
    assert torch.equal(chosen.values, torch.cat([packed.values[6:18], packed.values[:5], packed.values[6:18]]))
    assert len(packed.select(torch.tensor([], dtype=torch.int64)).values) == 0


def test_codes_make_the_same_bits_whatever_they_are_blocked_with():
    lengths = torch.randint(3, 26, (700,), generator=torch.Generator().manual_seed(0)).tolist()
    packed, heard = enrolments(lengths), utterance(125)
    codes = PackedFrames(unit_codes(packed.values), packed.lengths)
    found = maxsim(codes, unit_codes(heard))
    assert torch.allclose(found.scores, maxsim(packed, heard).scores, atol=5e-3)
    chosen = torch.arange(0, 700, 13)
    alone = maxsim(codes.select(chosen), unit_codes(heard))
    assert torch.equal(alone.scores, found.scores[chosen])
    assert torch.equal(alone.starts, found.starts[chosen])
    assert torch.equal(alone.ends, found.ends[chosen])
    assert torch.allclose(maxsim_reference(codes, unit_codes(heard)).scores, found.scores, atol=1e-6)


def test_a_term_that_is_said_twice_has_two_places():
    packed, heard = enrolments([6, 9]), utterance(60)
    heard[:, 40:49] = packed.values[6:].transpose(0, 1)
    heard[:, 5:14] = packed.values[6:].transpose(0, 1)
    heard[:, 5] = -heard[:, 5]
    found = maxsim_places(packed, heard, 3)
    assert found.starts[1, :2].tolist() == [40, 5]
    assert found.ends[1, :2].tolist() == [49, 14]
    assert found.scores[1, 0] > found.scores[1, 1] > 0.7 > found.scores[1, 2]
    once = maxsim(packed, heard)
    assert torch.equal(found.scores[:, 0], once.scores)
    assert torch.equal(found.ends[:, 0], once.ends)


def test_a_short_utterance_has_no_second_place():
    found = maxsim_places(enrolments([6]), utterance(1), 2)
    assert found.scores[0, 0].isfinite()
    assert found.scores[0, 1] == float("-inf")
