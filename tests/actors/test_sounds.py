"""Terms found by their sound, read by the real espeak-ng."""

import json
import pickle
from pathlib import Path

import pytest

from actors.sounds import SoundAlike, SoundMatcher
from harken.keywords import load_keywords

ROOT = Path(__file__).resolve().parents[2]
TERMS = ("戴妃包", "皇家橡树", "老花", "保值", "marmont", "togo", "speedy 20")


@pytest.fixture(scope="module")
def matcher() -> SoundMatcher:
    readings = {term: [term] for term in TERMS} | {"speedy 20": ["speedy 20", "speedy 二十"]}
    return SoundMatcher(readings, 0.2)


def found(matcher: SoundMatcher, text: str, *taken: tuple[int, int]) -> list[tuple[str, str]]:
    return [(alike.term, text[alike.start : alike.end]) for alike in matcher.find([text], [taken])[0]]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("喜欢戴菲包，红色", [("戴妃包", "戴菲包")]),
        ("想看画家香树的表", [("皇家橡树", "画家香树")]),
        ("喜欢moumont系列", [("marmont", "moumont")]),
        ("想要speedy 尔十的", [("speedy 20", "speedy 尔十")]),
        ("戴菲包和画家想树", [("戴妃包", "戴菲包"), ("皇家橡树", "画家想树")]),
        # Short terms have to sound the same, tones included.
        ("要华丽一点", []),
        ("喜欢牢花", []),
        ("喜欢老哗", [("老花", "老哗")]),
        ("没有logo的", []),
        # A clause ends between the two halves.
        ("要画家，橡树", []),
        ("", []),
        ("。，！", []),
    ],
)
def test_what_sounds_alike_is_found(matcher: SoundMatcher, text: str, expected: list[tuple[str, str]]) -> None:
    assert sorted(found(matcher, text)) == sorted(expected)


def test_taken_spans_are_left_alone(matcher: SoundMatcher) -> None:
    assert found(matcher, "喜欢戴菲包", (3, 5)) == []
    assert found(matcher, "喜欢戴菲包", (0, 2)) == [("戴妃包", "戴菲包")]


def test_the_distance_bounds_what_is_found() -> None:
    exact = SoundMatcher({term: [term] for term in TERMS}, 0.0)
    assert found(exact, "喜欢戴菲包") == [("戴妃包", "戴菲包")]
    assert found(exact, "想看画家香树的表") == []
    wide = SoundMatcher({"皇家橡树": ["皇家橡树"]}, 0.4)
    (alike,) = wide.find(["想看画家向书的表"], [()])[0]
    assert alike == SoundAlike("皇家橡树", 2, 6, alike.distance)
    assert 0 < alike.distance < 0.4


def test_a_pickled_matcher_finds_the_same(matcher: SoundMatcher) -> None:
    copy = pickle.loads(pickle.dumps(matcher))
    texts = ["喜欢戴菲包，想看画家香树", "moumont很好"]
    assert copy.find(texts, [(), ()]) == matcher.find(texts, [(), ()])


def test_everyday_sentences_hold_next_to_no_names() -> None:
    keywords = load_keywords(ROOT / "examples/luxury/keywords_demo.csv")
    matcher = SoundMatcher({keyword.term: [keyword.term] for keyword in keywords}, 0.2)
    lines = (ROOT / "examples/general/test.jsonl").read_text(encoding="utf-8").splitlines()
    texts = [json.loads(line)["text"] for line in lines][:300]
    assert sum(map(len, matcher.find(texts, [()] * len(texts)))) <= 1


def test_nothing_to_find_finds_nothing() -> None:
    assert SoundMatcher({}, 0.2).find(["喜欢戴菲包"], [()]) == [[]]
