"""What a detection tells."""

import doctest

import harken.detection


def test_the_example_holds() -> None:
    assert doctest.testmod(harken.detection) == (0, 1)
