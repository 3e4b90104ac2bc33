"""The luxury-retail example keeps the promises of `examples/README.md`."""

from __future__ import annotations

import csv
import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest

from harken.config import load_config
from harken.keywords import Keyword, KeywordMatcher, load_keywords
from harken.portraits.vocabulary import Vocabulary, load_labels
from harken.settings import TranscriptSettings
from jobs.nano import vocabulary

ROOT = Path(__file__).parents[2]
LUXURY = ROOT / "examples" / "luxury"
CATEGORY_SIZES = {
    "SERIES": 408,
    "TYPE": 273,
    "BRAND": 92,
    "MATERIAL": 42,
    "NICKNAME": 42,
    "LINES": 19,
    "SOCIAL": 3,
}  # the paper's Table 2
PRODUCT_COLUMNS = {
    "brand": "BRAND",
    "series": "SERIES",
    "nickname": "NICKNAME",
    "type": "TYPE",
    "material": "MATERIAL",
    "line": "LINES",
    "colour": "COLOUR",
    "social": "SOCIAL",
    "price_band": "BUDGET",
}
PUNCTUATION = re.compile(r"[，。？、,.?\s]+")


def read_csv(name: str) -> list[dict[str, str]]:
    with (LUXURY / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def read_sentences(name: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (LUXURY / name).read_text(encoding="utf-8").splitlines()]


def folded(term: str) -> str:
    return unicodedata.normalize("NFKC", term).casefold().replace(" ", "")


def patterns(text: str, matcher: KeywordMatcher) -> set[str]:
    """The sentence with its keywords masked, whole and clause by clause; punctuation makes no pattern new."""
    for mention in reversed(matcher.find(text)):
        text = f"{text[: mention.start]}<>{text[mention.end :]}"
    return {PUNCTUATION.sub("", text), *filter(None, PUNCTUATION.split(text))}


@pytest.fixture(scope="module")
def keywords() -> list[Keyword]:
    return load_keywords(LUXURY / "keywords.csv")


@pytest.fixture(scope="module")
def matcher(keywords: list[Keyword]) -> KeywordMatcher:
    return KeywordMatcher(keywords)


@pytest.fixture(scope="module")
def demo_keywords() -> list[Keyword]:
    return load_keywords(LUXURY / "keywords_demo.csv")


@pytest.mark.parametrize("path", sorted(LUXURY.iterdir()), ids=lambda path: path.name)
def test_files_are_plain_normalised_utf8(path: Path) -> None:
    content = path.read_bytes()
    text = content.decode("utf-8")
    assert not text.startswith("\ufeff")
    assert "\r" not in text
    assert text.endswith("\n")
    assert unicodedata.is_normalized("NFC", text)


def test_keyword_list_has_the_size_of_the_papers(keywords: list[Keyword]) -> None:
    assert Counter(keyword.category for keyword in keywords) == CATEGORY_SIZES


@pytest.mark.parametrize("name", ["keywords.csv", "keywords_demo.csv"])
def test_terms_are_unique_and_clean(name: str) -> None:
    terms = [row["term"] for row in read_csv(name)]
    repeated = [term for term, count in Counter(map(folded, terms)).items() if count > 1]
    assert repeated == []
    for term in terms:
        assert term == term.strip()
        assert 2 <= len(term) <= 30
        assert re.fullmatch(r"[a-z0-9]+( [a-z0-9]+)*|[\u4e00-\u9fff]+", term), term


def test_chinese_characters_are_in_gb2312(keywords: list[Keyword]) -> None:
    """The 6,763 simplified characters of everyday print: fonts, fast typing and small tokenizers have them."""
    "".join(keyword.term for keyword in keywords).encode("gb2312")


def test_demo_list_is_a_subset_over_all_categories(keywords: list[Keyword], demo_keywords: list[Keyword]) -> None:
    assert set(demo_keywords) <= set(keywords)
    assert {keyword.category for keyword in demo_keywords} == set(CATEGORY_SIZES)
    latin = sum(keyword.term.isascii() for keyword in demo_keywords)
    assert 0.25 <= latin / len(demo_keywords) <= 0.4


def test_demo_terms_are_new_to_the_nano_model(demo_keywords: list[Keyword]) -> None:
    everyday = {*vocabulary.mandarin_words(), *vocabulary.english_words()}
    assert {keyword.term for keyword in demo_keywords} & everyday == set()


@pytest.mark.parametrize(("name", "prefix", "least"), [("seeds.jsonl", "seed", 110), ("test.jsonl", "test", 200)])
def test_sentences_are_well_formed_and_unique(name: str, prefix: str, least: int) -> None:
    rows = read_sentences(name)
    assert len(rows) >= least
    assert [row["id"] for row in rows] == [f"{prefix}-{number:03d}" for number in range(1, len(rows) + 1)]
    texts = [row["text"] for row in rows]
    assert len({folded(PUNCTUATION.sub("", text)) for text in texts}) == len(texts)
    for row in rows:
        assert set(row) == {"id", "text"}
        assert 8 <= len(row["text"]) <= 40
        assert row["text"].endswith("。")


def test_every_seed_mentions_a_keyword(matcher: KeywordMatcher) -> None:
    texts = [row["text"] for row in read_sentences("seeds.jsonl")]
    assert [text for text in texts if not matcher.find(text)] == []


def test_demo_seeds_are_the_seeds_that_mention_demo_terms_only(
    matcher: KeywordMatcher, demo_keywords: list[Keyword]
) -> None:
    demo_terms = {keyword.term for keyword in demo_keywords}
    within_demo = [
        row
        for row in read_sentences("seeds.jsonl")
        if {mention.term for mention in matcher.find(row["text"])} <= demo_terms
    ]
    assert read_sentences("seeds_demo.jsonl") == within_demo
    assert len(within_demo) >= 60


def test_the_houses_part_the_demo_and_share_what_belongs_to_no_brand(demo_keywords: list[Keyword]) -> None:
    demo, seeds = KeywordMatcher(demo_keywords), read_sentences("seeds_demo.jsonl")
    lists = [load_keywords(LUXURY / f"house_{house}_keywords.csv") for house in "ab"]
    assert set(lists[0]) | set(lists[1]) == set(demo_keywords)
    assert {keyword.category for keyword in set(lists[0]) & set(lists[1])} == {"TYPE", "SOCIAL"}
    for house, keywords in zip("ab", lists, strict=True):
        terms = {keyword.term for keyword in keywords}
        theirs = [row for row in seeds if {mention.term for mention in demo.find(row["text"])} <= terms]
        assert read_sentences(f"house_{house}_seeds.jsonl") == theirs


def test_the_real_notes_are_the_demo_seeds_and_none_of_the_tests() -> None:
    real = {row["text"] for row in read_sentences("real_notes.jsonl")}
    assert real == {row["text"] for row in read_sentences("seeds_demo.jsonl")}
    assert not real & {row["text"] for name in ("test", "test_notes") for row in read_sentences(f"{name}.jsonl")}


@pytest.mark.parametrize("name", ["seeds.jsonl", "seeds_demo.jsonl"])
def test_seeds_mention_every_category(name: str, matcher: KeywordMatcher) -> None:
    texts = [row["text"] for row in read_sentences(name)]
    assert {mention.category for text in texts for mention in matcher.find(text)} == set(CATEGORY_SIZES)


def test_test_sentences_mention_one_or_two_demo_terms(matcher: KeywordMatcher, demo_keywords: list[Keyword]) -> None:
    demo_terms = {keyword.term for keyword in demo_keywords}
    counts: Counter[str] = Counter()
    for row in read_sentences("test.jsonl"):
        terms = [mention.term for mention in matcher.find(row["text"])]
        assert 1 <= len(terms) <= 2, row
        assert set(terms) <= demo_terms, row
        counts.update(terms)
    assert {term for term in demo_terms if counts[term] < 2} == set()


def test_test_set_shares_no_sentence_pattern_or_clause_with_the_seeds(matcher: KeywordMatcher) -> None:
    seeds = [row["text"] for row in read_sentences("seeds.jsonl")]
    tests = [row["text"] for row in read_sentences("test.jsonl")]
    assert set(seeds) & set(tests) == set()
    seed_patterns = {part for text in seeds for part in patterns(text, matcher)}
    shared = {text: both for text in tests if (both := patterns(text, matcher) & seed_patterns)}
    assert shared == {}


def test_products_use_the_keyword_list(keywords: list[Keyword]) -> None:
    products = read_csv("products.csv")
    assert len(products) >= 120
    assert len({product["sku"] for product in products}) == len(products)
    categories = {keyword.term: keyword.category for keyword in keywords}
    extra = {row["label"]: row["category"] for row in read_csv("portrait_labels.csv")}
    for product in products:
        assert list(product) == ["sku", *PRODUCT_COLUMNS]
        assert all(product[column] for column in ("brand", "type", "colour", "price_band")), product
        for column, category in PRODUCT_COLUMNS.items():
            for value in filter(None, product[column].split("|")):
                known = categories.get(value) or extra.get(value)
                assert known == category, (product["sku"], column, value)


def test_portrait_labels_agree_with_the_keywords_and_the_products(
    keywords: list[Keyword], demo_keywords: list[Keyword]
) -> None:
    settings = load_config(ROOT / "configs/portraits.yaml", [], TranscriptSettings)
    categories = (*settings.keywords.categories, *settings.portraits.categories)
    labels = load_labels(LUXURY / "portrait_labels.csv", categories)
    assert {label.category for label in labels} >= set(settings.portraits.categories)
    values = [
        Keyword(value, category)
        for product in read_csv("products.csv")
        for column, category in PRODUCT_COLUMNS.items()
        for value in filter(None, product[column].split("|"))
    ]
    for terms in (keywords, demo_keywords):
        spelled = Vocabulary.of(labels, terms, values).label("路易威登")
        assert spelled is not None
        assert spelled.name == "louis vuitton"


def test_every_demo_note_says_something_about_its_customer(demo_keywords: list[Keyword]) -> None:
    settings = load_config(ROOT / "configs/portraits.yaml", [], TranscriptSettings)
    labels = load_labels(
        LUXURY / "portrait_labels.csv", (*settings.keywords.categories, *settings.portraits.categories)
    )
    vocabulary = Vocabulary.of(labels, demo_keywords)
    found = [len(vocabulary.find(row["text"])) for row in read_sentences("test_notes.jsonl")]
    assert min(found) >= 1
    assert sum(found) / len(found) > 3


def test_pronunciations_respell_known_terms_and_every_digit(keywords: list[Keyword]) -> None:
    spoken = {row["term"]: row["spoken"] for row in read_csv("pronunciations.csv")}
    terms = {keyword.term for keyword in keywords}
    assert len(spoken) == len(read_csv("pronunciations.csv"))
    assert set(spoken) <= terms
    assert {term for term in terms if re.search(r"\d", term)} <= set(spoken)
    for term, reading in spoken.items():
        assert reading == reading.strip() != term
        assert re.fullmatch(r"[a-z ]*[零一二三四五六七八九十]*[a-z ]*", reading), (term, reading)
