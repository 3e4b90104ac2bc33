"""Calibration: probabilities that rise with the evidence and are shared with rivals, thresholds that keep a share."""

from dataclasses import replace

import numpy as np
import pytest

from compression.calibration import FEATURES, Calibration, Evidence, Labelled, fit_weights, recall_threshold
from harken.errors import HarkenError

TRUE = (0.8, 0.5, 0.0, -1.5)
PLACES = 12


def utterance(draw: np.random.Generator) -> Labelled:
    """Three terms at each of some places; one of them or none is said, with odds that are known."""
    features = draw.normal(size=(PLACES, 3, 4)) * [2, 4, 0.1, 0.4] + [0, 0, 0.5, 2]
    odds = np.exp(features @ np.array(TRUE) + 1.0)
    shares = np.concatenate([odds, np.ones((PLACES, 1))], axis=1)
    chosen = np.array([draw.choice(4, p=one / one.sum()) for one in shares])
    said = (np.arange(3) == chosen[:, None]).reshape(-1)
    starts = np.repeat(10 * np.arange(PLACES), 3)
    evidence = Evidence(features.reshape(-1, 4), starts, starts + 8, np.arange(3 * PLACES, dtype=np.uint64))
    return Labelled(evidence, said, np.ones(3 * PLACES, bool))


def utterances(count: int = 120) -> list[Labelled]:
    draw = np.random.default_rng(0)
    return [utterance(draw) for _ in range(count)]


def evidence(verifier: list[float], starts: list[int], ends: list[int], entries: list[int]) -> Evidence:
    features = np.zeros((len(verifier), len(FEATURES)))
    features[:, FEATURES.index("verifier")] = verifier
    return Evidence(features, np.array(starts), np.array(ends), np.array(entries, dtype=np.uint64))


PLAIN = Calibration((0.0, 1.0, 0.0, 0.0), 0.0, 0.0, 0.0, 8, 8)


def test_the_fit_finds_the_weights_and_is_calibrated() -> None:
    labelled = utterances()
    weights, bias = fit_weights(labelled, penalty=1e-4)
    found = dict(zip(FEATURES, weights, strict=True))
    assert found["path"] == pytest.approx(0.8, abs=0.1)
    assert found["verifier"] == pytest.approx(0.5, abs=0.05)
    assert found["length"] == pytest.approx(-1.5, abs=0.3)
    assert bias == pytest.approx(1.0, abs=0.7)
    calibration = Calibration(weights, bias, 0.0, 0.0, 8, 8)
    probabilities = np.concatenate([calibration.probability(one.evidence) for one in labelled])
    said = np.concatenate([one.said for one in labelled])
    for low, high in ((0.0, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)):
        inside = (probabilities >= low) & (probabilities < high)
        assert said[inside].mean() == pytest.approx(probabilities[inside].mean(), abs=0.05)


def test_what_nobody_can_tell_counts_for_nothing() -> None:
    labelled = utterances(20)
    # Half of the labels are wrong, and said to be uncertain.
    wrong = [replace(one, said=~one.said, counted=np.zeros_like(one.counted)) for one in utterances(20)]
    weights, bias = fit_weights(labelled, 1e-3)
    # The mean loss of an utterance is halved, and so must be the penalty for the same optimum.
    assert fit_weights([*labelled, *wrong], 5e-4)[0] == pytest.approx(weights, abs=1e-3)
    assert fit_weights([*labelled, *wrong], 5e-4)[1] == pytest.approx(bias, abs=1e-2)


def test_no_evidence_for_a_term_makes_it_less_likely() -> None:
    # Without terms that are not heard at all the odds of some would fall with their path score.
    labelled = [
        replace(one, evidence=replace(one.evidence, features=one.evidence.features * [-1, 1, 1, 1]))
        for one in utterances(20)
    ]
    weights, _ = fit_weights(labelled, penalty=1e-4)
    assert dict(zip(FEATURES, weights, strict=True))["path"] == 0.0


def test_labels_of_one_kind_are_refused() -> None:
    one = utterances(1)[0]
    with pytest.raises(HarkenError, match="some must be said and some not"):
        fit_weights([replace(one, said=np.ones(len(one.evidence), bool))], 0.1)
    with pytest.raises(HarkenError, match="some must be said and some not"):
        fit_weights([], 0.1)


def test_terms_at_one_place_and_none_of_them_share_the_odds() -> None:
    # The third shares one frame with the first, and half of the second. The fourth is the first, found again.
    found = PLAIN.probability(evidence([3.0, 1.0, 2.5, 3.0], [0, 2, 5, 0], [6, 8, 13, 6], [1, 2, 3, 1]))
    odds = np.exp([3.0, 1.0, 2.5])
    expected = [odds[0] / (1 + odds[0] + odds[1]), odds[1] / (1 + odds[1] + odds[2] + 2 * odds[0])]
    expected += [odds[2] / (1 + odds[2] + odds[1]), expected[0]]
    assert found == pytest.approx(expected)


def test_no_two_terms_at_one_place_are_likely() -> None:
    found = PLAIN.probability(evidence([800.0, 800.0, -800.0], [0, 0, 0], [5, 5, 5], [1, 2, 3]))
    assert found == pytest.approx([0.5, 0.5, 0.0])
    alone = PLAIN.probability(evidence([-4.0], [0], [5], [1]))
    assert alone == pytest.approx([1 / (1 + np.exp(4.0))])
    assert PLAIN.probability(evidence([], [], [], [])).shape == (0,)


def test_a_threshold_keeps_its_share() -> None:
    scores = np.random.default_rng(0).random(1000).tolist()
    assert np.mean(np.array(scores) >= recall_threshold(scores, 0.99)) == pytest.approx(0.99)
    assert recall_threshold([3.0, 1.0], 0.995) == 1.0
    with pytest.raises(HarkenError, match="scores of said terms"):
        recall_threshold([], 0.9)
