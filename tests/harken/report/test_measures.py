import pytest

from harken.report.measures import change, percent, present, with_interval


def interval(value, low=None, high=None):
    return {"value": value, "low": low, "high": high}


def test_a_paired_interval_that_excludes_zero_establishes_a_change():
    found = change(interval(0.4, 0.3, 0.5), interval(0.3, 0.2, 0.45), interval(-0.1, -0.15, -0.02), False)
    assert found.established
    assert found.better
    assert found.relative == pytest.approx(-0.25)


def test_a_paired_interval_over_zero_does_not_even_if_the_value_moves():
    found = change(interval(0.4, 0.39, 0.41), interval(0.3, 0.29, 0.31), interval(-0.1, -0.25, 0.05), False)
    assert found.established is False


@pytest.mark.parametrize(
    ("low", "high", "established"), [(0.1, 0.2, True), (0.1, 0.35, False), (0.55, 0.6, True), (None, None, None)]
)
def test_without_a_paired_interval_only_separate_intervals_count(low, high, established):
    value = None if low is None else (low + high) / 2
    found = change(interval(0.4, 0.3, 0.5), interval(value if value is not None else 0.2, low, high), None, False)
    assert found.established is established


def test_recall_improves_upwards_and_errors_downwards():
    rise = (interval(0.2), interval(0.6), None)
    assert change(*rise, higher_is_better=True).better is True
    assert change(*rise, higher_is_better=False).better is False
    assert change(interval(0.2), interval(0.2), None, False).better is None


def test_a_change_from_zero_has_no_relative_size():
    found = change(interval(0.0), interval(0.1), None, False)
    assert found.relative is None
    assert found.absolute == pytest.approx(0.1)


def test_nothing_is_compared_with_what_was_not_measured():
    found = change(interval(None), interval(0.1), None, False)
    assert (found.absolute, found.relative, found.established, found.better) == (None, None, None, None)
    assert change(None, None, None, False).absolute is None


def test_intervals_read_as_in_the_promise():
    assert with_interval(interval(0.153, 0.131, 0.177)) == "0.153 [0.131, 0.177]"
    assert with_interval(interval(0.153)) == "0.153"
    assert with_interval(interval(None, None, None)) == "n/a"
    assert with_interval(interval(float("nan"), 0.1, 0.2)) == "n/a"
    assert percent(-0.0512, signed=True) == "−5.1%"


def test_metrics_come_in_their_usual_order_and_unknown_ones_last():
    systems = {"base": {"novel": {}, "keyword_recall": {}}, "adapted": {"cer": {}}}
    assert [measure.key for measure in present(systems)] == ["cer", "keyword_recall", "novel"]
