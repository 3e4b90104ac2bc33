"""Calibration: probabilities that rise with the evidence, margins to competitors, thresholds that keep a share."""

import numpy as np
import pytest

from compression.calibration import FEATURES, MARGIN_LIMIT, Calibration, fit_weights, margins, recall_threshold
from harken.errors import HarkenError


def pairs(count: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Evidence whose true weights are known: the margin speaks *against* a term, and the span not at all."""
    draw = np.random.default_rng(seed)
    features = draw.normal(size=(count, len(FEATURES))) * [2, 4, 0.1, 0.4, 5] + [1, 0, 0.5, 2, 0]
    logits = 0.8 * features[:, 0] + 0.5 * features[:, 1] - 1.5 * features[:, 3] - 0.1 * features[:, 4]
    return features, draw.random(count) < 1 / (1 + np.exp(-logits))


def test_the_fit_finds_the_weights_and_is_calibrated() -> None:
    features, labels = pairs()
    weights, bias = fit_weights(features, labels, penalty=1e-4)
    found = dict(zip(FEATURES, weights, strict=True))
    assert found["path"] == pytest.approx(0.8, abs=0.15)
    assert found["verifier"] == pytest.approx(0.5, abs=0.1)
    assert found["length"] == pytest.approx(-1.5, abs=0.4)
    probabilities = Calibration(weights, bias, 0.0, 0.0, 8, 8).probability(features)
    sure = probabilities > 0.7
    assert labels[sure].mean() == pytest.approx(probabilities[sure].mean(), abs=0.05)


def test_no_evidence_for_a_term_makes_it_less_likely() -> None:
    features, labels = pairs()
    weights, bias = fit_weights(features, labels, penalty=1e-4)
    assert dict(zip(FEATURES, weights, strict=True))["margin"] == 0.0
    calibration = Calibration(weights, bias, 0.0, 0.0, 8, 8)
    for column, name in enumerate(FEATURES):
        if name != "length":
            more = features.copy()
            more[:, column] += 1
            assert (calibration.probability(more) >= calibration.probability(features)).all()


def test_labels_of_one_kind_are_refused() -> None:
    features, _ = pairs(10)
    with pytest.raises(HarkenError, match="some must be said and some not"):
        fit_weights(features, np.ones(10, dtype=bool), 0.1)


def test_margins_are_to_the_best_other_term_at_the_same_place() -> None:
    starts, ends = np.array([0, 1, 3, 20]), np.array([6, 6, 12, 30])
    found = margins(starts, ends, np.array([3.0, 1.0, 2.5, -4.0]))
    # The third shares 3 of its 9 frames with the first: half of neither.
    assert found.tolist() == [0.5, -2.0, -0.5, MARGIN_LIMIT]
    assert margins(starts[:3], np.array([6, 6, 9]), np.array([3.0, 1.0, 2.5])).tolist() == [0.5, -2.0, -0.5]
    assert margins(starts[:1], ends[:1], np.array([2.0])).tolist() == [MARGIN_LIMIT]
    assert margins(starts[:0], ends[:0], np.array([])).tolist() == []


def test_a_threshold_keeps_its_share() -> None:
    scores = np.random.default_rng(0).random(1000).tolist()
    assert np.mean(np.array(scores) >= recall_threshold(scores, 0.99)) == pytest.approx(0.99)
    assert recall_threshold([3.0, 1.0], 0.995) == 1.0
    with pytest.raises(HarkenError, match="scores of said terms"):
        recall_threshold([], 0.9)
