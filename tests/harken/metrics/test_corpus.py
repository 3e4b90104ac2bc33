import json

import pytest

from harken.keywords import Keyword, KeywordMatcher
from harken.metrics import (
    METRICS,
    Resampling,
    UtteranceScore,
    aggregate,
    bootstrap,
    ier_by_segmenter,
    load_segmenters,
    mean_over_utterances,
    paired_bootstrap,
    score_utterance,
)
from tests.harken.metrics.examples import random_pairs

MATCHER = KeywordMatcher([Keyword("speedy 20", "SERIES"), Keyword("老花", "LINES"), Keyword("Hermès", "BRAND")])


@pytest.fixture(scope="module")
def scores():
    return [score_utterance(*pair, MATCHER, load_segmenters()) for pair in random_pairs(60)]


def test_rates_are_sums_of_errors_over_sums_of_units(scores):
    whole = aggregate(scores)
    errors = sum(score.counts["cer.cn.errors"] + score.counts["cer.oth.errors"] for score in scores)
    units = sum(score.counts["cer.cn.units"] + score.counts["cer.oth.units"] for score in scores)
    assert tuple(whole) == METRICS
    assert whole["cer"] == errors / units
    units_cn, units_oth = (sum(score.counts[f"cer.{script}.units"] for score in scores) for script in ("cn", "oth"))
    assert units * whole["cer"] == pytest.approx(units_cn * whole["cer_cn"] + units_oth * whole["cer_oth"])
    assert whole["cer"] != pytest.approx(mean_over_utterances(scores)["cer"])


def test_scores_survive_a_row_of_integers(scores):
    row = scores[0].to_row()
    assert all(type(value) is int for value in row.values())
    stored = {"id": "a", "text": "x", **row, "keyword.LINES.right": None if row["keyword.LINES.right"] == 0 else 1}
    assert UtteranceScore.from_row(json.loads(json.dumps(stored))) == scores[0]


def test_an_interval_contains_its_value_and_depends_on_the_seed_only(scores):
    intervals = bootstrap(scores, samples=200, seed=3)
    assert tuple(intervals) == METRICS
    for metric, interval in intervals.items():
        assert interval["low"] <= interval["value"] <= interval["high"]
        assert interval["low"] < interval["high"] or metric == "loop_rate"
    assert bootstrap(scores, samples=200, seed=3) == intervals
    assert bootstrap(scores, samples=200, seed=4) != intervals


def test_the_interval_is_scipys_percentile_bootstrap(scores):
    import numpy as np
    from scipy import stats

    errors = np.array([score.counts["cer.cn.errors"] + score.counts["cer.oth.errors"] for score in scores])
    units = np.array([score.counts["cer.cn.units"] + score.counts["cer.oth.units"] for score in scores])
    theirs = stats.bootstrap(
        (errors, units), lambda e, u, axis=-1: e.sum(axis) / u.sum(axis), paired=True, method="percentile",
        n_resamples=5000, rng=np.random.default_rng(0),
    ).confidence_interval  # fmt: skip
    ours = bootstrap(scores, samples=5000)["cer"]
    assert ours["low"] == pytest.approx(theirs.low, abs=0.01)
    assert ours["high"] == pytest.approx(theirs.high, abs=0.01)


def test_pairing_removes_what_both_systems_share(scores):
    same = paired_bootstrap(scores, scores, samples=50)
    assert same["cer"] == {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    better = [score_utterance(reference, reference, MATCHER, load_segmenters()) for reference, _ in random_pairs(60)]
    difference = paired_bootstrap(scores, better, samples=200)
    assert difference["cer"]["value"] == pytest.approx(-aggregate(scores)["cer"])
    assert difference["cer"]["high"] < 0
    assert difference["cer"]["p"] == pytest.approx(2 / 201)
    assert difference["keyword_recall"]["low"] > 0
    with pytest.raises(ValueError, match="same utterances"):
        paired_bootstrap(scores, better[:-1])
    with pytest.raises(ValueError, match="same utterances"):
        paired_bootstrap(scores, better[::-1])


def test_what_cannot_be_counted_is_none_and_never_nan():
    chinese = [score_utterance("喜欢", "喜欢", None, load_segmenters())]
    for result in (
        aggregate(chinese),
        bootstrap(chinese),
        paired_bootstrap(chinese, chinese),
        ier_by_segmenter(chinese),
    ):
        json.dumps(result, allow_nan=False)
    assert aggregate(chinese)["cer_oth"] is None
    assert aggregate(chinese)["keyword_recall"] is None
    assert bootstrap(chinese)["cer_oth"] == {"value": None, "low": None, "high": None}
    assert set(aggregate([]).values()) == {None}
    assert bootstrap([])["cer"] == {"value": None, "low": None, "high": None}
    assert mean_over_utterances([])["cer"] is None


def test_a_metric_missing_in_some_resamples_still_has_an_interval():
    rare = [score_utterance("喜欢", "喜欢", MATCHER, [])] * 5 + [score_utterance("老花", "老化", MATCHER, [])]
    assert bootstrap(rare, samples=100)["keyword_recall"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_scores_of_different_segmenters_are_not_summed(scores):
    with pytest.raises(ValueError, match="different segmenters"):
        aggregate([*scores, score_utterance("喜欢", "喜欢", MATCHER, [])])


def test_p_is_small_where_the_interval_excludes_zero_and_large_where_it_does_not(scores):
    """Half of the utterances a little better: the p-value and the interval must tell the same."""
    pairs = list(random_pairs(60))
    for fixed in (0, 1, 30):
        mixed = [
            score_utterance(reference, reference if index < fixed else hypothesis, MATCHER, load_segmenters())
            for index, (reference, hypothesis) in enumerate(pairs)
        ]
        found = paired_bootstrap(scores, mixed, samples=400)["cer"]
        excludes = found["low"] > 0 or found["high"] < 0
        assert excludes == (found["p"] < 0.05)


def test_any_two_systems_are_compared_with_the_draws_that_their_own_intervals_came_from(scores):
    perfect = [score_utterance(text, text, MATCHER, load_segmenters()) for text, _ in random_pairs(60)]
    ours, theirs = Resampling.of(scores, 100, seed=5), Resampling.of(perfect, 100, seed=5)
    assert ours.intervals() == bootstrap(scores, 100, seed=5)
    assert ours.difference(theirs) == paired_bootstrap(scores, perfect, 100, seed=5)
    with pytest.raises(ValueError, match="same seed"):
        ours.difference(Resampling.of(perfect, 100, seed=6))


def test_insertions_and_loops_have_rates_of_their_own():
    said, heard = ("可推荐男装", "喜欢老花"), ("可推荐男装装装装装", "喜欢老花")
    scores = [score_utterance(*pair, MATCHER, load_segmenters()) for pair in zip(said, heard, strict=True)]
    rates = aggregate(scores)
    assert rates["insertion_rate"] == 4 / 9
    assert rates["loop_rate"] == 1 / 2
    assert rates["ier"] == 0
