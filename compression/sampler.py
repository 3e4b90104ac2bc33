"""The pairs a spotter is trained on, drawn anew for every epoch, and the pairs it is judged on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from random import Random

from compression.inventory import Cut, Inventory, Term, Utterance
from compression.neighbours import TRIES, TermNeighbours
from compression.pairs import Pair
from harken.records import generator
from harken.sampler_settings import SamplerSettings

NEGATIVES = ("random", "prefix", "suffix", "phonemes", "containment")
# What takes the place of a kind that has no candidate: the hardest first.
_INSTEAD = ("phonemes", "prefix", "suffix", "random")


class PairSampler:
    """Draws the pairs of every epoch, utterance by utterance.

    Negatives are those of the second paper's code (a random term, neighbours in the sorted list and in the list sorted
    backwards) and two that are harder: neighbours by sound, and terms that begin or end with a said one. A term that
    `Inventory.unclear` names is never one, and no recording is paired with the utterance it was cut from.

    `made` counts the pairs of the epoch that was drawn last: ``said`` and the kinds of negatives by name,
    ``prefix for containment`` where one took the place of another that had no candidate, and ``nothing for prefix``.

    Raises:
        HarkenError: an utterance says a term that the inventory lacks.
    """

    def __init__(self, utterances: Sequence[Utterance], inventory: Inventory, settings: SamplerSettings) -> None:
        self.utterances, self.inventory, self.settings = utterances, inventory, settings
        self.made: Counter[str] = Counter()
        self._neighbours = TermNeighbours(
            list(inventory.terms.values()), settings.sigma, settings.phoneme_distance, settings.seed
        )
        self._texts = list(inventory.terms)
        self._unclear = [inventory.unclear(utterance) for utterance in utterances]

    def epoch(self, number: int) -> list[Pair]:
        """The pairs of an epoch, by utterance: the same for the same number, whenever and wherever it is asked."""
        self.made = Counter()
        pairs: list[Pair] = []
        for utterance, unclear in zip(self.utterances, self._unclear, strict=True):
            draw = generator("spotter pairs", self.settings.seed, number, utterance.name)
            # Sets of strings have another order in every process.
            said = sorted(utterance.said)
            draw.shuffle(said)
            pairs += self._positives(utterance, said, draw)
            pairs += self._negatives(utterance, said, unclear, draw)
        return pairs

    def _positives(self, utterance: Utterance, said: Sequence[str], draw: Random) -> list[Pair]:
        """Said terms in turn; a term that is drawn again usually comes by another recording."""
        names = [
            self._recording(said[place % len(said)], utterance, draw)
            for place in range(self.settings.positives if said else 0)
        ]
        pairs = [Pair(name, utterance.name, True) for name in dict.fromkeys(names) if name is not None]
        self.made["said"] += len(pairs)
        return pairs

    def _negatives(
        self, utterance: Utterance, said: Sequence[str], unclear: frozenset[str], draw: Random
    ) -> list[Pair]:
        pairs = []
        taken = set(unclear)
        for kind in NEGATIVES:
            for _ in range(getattr(self.settings, kind)):
                for tried in (kind, *(other for other in _INSTEAD if other != kind)):
                    name = self._absent(tried, utterance, said, taken, draw)
                    if name is not None:
                        pairs.append(Pair(name, utterance.name, False))
                        self.made[kind if tried == kind else f"{tried} for {kind}"] += 1
                        break
                else:
                    self.made[f"nothing for {kind}"] += 1
        return pairs

    def _absent(
        self, kind: str, utterance: Utterance, said: Sequence[str], taken: set[str], draw: Random
    ) -> str | None:
        """The recording of a term of this kind that is not `taken`, to which it is then added."""
        for term in self._candidates(kind, said, draw):
            if term not in taken:
                name = self._recording(term, utterance, draw)
                if name is not None:
                    taken.add(term)
                    return name
        return None

    def _candidates(self, kind: str, said: Sequence[str], draw: Random) -> Iterator[str]:
        if kind == "random":
            for _ in range(TRIES):
                yield draw.choice(self._texts)
        else:
            for anchor in draw.sample(said, len(said)):
                yield from self._neighbours.candidates(kind, anchor, draw)

    def _recording(self, text: str, utterance: Utterance, draw: Random) -> str | None:
        term = self.inventory.terms[text]
        natural = tuple(cut.name for cut in term.natural if cut.utterance != utterance.name)
        first, second = natural, term.synthesized
        if draw.random() >= self.settings.natural_share:
            first, second = second, first
        names = first or second
        return draw.choice(names) if names else None


def all_pairs(
    utterances: Sequence[Utterance], inventory: Inventory, natural: bool = False, seed: int = 0
) -> tuple[list[Pair], list[str]]:
    """Every utterance with every term of the inventory, labelled by the texts; and the term of each pair.

    A term has one recording throughout, drawn by its text: a synthesized one, as a glossary is enrolled, or with
    `natural` one cut from another utterance; the other kind where there is none.

    Left out are pairs that no label can be given to: a term that the text holds without being listed as said (inside
    a longer one), one that sounds like what was said (`Inventory.unclear`), and terms without a recording.

    Raises:
        HarkenError: an utterance says a term that the inventory lacks.
    """
    choices = {text: _preferred(term, natural, seed) for text, term in inventory.terms.items()}
    pairs: list[Pair] = []
    terms: list[str] = []
    for utterance in utterances:
        unclear = inventory.unclear(utterance) - utterance.said
        for text, recordings in choices.items():
            name = next((cut.name for cut in recordings if cut.utterance != utterance.name), None)
            if name is not None and text not in unclear:
                pairs.append(Pair(name, utterance.name, text in utterance.said))
                terms.append(text)
    return pairs, terms


def _preferred(term: Term, natural: bool, seed: int) -> list[Cut]:
    """All recordings of a term, the one to choose first; a synthesized one is cut from no utterance."""
    draw = generator("judged recordings", seed, term.text)
    synthesized = [Cut(name, "") for name in draw.sample(term.synthesized, len(term.synthesized))]
    cuts = draw.sample(term.natural, len(term.natural))
    return cuts + synthesized if natural else synthesized + cuts
