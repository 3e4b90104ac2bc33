"""The keyword inventory of a set of texts: which terms its spotter is asked for, and where the texts say them.

Terms belong to a language and are looked for in its texts alone: French *main* is not the English word. In Chinese
texts accents are optional, as they stand on foreign names (hermes is Hermès); elsewhere they make another word.
"""

from __future__ import annotations

import heapq
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from harken.corpora.acl6060 import tagged_terms
from harken.corpora.corpus import text_lines
from harken.errors import HarkenError
from harken.inventory_settings import InventorySettings
from harken.keywords import Keyword, KeywordMatcher, Mention, load_keywords, matched_form
from harken.metrics.segmentation import tag_words
from harken.records import Row, fingerprint
from harken.text import APOSTROPHES, HAN, is_han, join_han, simplify

_NOUNS = frozenset({"n", "nr", "nrt", "nrfg", "ns", "nt", "nz"})
_NUMERAL = "m"
# Primary subtags of Chinese as it is written in Han characters.
_CHINESE = frozenset({"zh", "cmn", "yue"})
_UNSPACED = frozenset({"ja", "km", "lo", "my", "th"})
_ELIDED_LETTERS = 2
_LETTER = f"[^\\W\\d_{HAN}]"
_WORD = re.compile(f"{_LETTER}+(?:['‐-]{_LETTER}+)*")
_TO_APOSTROPHE = str.maketrans(dict.fromkeys(APOSTROPHES, "'"))


@dataclass(frozen=True, order=True)
class InventoryTerm:
    """A term, its language, and how often the texts say it (0: a given term that they do not)."""

    term: str
    language: str
    count: int


def content_words(texts: Sequence[str], language: str, settings: InventorySettings) -> list[InventoryTerm]:
    """The inventory of texts in one language, sorted by term; drawn by seed and term where settings limit it.

    Of Chinese the nouns and proper names by jieba, and the words of letters; of other languages the words that are
    neither most common nor too short. A term is spelled as the texts spell it most often.

    Raises:
        HarkenError: no word remains, the criterion does not fit the language, or the given glossary cannot be read.
    """
    if settings.given is None:
        found = _found(texts, language, settings)
    else:
        spellings = read_terms(settings.given, accents=not _is_chinese(language))
        given = [InventoryTerm(term, language, 0) for term in spellings]
        matcher = term_matchers(given)[language]
        counts = Counter(mention.term for text in texts for mention in matcher.find_all(text))
        found = [replace(term, count=counts[term.term]) for term in given]
    if settings.terms is not None:
        found = heapq.nsmallest(
            settings.terms, found, key=lambda term: fingerprint("inventory", settings.seed, language, term.term)
        )
    return sorted(found)


def without(terms: Iterable[InventoryTerm], others: Iterable[InventoryTerm]) -> list[InventoryTerm]:
    """The terms that are not among ``others`` in whatever spelling of case, width, spacing or accents."""
    seen = {matched_form(other.term) for other in others}
    return [term for term in terms if matched_form(term.term) not in seen]


def term_matchers(terms: Iterable[InventoryTerm]) -> dict[str, KeywordMatcher]:
    """A matcher for each language, whose mentions have the language as category."""
    spoken: dict[str, list[Keyword]] = defaultdict(list)
    for term in terms:
        spoken[term.language].append(Keyword(term.term, term.language))
    return {
        language: KeywordMatcher(keywords, accents=not _is_chinese(language)) for language, keywords in spoken.items()
    }


def all_mentions(rows: Iterable[Row], matchers: Mapping[str, KeywordMatcher]) -> list[list[Mention]]:
    """For each row (``text``, ``language``) every mention of a term of its language, by position.

    Words of letters are mentioned whole (*tasks* does not say *task*), Chinese terms anywhere (手提包 says 提包 too).
    """
    found = []
    for row in rows:
        matcher = matchers.get(row["language"])
        found.append([] if matcher is None else matcher.find_all(row["text"]))
    return found


def read_terms(path: Path, accents: bool = False) -> list[str]:
    """The terms of a glossary, each once in whatever spelling, in order; its name tells its form.

    ``.csv`` is a keyword list (`harken.keywords.load_keywords`), ``*.tagged.*`` a text of ACL 60/60 whose terms
    stand in brackets, any other file holds one term a line.

    Args:
        accents: two spellings that differ in an accent are two terms.

    Raises:
        HarkenError: the file is missing, damaged or empty, or a term has no letter, digit or ideograph.
    """
    if path.suffix.lower() == ".csv":
        return [keyword.term for keyword in load_keywords(path, accents=accents)]
    terms = tagged_terms(path) if ".tagged." in path.name else [line for _, line in text_lines(path, "glossary")]
    spellings: dict[str, str] = {}
    for term in terms:
        form = matched_form(term, accents)
        if not form:
            raise HarkenError(f"glossary {path}", term, "It has no letter, digit or ideograph: delete the line.")
        spellings.setdefault(form, term)
    if not spellings:
        raise HarkenError("glossary", str(path), "It holds no terms: write one a line.")
    return list(spellings.values())


def _found(texts: Sequence[str], language: str, settings: InventorySettings) -> list[InventoryTerm]:
    chinese = _is_chinese(language)
    criterion = settings.criterion or ("part of speech" if chinese else "frequency")
    if criterion == "part of speech" and not chinese:
        remedy = f"There is no tagger for {language!r}: leave the criterion out or set it to 'frequency'."
        raise HarkenError("inventory criterion", criterion, remedy)
    if _primary(language) in _UNSPACED:
        raise HarkenError("inventory language", language, "It puts no spaces between words: give a glossary (given).")
    by_frequency = criterion == "frequency"
    words = Counter(word for text in texts for word in _words(text, chinese, nouns=not by_frequency))
    forms: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for word, count in words.items():
        forms[matched_form(word, accents=not chinese)].append((count, word))
    # Of two spellings that are as common, the one in lower case.
    terms = [
        InventoryTerm(max(spellings)[1], language, sum(count for count, _ in spellings)) for spellings in forms.values()
    ]
    terms.sort(key=lambda term: (-term.count, term.term))
    rare = terms[settings.most_common :] if by_frequency else terms
    kept = [term for term in rare if term.count >= settings.least_count and _fits(term.term, settings)]
    if not kept:
        remedy = f"None of {len(terms)} words remains: lower most_common, least_count or the least length."
        raise HarkenError("keyword inventory", language, remedy)
    return kept


def _words(text: str, chinese: bool, nouns: bool) -> Iterator[str]:
    text = unicodedata.normalize("NFKC" if chinese else "NFC", text.translate(_TO_APOSTROPHE))
    if chinese:
        text = join_han(simplify(text))
        for word, part in tag_words(text):
            if all(map(is_han, word)) and (part in _NOUNS if nouns else part != _NUMERAL):
                yield word
    for word in _WORD.findall(text):
        yield _without_elision(word)


def _without_elision(word: str) -> str:
    """What stands alone in a word with an apostrophe: homme in *l'homme*, prada in *prada's*; *couldn't* is one."""
    head, _, tail = word.partition("'")
    if not tail:
        return word
    if len(head) <= _ELIDED_LETTERS or len(tail) > len("'ve"):
        return _without_elision(tail)
    return head if tail.lower() == "s" else word


def _fits(term: str, settings: InventorySettings) -> bool:
    if is_han(term[0]):
        return settings.least_ideographs <= len(term) <= settings.most_ideographs
    return settings.least_letters <= sum(map(str.isalpha, term)) <= settings.most_letters


def _is_chinese(language: str) -> bool:
    return _primary(language) in _CHINESE


def _primary(language: str) -> str:
    return language.lower().replace("_", "-").partition("-")[0]
