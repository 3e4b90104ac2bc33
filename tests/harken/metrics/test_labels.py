"""Label F1 against values computed by hand."""

import pytest

from harken.metrics.labels import count_labels, label_rates, paired_label_rates

REFERENCES = [{"A": {1, 2}, "B": {3}}, {"A": {1}}, {}]
HEARD = {
    "weak": [{"A": {1}}, {"A": {9}}, {"C": {7}}],
    "strong": [{"A": {1, 2}, "B": {3}}, {"A": {1}}, {}],
}


def values(counts, **options):
    return {name: interval["value"] for name, interval in label_rates(counts, **options).items()}


def test_figures_are_those_computed_by_hand():
    counts = count_labels(REFERENCES, HEARD)
    # right: A1; extra: A9, C7; missed: A2, B3, A1
    found = values(counts["weak"])
    assert found["precision"] == pytest.approx(1 / 3)
    assert found["recall"] == pytest.approx(1 / 4)
    assert found["f1"] == pytest.approx(2 / (2 + 2 + 3))
    assert found["f1.A"] == pytest.approx(2 / (2 + 1 + 2))
    assert found["f1.B"] == 0
    # C is in no reference and does not enter the mean.
    assert found["macro_f1"] == pytest.approx((2 / 5 + 0) / 2)
    assert counts["weak"].support == {"A": 3, "B": 1, "C": 0}


def test_a_perfect_system_scores_one_and_the_difference_is_paired():
    counts = count_labels(REFERENCES, HEARD)
    strong, weak = values(counts["strong"]), values(counts["weak"])
    assert {strong[name] for name in ("f1", "precision", "recall", "macro_f1")} == {1.0}
    paired = paired_label_rates(counts["weak"], counts["strong"], samples=200, seed=1)
    assert paired["f1"]["value"] == pytest.approx(1 - weak["f1"])
    assert 0 < paired["f1"]["low"] <= paired["f1"]["value"] <= paired["f1"]["high"]
    same = paired_label_rates(counts["weak"], counts["weak"], samples=50)
    assert same["f1"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_what_is_undefined_is_none():
    counts = count_labels([{}, {}], {"one": [{}, {}]})["one"]
    assert values(counts) == dict.fromkeys(("f1", "precision", "recall", "macro_f1"))
    silent = values(count_labels([{"A": {1}}], {"one": [{}]})["one"])
    assert silent["precision"] is None
    assert silent["f1"] == 0


def test_intervals_hold_the_value_and_depend_on_the_seed_only():
    counts = count_labels(REFERENCES * 20, {"one": HEARD["weak"] * 20})["one"]
    first, again = label_rates(counts, samples=300, seed=5), label_rates(counts, samples=300, seed=5)
    assert first == again
    assert first["f1"]["low"] < first["f1"]["value"] < first["f1"]["high"]
    assert label_rates(counts, samples=300, seed=6)["f1"] != first["f1"]


def test_other_utterances_are_refused():
    one = count_labels(REFERENCES, {"one": HEARD["weak"]})["one"]
    other = count_labels(REFERENCES[:2], {"one": HEARD["weak"][:2]})["one"]
    with pytest.raises(ValueError, match="same utterances"):
        paired_label_rates(one, other)
    with pytest.raises(ValueError, match="zip"):
        count_labels(REFERENCES, {"one": HEARD["weak"][:2]})
