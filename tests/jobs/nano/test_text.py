"""The sentences of the nano model: splits, domain terms kept out, pseudo-terms."""

import json
import random
from pathlib import Path

import pytest

from jobs.nano.corpus import read_domain
from jobs.nano.text import LONGEST_MANDARIN, DomainFilter, Writer, split_of
from jobs.nano.tokenizer import character_inventory
from jobs.nano.vocabulary import english_words, mandarin_words

ROOT = Path(__file__).resolve().parents[3]
DOMAIN = ROOT / "examples" / "luxury" / "keywords.csv"


@pytest.fixture(scope="module")
def writer() -> Writer:
    terms = read_domain(str(DOMAIN))
    return Writer(DomainFilter(terms), character_inventory(terms, 1400))


def test_the_vocabulary_is_small_and_has_no_doubles():
    assert 600 <= len(mandarin_words()) <= 1000
    assert 200 <= len(english_words()) <= 350
    assert len(set(mandarin_words())) == len(mandarin_words())


def test_no_sentence_holds_a_domain_term(writer):
    terms = [term.lower() for term in read_domain(str(DOMAIN))]
    rng = random.Random(1)
    for _ in range(400):
        text = writer.sentence(rng, pseudo=0.4).text
        assert not any(term in text for term in terms if not term.isascii()), text
        words = text.rstrip(".").split()
        assert not any(term in words for term in terms if term.isascii()), text


def test_a_latin_domain_term_is_found_as_a_whole_word_only():
    domain = DomainFilter(["Speedy", "水桶包"])
    assert domain.holds_term("偏好speedy系列")
    assert domain.holds_term("我的水桶包")
    assert not domain.holds_term("speedyard")


def test_sentences_have_the_asked_shares_and_fit_the_window(writer):
    rng = random.Random(2)
    sentences = [writer.sentence(rng, pseudo=0.5, english=0.2) for _ in range(800)]
    assert 0.15 < sum(s.language == "en" for s in sentences) / 800 < 0.25
    assert 0.2 < sum(bool(s.terms) for s in sentences) / 800 < 0.5
    assert all(len(s.text) <= LONGEST_MANDARIN for s in sentences if s.language == "zh")
    for sentence in sentences:
        assert all(term in sentence.text for term in sentence.terms)
        assert "{" not in sentence.text


def test_word_sequences_follow_no_template(writer):
    rng = random.Random(6)
    connectives = ("喜欢", "的", "想")
    plain, sequences = (
        sum(
            any(word in writer.sentence(rng, english=0, sequences=share).text for word in connectives)
            for _ in range(300)
        )
        for share in (0.0, 1.0)
    )
    assert plain > 1.5 * sequences


def test_the_same_seed_writes_the_same_sentences(writer):
    first, second = (
        [writer.sentence(rng, pseudo=0.3) for _ in range(20)] for rng in (random.Random(3), random.Random(3))
    )
    assert first == second


def test_a_sentence_has_one_split_and_general_sentences_obey_theirs(writer):
    rng = random.Random(4)
    for split in ("nano-test", "general-test", "general-train"):
        assert split_of(writer.general(rng, split).text) == split


def test_the_general_examples_are_kept_out_of_training():
    texts = {}
    for name in ("train", "test"):
        lines = (ROOT / "examples" / "general" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        texts[name] = {json.loads(line)["text"] for line in lines}
        assert {split_of(text) for text in texts[name]} == {f"general-{name}"}
    assert len(texts["train"]) == 1600
    assert len(texts["test"]) == 200
    assert not texts["train"] & texts["test"]


def test_a_term_is_put_into_a_note(writer):
    sentence = writer.with_term(random.Random(5), "铂金包")
    assert sentence.text.count("铂金包") == 1
    assert sentence.terms == ("铂金包",)
