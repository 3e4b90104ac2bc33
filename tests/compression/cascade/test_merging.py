import math
from dataclasses import replace

import pytest

from compression.calibration import Calibration
from compression.cascade.merging import merge
from compression.cascade.result import Hit, ShardResult, StageReport, total_stages
from harken.cascade_settings import CascadeSettings
from harken.errors import HarkenError

# The logit is the verifier's.
CALIBRATION = Calibration((0.0, 1.0, 0.0, 0.0), 0.0, 0.0, 0.0, 64, 64)
ALL = CascadeSettings(probability=0.0)


def hit(entry_id: int, start: int, end: int, verifier: float) -> Hit:
    return Hit(
        entry_id, f"term {entry_id}", (f"term {entry_id}",), "tests", start, end, end - start, 0.5, 3.0, verifier
    )


def result(*hits: Hit, partitions: tuple[int, ...] = (0,)) -> ShardResult:
    return ShardResult(hits, (StageReport("path", 10, len(hits), 0.25),), partitions, "model", 10.0)


def terms(*results: ShardResult, **settings: object) -> list[str]:
    return [found.term for found in merge(results, CALIBRATION, CascadeSettings(**settings))]


def test_a_detection_says_where_and_why():
    (found,) = merge([result(hit(7, 12, 18, 2.0))], CALIBRATION)
    assert (found.start, found.end) == (1.2, 1.8)
    assert (found.term, found.spellings, found.category) == ("term 7", ("term 7",), "tests")
    assert dict(found.evidence) == {"span": 0.5, "path": 3.0, "verifier": 2.0}
    assert found.probability == pytest.approx(1 / (1 + math.exp(-2.0)))


def test_one_wins_at_each_place():
    crowd = result(hit(1, 0, 10, 3.0), hit(2, 4, 12, 2.5), hit(3, 10, 20, 1.0), hit(4, 2, 5, 2.0))
    assert terms(crowd, probability=0.0) == ["term 3", "term 1"]
    assert set(terms(crowd, probability=0.0, overlap=1.0)) == {"term 1", "term 2", "term 3"}


def test_a_rival_makes_a_hit_less_likely_also_from_another_shard():
    alone = merge([result(hit(1, 0, 10, 1.0))], CALIBRATION)[0].probability
    rival = result(hit(2, 1, 10, 0.9), partitions=(5,))
    both = merge([result(hit(1, 0, 10, 1.0)), rival], CALIBRATION, ALL)[0]
    assert both.term == "term 1"
    assert both.probability < alone


def test_equals_are_in_the_order_of_their_ids():
    apart = [hit(9, 0, 5, 1.0), hit(2, 10, 15, 1.0), hit(5, 20, 25, 1.0)]
    assert terms(result(*apart)) == ["term 2", "term 5", "term 9"]
    same_place = [hit(9, 0, 5, 1.0), hit(2, 0, 5, 1.0)]
    assert terms(result(*same_place), probability=0.0) == ["term 2"]


def test_few_enough_and_sure_enough():
    apart = result(hit(1, 0, 5, 3.0), hit(2, 10, 15, 2.0), hit(3, 20, 25, -9.0))
    assert terms(apart) == ["term 1", "term 2"]
    assert terms(apart, detections=1) == ["term 1"]
    assert terms(apart, probability=1.0) == []
    assert terms(result()) == []
    assert merge([], CALIBRATION) == []


def test_a_division_into_shards_changes_nothing():
    hits = [hit(number, 3 * number % 40, 3 * number % 40 + 6, (number * 37 % 17) / 5) for number in range(30)]
    whole = merge([result(*hits)], CALIBRATION, ALL)
    shards = [result(*hits[part::4], partitions=(part,)) for part in (2, 0, 3, 1)]
    assert merge(shards, CALIBRATION, ALL) == whole
    assert len(whole) > 3


def test_what_cannot_be_merged_is_refused():
    with pytest.raises(HarkenError, match=r"partitions searched twice: \[3\]"):
        merge([result(partitions=(1, 3)), result(partitions=(3,))], CALIBRATION)
    with pytest.raises(HarkenError, match="search models of the shards"):
        merge([result(), replace(result(partitions=(1,)), search_model="other")], CALIBRATION)


def test_stages_of_shards_add_up():
    one, two = result(hit(1, 0, 5, 0.0)), replace(result(partitions=(1,)), stages=(StageReport("path", 5, 0, 0.5),))
    assert total_stages([one, two]) == (
        StageReport("span", 0, 0, 0.0),
        StageReport("path", 15, 1, 0.5),
        StageReport("verifier", 0, 0, 0.0),
    )
