"""How far down a stage's list the terms are that an utterance says: recall of shortlists, by glossary size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from compression.inventory import Inventory, Phonemes, Utterance
from compression.search_model import SearchModel
from compression.stage_scores import Enrolments, StageScores, score_stages

SHORTLISTS = (1, 10, 100, 500)


@dataclass(frozen=True)
class Glossary:
    """Enrolments of known terms, then of made-up ones. `texts`: of the known ones, one enrolment each."""

    inventory: Inventory
    texts: tuple[str, ...]
    enrolments: Enrolments

    def sizes(self, wanted: Sequence[int]) -> tuple[int, ...]:
        """The known terms alone, and each wanted size that the made-up ones suffice for."""
        return tuple(sorted({len(self.texts), *(size for size in wanted if len(self.texts) < size <= len(self))}))

    def sounds(self) -> list[Phonemes | str]:
        """What known terms are compared by: their phonemes, or their spelling where those are not known."""
        return [self.inventory.terms[text].phonemes or text for text in self.texts]

    def __len__(self) -> int:
        return len(self.enrolments.vectors)


@dataclass(frozen=True)
class SaidTerm:
    """A term that an utterance says and has an enrolment: `own` are the rows that sound like it, `others` (n,) is true
    for those that it competes with: neither own nor unclear in the utterance."""

    utterance: str
    text: str
    own: Tensor
    others: Tensor


def said_terms(glossary: Glossary, utterance: Utterance) -> list[SaidTerm]:
    """The terms of an utterance that can be found."""
    sounds = glossary.sounds()
    rows = {text: row for row, text in enumerate(glossary.texts)}
    others = torch.ones(len(glossary), dtype=torch.bool)
    others[[rows[text] for text in glossary.inventory.unclear(utterance) if text in rows]] = False
    found = []
    for text in sorted(utterance.said & rows.keys()):
        own = torch.tensor([row for row, sound in enumerate(sounds) if sound == sounds[rows[text]]])
        found.append(SaidTerm(utterance.name, text, own, others))
    return found


def ranks(scores: Tensor, said: SaidTerm, sizes: Sequence[int]) -> list[int]:
    """The place of a said term, 1 the first, among the first so many enrolments; equals stand before it."""
    above = (scores >= scores[said.own].max()) & said.others
    return [1 + int(above[:size].sum()) for size in sizes]


def scored_utterances(
    model: SearchModel, glossary: Glossary, utterances: Sequence[tuple[Utterance, Tensor]]
) -> Iterator[tuple[Utterance, list[SaidTerm], StageScores]]:
    """Each utterance with its said terms and all enrolments' scores; those that say nothing enrolled are left out."""
    for utterance, frames in utterances:
        said = said_terms(glossary, utterance)
        if said:
            yield utterance, said, score_stages(model, glossary.enrolments, frames)
