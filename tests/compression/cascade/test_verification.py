import pytest
import torch

from compression.cascade.verification import PathVerifier, folded
from compression.diagonals import best_diagonals
from compression.frames import Frames
from compression.maxsim import unit_frames
from compression.similarity import cosine_maps
from harken.errors import HarkenError
from tests.tiny_spotter import VARIANTS, recordings, tiny_spotter


@pytest.mark.parametrize("cropped", [True, False])
@pytest.mark.parametrize("variant", VARIANTS)
def test_logits_are_the_spotters(variant, cropped):
    spotter = tiny_spotter(variant, cropped)
    with torch.inference_mode():
        terms = Frames.stack(recordings([10, 16, 7, 12], seed=1))
        keywords, heard = spotter.compress(terms, Frames.stack(recordings([40], seed=2)))
        expected = spotter.score(keywords, heard)[:, 0]
        repeated = heard.select(torch.zeros(4, dtype=torch.int64))
        maps = cosine_maps(keywords, repeated)
        # The spotter's gate weighs layers before the path is looked for.
        maps = maps if spotter.gate is None else spotter.gate(maps)
        paths = best_diagonals(maps.mean(dim=1), keywords.lengths)
        unit = Frames(unit_frames(keywords.values), keywords.lengths)
        found = PathVerifier(spotter)(unit, unit_frames(heard.values[0]), paths.starts, paths.ends)
    assert torch.allclose(found, expected, atol=1e-4)


def test_another_place_has_another_logit():
    spotter = tiny_spotter("LHF")
    with torch.inference_mode():
        keywords, heard = spotter.compress(*(Frames.stack(recordings([length])) for length in (10, 40)))
        verify = PathVerifier(spotter)
        first, second = (
            verify(keywords, unit_frames(heard.values[0]), torch.tensor([start]), torch.tensor([start + 5]))
            for start in (0, 12)
        )
    assert not torch.allclose(first, second)


def test_folding_changes_no_function_and_not_the_spotter():
    spotter = tiny_spotter("LHF")
    before = {name: tensor.clone() for name, tensor in spotter.state_dict().items()}
    maps = torch.randn(5, 3, 9, 15, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(folded(spotter.verifier)(maps), spotter.verifier(maps), atol=1e-5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in spotter.state_dict().items())


def test_a_term_that_is_too_long_is_refused():
    spotter = tiny_spotter("LHF")
    long = Frames.stack([torch.randn(3, 10, 8)])
    with pytest.raises(HarkenError, match="keyword frames"):
        PathVerifier(spotter)(long, torch.randn(3, 20, 8), torch.tensor([0]), torch.tensor([10]))
