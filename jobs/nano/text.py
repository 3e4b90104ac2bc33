"""Sentences for the nano model: customer-note clauses, everyday sentences, random word sequences, pseudo-terms.

A pseudo-term is an invented name (random characters or an invented Latin word). It stands where a brand or product
would stand, teaches open spelling, and, since nothing in the language says how to spell it, gives the model a reason
to copy from its prompt.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from harken.cardinals import cardinal
from jobs.nano.vocabulary import (
    CLAUSES,
    ENGLISH,
    ENGLISH_SENTENCES,
    EVERYDAY,
    MIXED,
    OPENINGS,
    TRANSLITERATION,
    WORDS,
    english_words,
)

# The share of sentences in each split, by hash of the text: no sentence is in two splits, whatever the seed.
SPLIT_BUCKETS = {"nano-test": range(2), "general-test": range(2, 4), "general-train": range(4, 8)}
_BUCKETS = 100
# What held-out general sentences are made of, whatever a training run mixes.
GENERAL_ENGLISH = 0.15
GENERAL_SEQUENCES = 0.25
LONGEST_MANDARIN = 32

_SURNAMES = "王李张刘陈杨赵黄周吴林何高马罗郑"
_MEASURES = "个件条款双只块"
_DIGITS = "零一二三四五六七八九"
_NUMBERS = tuple("一两三四五六七八九十")
# Every character that a sentence can hold besides the words of the vocabulary.
TEMPLATE_CHARACTERS = "".join(
    [*OPENINGS, *CLAUSES, *EVERYDAY, _SURNAMES, _MEASURES, _DIGITS, "十百千万两包表鞋链系列款"]
)
_ONSETS = (*"bcdfghjklmnprstvz", "br", "cl", "dr", "fl", "gr", "pr", "st", "tr", "ch", "sh")
_VOWELS = (*"aeiouaeio", "ai", "ou", "ee", "ia")
_CODAS = ["", "", "", "n", "l", "r", "s", "t", "x", "nt", "ck", "lle", "tte"]
_NAME_HEADS = ("包", "表", "鞋", "链", "系列", "款")


@dataclass(frozen=True)
class Sentence:
    """A line of text, its language tag ("zh" or "en"), and the names in it that only a prompt can spell."""

    text: str
    language: str
    terms: tuple[str, ...] = ()


def split_of(text: str) -> str:
    """The split a sentence belongs to: one of SPLIT_BUCKETS or "nano-train"."""
    bucket = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") % _BUCKETS
    return next((name for name, buckets in SPLIT_BUCKETS.items() if bucket in buckets), "nano-train")


class DomainFilter:
    """Knows the domain list and says whether a text holds one of its terms (Latin ones as whole words)."""

    def __init__(self, terms: Sequence[str]) -> None:
        han = [term for term in terms if not term.isascii()]
        latin = [term.lower() for term in terms if term.isascii()]
        self.terms = frozenset(term.lower() for term in terms)
        patterns = [re.escape(term.lower()) for term in han]
        patterns += [rf"(?<![a-z0-9]){re.escape(term)}(?![a-z0-9])" for term in latin]
        self._pattern = re.compile("|".join(sorted(patterns, key=len, reverse=True)) or r"(?!)")

    def holds_term(self, text: str) -> bool:
        return self._pattern.search(text.lower()) is not None


class Writer:
    """Writes sentences; every choice comes from the `random.Random` that is passed in.

    `characters` is the inventory that pseudo-terms are drawn from; no sentence holds a term of `domain`.
    """

    def __init__(self, domain: DomainFilter, characters: Sequence[str]) -> None:
        self.domain = domain
        self.characters = tuple(characters)
        self.words = {
            name: tuple(word for word in words if not domain.holds_term(word)) for name, words in WORDS.items()
        }
        self.all_words = tuple(dict.fromkeys(word for words in self.words.values() for word in words))
        self.english = {
            name: tuple(word for word in words if not domain.holds_term(word)) for name, words in ENGLISH.items()
        }
        self.mixed = tuple(word for word in MIXED if not domain.holds_term(word))
        self._known_latin = frozenset(english_words())
        subjects = re.findall(r"(?:the|my|his|her|our) \w+|\b(?:he|she)\b", " ".join(ENGLISH["subject"]))
        self._closed_slots = {
            "number": _NUMBERS,
            "measure": tuple(_MEASURES),
            "surname": tuple(_SURNAMES),
            "subject": tuple(dict.fromkeys(subjects)),
        }

    def pseudo_mandarin(self, rng: random.Random) -> str:
        while True:
            source = TRANSLITERATION if rng.random() < 0.5 else self.characters
            name = "".join(rng.choice(source) for _ in range(rng.choice((2, 2, 3, 3, 4))))
            if rng.random() < 0.2:
                name = name[:3] + rng.choice(_NAME_HEADS)
            if not self.domain.holds_term(name):
                return name

    def pseudo_latin(self, rng: random.Random) -> str:
        while True:
            count = rng.choice((1, 1, 1, 2))
            words = []
            for _ in range(count):
                syllables = rng.choice((1, 2, 2, 3)) if count == 1 else rng.choice((1, 2))
                word = "".join(rng.choice(_ONSETS) + rng.choice(_VOWELS) for _ in range(syllables))
                words.append(word + rng.choice(_CODAS))
            if rng.random() < 0.05:
                words.append(str(rng.choice((20, 25, 30, 35, 45, 50, 55))))
            name = " ".join(words)
            if not self.domain.holds_term(name) and not set(words) & self._known_latin:
                return name

    def pseudo_term(self, rng: random.Random, latin: float = 0.4) -> str:
        return self.pseudo_latin(rng) if rng.random() < latin else self.pseudo_mandarin(rng)

    def sentence(
        self,
        rng: random.Random,
        pseudo: float = 0.0,
        english: float = GENERAL_ENGLISH,
        short: bool = False,
        sequences: float = GENERAL_SEQUENCES,
    ) -> Sentence:
        """One sentence; with probability `pseudo` its name slots hold pseudo-terms, else general words only.

        `english` is the share of English sentences, `sequences` that of random word sequences among Mandarin ones.
        """
        while True:
            use_pseudo = rng.random() < pseudo
            if rng.random() < english:
                text, terms = self._english(rng, use_pseudo, short)
                language, longest = "en", 60
            else:
                text, terms = self._mandarin(rng, use_pseudo, short, sequences)
                language, longest = "zh", LONGEST_MANDARIN
            if len(text) <= longest and not self.domain.holds_term(text):
                return Sentence(text, language, tuple(terms))

    def general(self, rng: random.Random, split: str) -> Sentence:
        """A full-length sentence of general words only that belongs to `split`."""
        while True:
            sentence = self.sentence(rng)
            if split_of(sentence.text) == split:
                return sentence

    def with_term(self, rng: random.Random, term: str) -> Sentence:
        """A Mandarin customer note that holds `term` once (the rest is general words)."""
        clauses = [clause for clause in CLAUSES if clause.count("{term}") == 1]
        while True:
            parts = [self._fill(rng, rng.choice(OPENINGS), False, [], self.words)]
            parts.append(self._fill(rng, rng.choice(clauses), False, [], self.words, fixed_term=term))
            parts.append(self._fill(rng, rng.choice(CLAUSES), False, [], self.words))
            text = "，".join(parts) + "。"
            if len(text) <= LONGEST_MANDARIN + len(term):
                return Sentence(text, "zh", (term,))

    def _mandarin(self, rng: random.Random, pseudo: bool, short: bool, sequences: float) -> tuple[str, list[str]]:
        terms: list[str] = []
        kind = rng.random()
        if short:
            if kind < 0.5:
                return self._word_sequence(rng, rng.choice((1, 2, 2, 3)), pseudo, terms), terms
            return self._fill(rng, rng.choice(CLAUSES), pseudo, terms, self.words), terms
        if kind < (1 - sequences) * 11 / 15:
            count = rng.choice((1, 1, 2, 2, 3))
            clauses = [rng.choice(OPENINGS)] if rng.random() < 0.8 else []
            clauses += rng.sample(CLAUSES, count)
            parts = [self._fill(rng, clause, pseudo, terms, self.words) for clause in clauses]
            return "，".join(parts) + "。", terms
        if kind < 1 - sequences:
            return self._fill(rng, rng.choice(EVERYDAY), pseudo, terms, self.words) + "。", terms
        parts = [self._word_sequence(rng, rng.randint(2, 6), pseudo, terms) for _ in range(rng.choice((1, 1, 2)))]
        return "，".join(parts) + "。", terms

    def _word_sequence(self, rng: random.Random, length: int, pseudo: bool, terms: list[str]) -> str:
        text = ""
        place = rng.randrange(length)
        for position in range(length):
            if pseudo and position == place:
                terms.append(self.pseudo_term(rng))
                word = terms[-1]
            elif rng.random() < 0.06:
                word = rng.choice(self.mixed)
            else:
                word = rng.choice(self.all_words)
            text += (" " if text[-1:].isascii() and text and word[0].isascii() else "") + word
        return text

    def _fill(
        self,
        rng: random.Random,
        template: str,
        pseudo: bool,
        terms: list[str],
        words: dict[str, tuple[str, ...]],
        fixed_term: str | None = None,
        latin: float = 0.4,
    ) -> str:
        """`template` with its slots filled; pseudo-terms that were used are appended to `terms`."""

        def value(match: re.Match[str]) -> str:
            slot = match.group(1)
            if slot == "term" and fixed_term:
                return fixed_term
            if slot == "term" and pseudo:
                terms.append(self.pseudo_term(rng, latin))
                return terms[-1]
            if slot == "term" and words is self.english:
                return rng.choice(words["noun"])
            if slot == "term":
                return rng.choice(self.mixed) if rng.random() < 0.2 else rng.choice(words["product"])
            if slot == "money":
                amount = rng.choice((1, 2, 3, 5, 8, 10, 15, 20, 30, 50)) * rng.choice((100, 1000))
                return cardinal(amount) + rng.choice(("", "元"))
            return rng.choice(self._closed_slots.get(slot) or words[slot])

        return re.sub(r"\{(\w+)\}", value, template)

    def _english(self, rng: random.Random, pseudo: bool, short: bool) -> tuple[str, list[str]]:
        terms: list[str] = []
        flat = [word for words in self.english.values() for word in words if word != "i"]
        if short or rng.random() < 0.3:
            words = [rng.choice(flat) for _ in range(rng.randint(1, 3) if short else rng.randint(3, 6))]
            if pseudo:
                terms.append(self.pseudo_latin(rng))
                words[rng.randrange(len(words))] = terms[-1]
            return " ".join(words) + ("" if short else "."), terms
        return self._fill(rng, rng.choice(ENGLISH_SENTENCES), pseudo, terms, self.english, latin=1.0) + ".", terms
