"""The prompt that asks a writer for one pseudo-label (first paper, section 6.3).

s labelled sentences show the style, i keywords of each category show the vocabulary; a category with fewer than
i keywords is shown whole. Everything is drawn from the row's id, so a prompt can be made again at any time.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from harken.errors import HarkenError
from harken.keywords import Keyword
from harken.records import generator

Sampling = Literal["paper", "coverage"]

INSTRUCTION = (
    "你为一家零售企业的语音识别系统写训练文本。参考句是店员口述的顾客备注，请模仿它们的语气、长度和结构，"
    "用下列关键词中的一到三个，写一句新的备注。关键词必须原样出现。只输出这一句，不要解释。"
)


@dataclass(frozen=True)
class SeedSentence:
    """One labelled sentence whose style is imitated."""

    id: str
    text: str


@dataclass(frozen=True)
class Prompt:
    """What a writer is given: the sentences, the keywords on offer by category, and the text an LLM would read."""

    sentences: tuple[SeedSentence, ...]
    keywords: Mapping[str, tuple[str, ...]]
    text: str


class PromptBuilder:
    """Draws sentences and keywords for row ``index`` and renders the prompt.

    ``sampling="paper"`` draws i keywords of a category uniformly for every row: a 3-term category is in every
    prompt and a 408-term one in 2% each. ``"coverage"`` walks through a seeded shuffle of the category instead,
    i terms a row, so that all of its terms are shown nearly equally often after any number of rows.

    Raises:
        HarkenError: no sentences or no keywords.
    """

    def __init__(
        self,
        sentences: Sequence[SeedSentence],
        keywords: Sequence[Keyword],
        *,
        sentences_per_prompt: int,
        keywords_per_category: int,
        sampling: Sampling,
        seed: int,
    ) -> None:
        if not sentences:
            raise HarkenError("seed sentences", 0, "Give at least one labelled sentence.")
        if not keywords:
            raise HarkenError("keywords", 0, "Give at least one keyword.")
        self.sentences = list(sentences)
        self.sentences_per_prompt = sentences_per_prompt
        self.keywords_per_category = keywords_per_category
        self.sampling = sampling
        self.seed = seed
        self.categories: dict[str, list[str]] = {}
        for keyword in keywords:
            self.categories.setdefault(keyword.category, []).append(keyword.term)
        # Neighbouring rows walk the same lap, and two laps of a category where they meet.
        self._lap = functools.lru_cache(maxsize=2 * len(self.categories))(self._shuffled)

    def build(self, identity: str, index: int) -> Prompt:
        """The prompt of the row with this id and index."""
        draw = generator(identity, "sentences")
        sentences = tuple(draw.sample(self.sentences, min(self.sentences_per_prompt, len(self.sentences))))
        keywords = {category: self._offer(category, identity, index) for category in self.categories}
        return Prompt(sentences, keywords, render(sentences, keywords))

    def _offer(self, category: str, identity: str, index: int) -> tuple[str, ...]:
        terms = self.categories[category]
        size = min(self.keywords_per_category, len(terms))
        if self.sampling == "paper":
            return tuple(generator(identity, "keywords", category).sample(terms, size))
        offered: list[str] = []
        position = index * size
        while len(offered) < size:
            lap, place = divmod(position, len(terms))
            term = self._lap(category, lap)[place]
            # At the seam of two laps a term may come twice; the next free one takes its place.
            if term not in offered:
                offered.append(term)
            position += 1
        return tuple(offered)

    def _shuffled(self, category: str, lap: int) -> list[str]:
        terms = list(self.categories[category])
        generator("coverage", self.seed, category, lap).shuffle(terms)
        return terms


def render(sentences: Sequence[SeedSentence], keywords: Mapping[str, Sequence[str]]) -> str:
    """The prompt as text: sentences joined by newlines, the keywords of a category by commas."""
    lists = "\n".join(f"{category}: {', '.join(terms)}" for category, terms in keywords.items())
    examples = "\n".join(sentence.text for sentence in sentences)
    return f"{INSTRUCTION}\n\n参考句：\n{examples}\n\n关键词：\n{lists}\n"
