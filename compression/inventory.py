"""The terms of a set with their recordings, the utterances they were said in, and what is no clear negative."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from harken.errors import HarkenError

Phonemes = tuple[str, ...]


class Cut(NamedTuple):
    """A natural recording of a term, by the name a `FrameSource` knows, and the utterance it was cut from."""

    name: str
    utterance: str


@dataclass(frozen=True)
class Term:
    """A term and its recordings; `phonemes` is empty where they are not known."""

    text: str
    phonemes: Phonemes = ()
    synthesized: tuple[str, ...] = ()
    natural: tuple[Cut, ...] = ()


@dataclass(frozen=True)
class Utterance:
    """An utterance by the name a `FrameSource` knows.

    `said`: the terms that it says. `held`: every term found in its text, also inside a longer one. `units`: the
    phonemes of each word or Han character; empty where they are not known.
    """

    name: str
    said: frozenset[str]
    held: frozenset[str] = frozenset()
    units: tuple[Phonemes, ...] = ()


class Inventory:
    """Terms by their text and by their sound.

    Raises:
        HarkenError: a term that is there twice.
    """

    def __init__(self, terms: Iterable[Term]) -> None:
        self.terms: dict[str, Term] = {}
        self._alike: dict[Phonemes, list[str]] = {}
        for term in terms:
            if term.text in self.terms:
                raise HarkenError("term", term.text, "It is in the inventory twice: give all its recordings at once.")
            self.terms[term.text] = term
            if term.phonemes:
                self._alike.setdefault(term.phonemes, []).append(term.text)
        self._longest = max(map(len, self._alike), default=0)

    def unclear(self, utterance: Utterance) -> frozenset[str]:
        """The terms that must not count as absent from an utterance.

        They are said, found in its text, or sound like a said term or like a run of whole units: "I scream" holds
        the sound of "ice cream". "Tasks" does not hold "task", whose end lies inside a word: the label is the text's,
        and telling the two apart is what the spotter has to learn.

        Raises:
            HarkenError: a said term that the inventory lacks.
        """
        unknown = sorted(utterance.said - self.terms.keys())
        if unknown:
            raise HarkenError(
                f"term said in {utterance.name}", unknown[0], "The inventory lacks it: give all terms of the set."
            )
        sounds = {self.terms[term].phonemes for term in utterance.said}
        sounds.update(_runs(utterance.units, self._longest))
        alike = (term for sound in sounds for term in self._alike.get(sound, ()))
        return utterance.said | utterance.held | frozenset(alike)


def _runs(units: Sequence[Phonemes], longest: int) -> Iterator[Phonemes]:
    """The phonemes of every run of whole units, up to `longest` phonemes."""
    for start in range(len(units)):
        run: Phonemes = ()
        for unit in units[start:]:
            run += unit
            if len(run) > longest:
                break
            yield run
