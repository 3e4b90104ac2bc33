import pytest

from harken.config import check
from harken.errors import HarkenError
from harken.sampler_settings import SamplerSettings, paper_sampler


def test_the_papers_sampler_has_one_positive_and_three_negatives():
    settings = paper_sampler()
    assert (settings.positives, settings.random, settings.prefix, settings.suffix) == (1, 1, 1, 1)
    assert (settings.phonemes, settings.containment, settings.sigma, settings.natural_share) == (0, 0, 5.0, 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict.fromkeys(("random", "prefix", "suffix", "phonemes", "containment"), 0), "every pair would be positive"),
        ({"natural_share": 1.5}, "natural_share"),
        ({"positves": 1}, "The nearest known key is 'positives'"),
    ],
)
def test_settings_that_cannot_work_are_refused(change, message):
    with pytest.raises(HarkenError, match=message):
        check(change, SamplerSettings, "test")
