import pytest

from harken.metrics.proportion import wilson


def test_the_interval_holds_the_share_and_narrows_with_trials():
    few, many = wilson(9, 10), wilson(900, 1000)
    assert few["value"] == many["value"] == 0.9
    assert few["low"] < many["low"] < 0.9 < many["high"] < few["high"]


def test_known_values():
    found = wilson(8, 10)
    assert (found["low"], found["high"]) == (pytest.approx(0.4902, abs=1e-4), pytest.approx(0.9433, abs=1e-4))


def test_the_ends_are_shares_and_no_trials_tell_nothing():
    assert wilson(10, 10)["high"] == 1.0
    assert wilson(0, 10)["low"] == 0.0
    assert wilson(0, 0) == {"value": None, "low": None, "high": None}
