import numpy as np
import pytest

from harken.errors import HarkenError
from harken.metrics.spotting import (
    Judgements,
    best_threshold,
    f1_score,
    precision_recall,
    rates_by,
    spotting_rates,
    worst_mistakes,
)

SCORES = np.array([0.9, 0.8, 0.8, 0.4, 0.1])
LABELS = np.array([True, False, True, True, False])


def judgements(seed: int = 0, utterances: int = 40, keywords: int = 6, skill: float = 1.5) -> Judgements:
    generator = np.random.default_rng(seed)
    owner, term = np.divmod(np.arange(utterances * keywords), keywords)
    labels = generator.random(len(owner)) < 0.2
    return Judgements(generator.standard_normal(len(owner)) + skill * labels, labels, term, owner)


def test_the_curve_by_hand_takes_ties_together():
    curve = precision_recall(SCORES, LABELS)
    assert curve.thresholds.tolist() == [0.9, 0.8, 0.4, 0.1]
    assert curve.precision.tolist() == pytest.approx([1, 2 / 3, 3 / 4, 3 / 5])
    assert curve.recall.tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert curve.average_precision() == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)


def test_the_best_threshold_lies_halfway_to_what_it_leaves_out():
    threshold = best_threshold(SCORES, LABELS)
    assert threshold == pytest.approx(0.25)
    assert f1_score(SCORES, LABELS, threshold) == pytest.approx(6 / 7)
    assert max(f1_score(SCORES, LABELS, value) for value in np.linspace(0, 1, 101)) == pytest.approx(6 / 7)


def test_beta_moves_the_threshold_towards_recall():
    scores, labels = np.array([0.9, 0.6, 0.5, 0.4, 0.3, 0.2]), np.array([True, False, False, False, True, False])
    assert best_threshold(scores, labels, beta=0.5) > 0.6
    assert best_threshold(scores, labels, beta=2.0) < 0.3


def test_a_threshold_exists_when_everything_is_spotted():
    assert f1_score(np.zeros(3), np.ones(3, bool), best_threshold(np.zeros(3), np.ones(3, bool))) == 1.0


def test_without_positives_there_is_no_curve():
    with pytest.raises(HarkenError, match=r"pairs to be judged: 2\. None is positive"):
        precision_recall(np.zeros(2), np.zeros(2, bool))


def test_rates_by_hand():
    judged = Judgements(
        np.array([0.9, 0.2, 0.6, 0.7, 0.3, 0.1]),
        np.array([True, False, True, False, True, False]),
        np.array([0, 1, 2, 0, 1, 2]),
        np.array([0, 0, 0, 1, 1, 1]),
    )
    rates = {name: interval["value"] for name, interval in spotting_rates(judged, 0.5, top=(1, 2)).items()}
    assert rates["precision"] == pytest.approx(2 / 3)
    assert rates["recall"] == pytest.approx(2 / 3)
    assert rates["f1"] == pytest.approx(2 / 3)
    # k=1: keyword 0 in each utterance; k=2: {0, 2} and {0, 1}.
    assert rates["f1_at_1"] == pytest.approx(2 * 1 / (2 + 3))
    assert rates["f1_at_2"] == pytest.approx(2 * 3 / (4 + 3))
    # Keywords 0, 1 and 2 rank their own utterance first.
    assert rates["mean_average_precision"] == pytest.approx(1.0)


def test_f1_is_that_of_all_pairs_and_lies_in_its_interval():
    judged = judgements()
    threshold = best_threshold(judged.scores, judged.labels)
    rates = spotting_rates(judged, threshold, samples=300)
    assert rates["f1"]["value"] == pytest.approx(f1_score(judged.scores, judged.labels, threshold))
    for name, interval in rates.items():
        assert interval["low"] < interval["value"] < interval["high"], name


def test_intervals_narrow_with_more_utterances_and_repeat_with_the_seed():
    few, many = (spotting_rates(judgements(utterances=count), 0.7, samples=300)["f1"] for count in (20, 500))
    assert many["high"] - many["low"] < 0.5 * (few["high"] - few["low"])
    assert spotting_rates(judgements(), 0.7, samples=50, seed=3) == spotting_rates(
        judgements(), 0.7, samples=50, seed=3
    )


def test_k_takes_the_lower_keyword_in_a_tie_whatever_the_order_of_the_pairs():
    judged = judgements()
    judged = Judgements(np.round(judged.scores), judged.labels, judged.keywords, judged.utterances)
    order = np.random.default_rng(1).permutation(len(judged.scores))
    mixed = Judgements(*(getattr(judged, name)[order] for name in ("scores", "labels", "keywords", "utterances")))
    one, other = spotting_rates(judged, 0.5, samples=20), spotting_rates(mixed, 0.5, samples=20)
    assert one["f1_at_5"]["value"] == other["f1_at_5"]["value"]
    assert one["mean_average_precision"]["value"] == pytest.approx(other["mean_average_precision"]["value"])


def test_a_thinned_curve_keeps_its_ends_and_its_shape():
    judged = judgements(utterances=500)
    curve = precision_recall(judged.scores, judged.labels)
    thin = curve.thinned(50)
    assert len(thin.recall) <= 51 < len(curve.recall)
    assert (thin.recall[-1], thin.precision[-1]) == (curve.recall[-1], curve.precision[-1])
    assert thin.average_precision() == pytest.approx(curve.average_precision(), abs=0.01)
    for place, threshold in enumerate(thin.thresholds):
        whole = list(curve.thresholds).index(threshold)
        assert (thin.precision[place], thin.recall[place]) == (curve.precision[whole], curve.recall[whole])
    few = precision_recall(SCORES, LABELS).thinned()
    assert few.recall.tolist() == pytest.approx([1 / 3, 2 / 3, 1, 1])


def test_rates_by_group_are_those_of_its_pairs_alone():
    judged = judgements()
    lengths = 2 + judged.keywords % 3
    found = rates_by(judged, lengths, 0.7, samples=50)
    assert list(found) == ["2", "3", "4"]
    assert sum(group["pairs"] for group in found.values()) == len(judged.scores)
    assert sum(group["said"] for group in found.values()) == judged.labels.sum()
    members = lengths == 3
    expected = f1_score(judged.scores[members], judged.labels[members], 0.7)
    assert found["3"]["rates"]["f1"]["value"] == pytest.approx(expected)
    assert found["3"]["rates"].keys() == {"f1", "precision", "recall", "mean_average_precision"}
    by_name = rates_by(judged, np.where(judged.labels, "said", "absent"), 0.7, samples=20)
    assert by_name["absent"]["rates"]["recall"]["value"] is None
    assert by_name["absent"]["rates"]["mean_average_precision"]["value"] is None
    assert by_name["said"]["rates"]["precision"]["value"] == 1.0


def test_the_worst_mistakes_are_the_furthest_from_the_threshold():
    places = np.arange(5)
    judged = Judgements(SCORES, LABELS, places, places)
    alarms, misses = worst_mistakes(judged, 0.5, most=5)
    assert (alarms.tolist(), misses.tolist()) == ([1], [3])
    alarms, misses = worst_mistakes(judged, 0.05, most=5)
    assert (alarms.tolist(), misses.tolist()) == ([1, 4], [])
    _, misses = worst_mistakes(judged, 1.0, most=2)
    assert misses.tolist() == [3, 2]
