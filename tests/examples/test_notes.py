"""The demo's held-out notes: the seeds' style, none of the seeds' sentences."""

from collections import Counter
from pathlib import Path

from harken.keywords import KeywordMatcher, load_keywords
from harken.records import read_manifest

LUXURY = Path(__file__).resolve().parents[2] / "examples" / "luxury"


def texts(name: str) -> list[str]:
    return [row["text"] for row in read_manifest(LUXURY / name)]


def test_every_demo_term_is_asked_for_at_least_twice() -> None:
    demo = load_keywords(LUXURY / "keywords_demo.csv")
    matcher = KeywordMatcher(demo)
    mentions = Counter(mention.term for text in texts("test_notes.jsonl") for mention in matcher.find(text))
    assert set(mentions) == {keyword.term for keyword in demo}
    assert min(mentions.values()) >= 2


def test_the_notes_are_two_hundred_and_none_is_a_seed_or_twice_there() -> None:
    notes = texts("test_notes.jsonl")
    assert len(set(notes)) == len(notes) == 200
    assert not set(notes) & (set(texts("seeds.jsonl")) | set(texts("test.jsonl")))


def test_the_notes_hold_no_term_outside_the_demo_list() -> None:
    demo = KeywordMatcher(load_keywords(LUXURY / "keywords_demo.csv"))
    every = KeywordMatcher(load_keywords(LUXURY / "keywords.csv"))
    for text in texts("test_notes.jsonl"):
        found = {mention.term for mention in demo.find(text)}
        assert found
        assert {mention.term for mention in every.find(text)} == found
