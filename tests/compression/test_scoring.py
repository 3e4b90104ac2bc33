import pytest
import torch

from compression.pairs import Pair
from compression.scoring import score_pairs
from tests.tiny_spotter import VARIANTS, recordings, tiny_spotter


class Memory:
    """A frame source of tensors at hand."""

    def __init__(self) -> None:
        self.keywords = dict(zip("abcd", recordings([5, 12, 18, 1], seed=1), strict=True))
        # More than are held at once.
        self.utterances = {str(n): r for n, r in enumerate(recordings([48 - n for n in range(20)], seed=2))}

    def keyword(self, name):
        return self.keywords[name]

    def utterance(self, name):
        return self.utterances[name]


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_pair_gets_the_score_it_has_alone_in_the_order_given(variant):
    spotter, source = tiny_spotter(variant).train(), Memory()
    pairs = [Pair(keyword, utterance, False) for utterance in source.utterances for keyword in "dacb"][::-1]
    scored = score_pairs(spotter, source, pairs)
    assert spotter.training
    alone = [score_pairs(spotter, source, [pair]).logits[0] for pair in pairs]
    assert torch.allclose(torch.tensor(scored.logits), torch.tensor(alone), atol=1e-5)
    assert scored.logits.std() > 1e-4
    assert scored.scoring_seconds > 0


def test_keywords_are_scored_as_they_are_stored():
    spotter, source = tiny_spotter("LHF"), Memory()
    pairs = [Pair(keyword, "3", False) for keyword in "abcd"]
    exact, rounded = (score_pairs(spotter, source, pairs, precision) for precision in ("float32", "int8"))
    assert rounded.bytes_per_keyword < exact.bytes_per_keyword / 2
    assert 0 < abs(exact.logits - rounded.logits).max() < 0.1 * exact.logits.std() + 0.05
