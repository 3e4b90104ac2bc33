import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from harken.errors import HarkenError
from harken.inventory import InventoryTerm, all_mentions, content_words, read_terms, term_matchers, without
from harken.inventory_settings import InventorySettings
from tests.harken.corpora.recordings import write_lines

CHINESE = [
    "这位客人昨天在上海买了一个香奈儿的手提包",
    "她喜欢 Chanel 和 hermès 的丝巾，也喜欢手提包。",
    "今天天气很好，我们去北京大学散步",
    "她花了二十万元",
]
ENGLISH = [
    "the tailor sewed a coat for the captain",
    "the captain's daughter couldn't find the tailor",
    "The Tailor of Gloucester and the mice",
    "mice sewed the waistcoat of the mayor in 1903",
]
PORTUGUESE = [
    "a avó e o avô foram à praia",
    "disse-lhe que o avô dormia na praia",
    "o coração da menina batia",
]
FRENCH = ["l'homme et l'eau d’aujourd'hui", "qu'il l'aime", "un homme"]


def frequency(**settings: object) -> InventorySettings:
    return InventorySettings.model_validate({"most_common": 0} | settings)


def terms(*found: tuple[str, int], language: str = "zh") -> list[InventoryTerm]:
    return [InventoryTerm(term, language, count) for term, count in found]


def test_of_chinese_the_nouns_and_names_and_the_words_of_letters() -> None:
    found = content_words(CHINESE, "zh", InventorySettings())
    spelled = {term.term: term.count for term in found}
    assert spelled["手提包"] == 2
    assert {"上海", "北京大学", "丝巾", "客人", "Chanel", "hermès"} <= set(spelled)
    # Verbs, pronouns, numbers.
    assert not {"喜欢", "我们", "很好", "二十万", "二十万元", "她"} & set(spelled)
    assert found == sorted(found)


def test_traditional_characters_and_spaces_between_them_change_nothing() -> None:
    plain = content_words(["她喜欢丝巾和手提包"], "zh", InventorySettings())
    assert content_words(["她 喜歡 絲巾 和 手提包"], "cmn", InventorySettings()) == [
        replace(term, language="cmn") for term in plain
    ]


def test_chinese_by_frequency_is_any_word_but_numbers() -> None:
    found = content_words(CHINESE, "zh", frequency(criterion="frequency"))
    assert {"喜欢", "手提包", "昨天"} <= {term.term for term in found}
    assert "二十万元" not in {term.term for term in found}
    most_common = content_words(CHINESE, "zh", frequency(criterion="frequency", most_common=5))
    assert "喜欢" not in {term.term for term in most_common}


def test_of_other_languages_the_words_that_are_not_most_common() -> None:
    found = content_words(ENGLISH, "en", InventorySettings(most_common=3))
    # Left out: the, tailor and another that stands there twice.
    assert {"tailor", "the"} & {term.term.lower() for term in found} == set()
    assert {"Gloucester", "waistcoat", "daughter", "mayor", "couldn't"} <= {term.term for term in found}
    everything = {term.term: term.count for term in content_words(ENGLISH, "en", frequency(least_letters=1))}
    assert everything["the"] == 8
    assert everything["tailor"] == 3
    assert everything["captain"] == 2
    assert not any(map(str.isdigit, "".join(everything)))


def test_a_term_is_spelled_as_the_texts_spell_it() -> None:
    texts = ["BERT and bert", "BERT models", "Models", "a Cafe\u0301", "café", "Café"]
    assert content_words(texts, "en", frequency()) == terms(("BERT", 3), ("Café", 2 + 1), ("models", 2), language="en")


def test_accents_make_words_but_elisions_do_not() -> None:
    portuguese = {term.term: term.count for term in content_words(PORTUGUESE, "pt", frequency(least_letters=3))}
    assert (portuguese["avó"], portuguese["avô"]) == (1, 2)
    assert {"coração", "disse-lhe"} <= set(portuguese)
    french = {term.term: term.count for term in content_words(FRENCH, "fr", frequency(least_letters=3))}
    assert french == {"homme": 2, "eau": 1, "aujourd'hui": 1, "aime": 1}


def test_lengths_and_counts() -> None:
    assert content_words(ENGLISH, "en", frequency(least_count=3, least_letters=2)) == terms(
        ("tailor", 3), ("the", 8), language="en"
    )
    lengths = {len(term.term) for term in content_words(ENGLISH, "en", frequency(least_letters=5, most_letters=6))}
    assert lengths == {5, 6}
    assert {len(term.term) for term in content_words(CHINESE[:1], "zh", frequency(least_ideographs=3))} == {3}


def test_terms_are_drawn_by_seed_and_more_hold_the_fewer() -> None:
    texts = [f"word{chr(97 + a)}{chr(97 + b)}" for a in range(10) for b in range(10)]
    five = content_words(texts, "en", frequency(terms=5))
    assert len(five) == 5
    assert five == content_words(list(reversed(texts)), "en", frequency(terms=5))
    assert set(five) < set(content_words(texts, "en", frequency(terms=50)))
    assert five != content_words(texts, "en", frequency(terms=5, seed=1))
    assert len(content_words(texts, "en", frequency(terms=1000))) == 100


@pytest.mark.parametrize(
    ("language", "settings", "message"),
    [
        ("pt", {"criterion": "part of speech"}, "no tagger for 'pt'.*'frequency'"),
        ("en", {"most_common": 1000}, "None of 17 words.*lower most_common"),
        ("ja", {}, "no spaces between words.*given"),
    ],
)
def test_what_cannot_be_found_is_an_error(language: str, settings: dict, message: str) -> None:
    with pytest.raises(HarkenError, match=message):
        content_words(ENGLISH, language, InventorySettings(**settings))


def test_settings_that_contradict_each_other() -> None:
    with pytest.raises(ValidationError, match="above most_letters"):
        InventorySettings(least_letters=9, most_letters=8)
    with pytest.raises(ValidationError, match="exclude each other"):
        InventorySettings(given=Path("a.txt"), criterion="frequency")


def test_a_given_glossary_is_taken_as_it_is(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "hotword.txt", "手提包", "詹妮弗奥赛尔", "Hermes", "HERMES")
    found = content_words(CHINESE, "zh", InventorySettings(given=path))
    assert found == sorted(terms(("手提包", 2), ("詹妮弗奥赛尔", 0), ("Hermes", 1)))
    assert len(content_words(CHINESE, "zh", InventorySettings(given=path, terms=2))) == 2


def test_the_forms_of_a_glossary(tmp_path: Path) -> None:
    bags = write_lines(tmp_path / "a.csv", "term,category", "Speedy 20,BAG", "speedy20,BAG")
    assert read_terms(bags) == ["Speedy 20"]
    avo = ["avó", "avô", "AVÔ"]
    assert read_terms(write_lines(tmp_path / "a.txt", *avo)) == ["avó"]
    assert read_terms(tmp_path / "a.txt", accents=True) == ["avó", "avô"]
    grandparents = write_lines(tmp_path / "a.csv", "term,category", *(f"{term},X" for term in avo))
    assert read_terms(grandparents, accents=True) == ["avó", "avô"]
    tagged = write_lines(tmp_path / "ACL.6060.eval.tagged.en-xx.en.txt", "our [paper] on [Few-Shot] [Paper]")
    assert read_terms(tagged) == ["paper", "Few-Shot"]
    for lines, message in (([], "holds no terms"), (["good", "—"], "'—'. It has no letter")):
        with pytest.raises(HarkenError, match=message):
            read_terms(write_lines(tmp_path / "b.txt", *lines))
    with pytest.raises(HarkenError, match="does not exist"):
        read_terms(tmp_path / "none.txt")


def test_unseen_terms_are_unseen_in_any_spelling() -> None:
    unseen = without(
        terms(("手提包", 1), ("speedy 20", 1), ("avô", 1), ("丝巾", 1), ("task", 1)),
        terms(("Speedy20", 1), ("絲巾", 2), ("AVÓ", 1), ("tasks", 1)),
    )
    assert [term.term for term in unseen] == ["手提包", "task"]


def mentioned(text: str, language: str, *spelled: str) -> list[tuple[str, str]]:
    matchers = term_matchers(InventoryTerm(term, language, 1) for term in spelled)
    (mentions,) = all_mentions([{"text": text, "language": language}], matchers)
    assert {mention.category for mention in mentions} <= {language}
    return [(mention.term, text[mention.start : mention.end]) for mention in mentions]


def test_every_mention_counts_also_inside_another() -> None:
    assert mentioned("喜欢手提包", "zh", "手提包", "提包", "手提", "包包") == [
        ("手提", "手提"),
        ("手提包", "手提包"),
        ("提包", "提包"),
    ]
    assert mentioned("a guarda-chuva da avó", "pt", "guarda-chuva", "chuva", "avó", "vó") == [
        ("guarda-chuva", "guarda-chuva"),
        ("chuva", "chuva"),
        ("avó", "avó"),
    ]


def test_words_of_letters_are_mentioned_whole() -> None:
    assert mentioned("Tasks and a task-list, multitask", "en", "task") == [("task", "task")]
    assert mentioned("l'homme", "fr", "homme", "om") == [("homme", "homme")]
    assert mentioned("喜欢prada的包", "zh", "prada", "rada") == [("prada", "prada")]


def test_accents_are_optional_in_chinese_texts_only() -> None:
    assert mentioned("喜欢hermes", "zh", "Hermès") == [("Hermès", "hermes")]
    assert mentioned("o avô", "pt", "avó", "avo") == []
    assert mentioned("o avo\u0302", "pt", "avô") == [("avô", "avo\u0302")]
    assert mentioned("kąt i kat", "pl", "kąt") == [("kąt", "kąt")]


def test_terms_are_looked_for_in_texts_of_their_language() -> None:
    matchers = term_matchers([InventoryTerm("main", "fr", 1), InventoryTerm("street", "en", 1)])
    rows = [{"text": "main street", "language": language} for language in ("en", "fr", "de")]
    assert [[mention.term for mention in found] for found in all_mentions(rows, matchers)] == [["street"], ["main"], []]


def test_found_terms_are_mentioned_as_often_as_they_count() -> None:
    for texts, language in ((ENGLISH, "en"), (PORTUGUESE, "pt"), (FRENCH, "fr"), (CHINESE, "zh")):
        found = content_words(texts, language, frequency())
        rows = [{"text": text, "language": language} for text in texts]
        said = [mention.term for mentions in all_mentions(rows, term_matchers(found)) for mention in mentions]
        for term in found:
            assert said.count(term.term) >= term.count, term


def test_the_tagger_is_silent_and_not_loaded_before_it_is_needed() -> None:
    code = (
        "import sys; from harken.inventory import content_words, InventorySettings;"
        "assert not any(name.startswith('jieba') for name in sys.modules);"
        "content_words(['她喜欢手提包'], 'zh', InventorySettings())"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True)
    assert (run.returncode, run.stdout, run.stderr) == (0, b"", b"")
