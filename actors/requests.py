"""The request that asks an LLM for several labels at once, one for each row.

With sampling 'paper' (first paper, section 6.3) it shows s sentences, joined by newlines, and i keywords of each
category, joined by commas, and the model chooses. With sampling 'coverage' it shows the sentences and names the
terms that each label has to use. The paper prints its prompt as a picture; the words here are our own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from actors.answers import EXAMPLE
from actors.prompts import PromptBuilder, SeedSentence
from actors.schedule import KeywordSchedule, Targets
from harken.keywords import Keyword
from harken.records import Row, generator
from harken.settings import LabelSettings


@dataclass(frozen=True)
class Wording:
    """A prompt's own words in one language."""

    instruction: str
    sentences: str
    offers: str
    targets: str
    between: str
    closing: str


WORDINGS = {
    "zh": Wording(
        instruction=(
            "你为一家零售企业的语音识别系统写训练文本。参考句是店员口述的顾客备注，请模仿它们的语气、长度和结构写新的备注，"
            "每句都是口头说得出来的一整句话，内容不要雷同。关键词必须原样出现，不得翻译、拆开或改写。"
        ),
        sentences="参考句：",
        offers="关键词（每句自然地用上一到三个）：",
        targets="各句必须用到的关键词：",
        between="、",
        closing="写 {count} 句。只用 JSON 回答，不要解释，keywords 列出该句用到的关键词，格式为：",
    ),
    "en": Wording(
        instruction=(
            "You write training text for a company's speech recogniser. The sample sentences were spoken by its staff: "
            "write new ones of the same tone, length and structure. Each is one sentence that can be spoken aloud, and "
            "no two say the same. Keywords must appear exactly as given, never translated, split or reworded."
        ),
        sentences="Sample sentences:",
        offers="Keywords (use one to three in each sentence, naturally):",
        targets="Keywords that each sentence must use:",
        between=", ",
        closing=(
            "Write {count}. Answer in JSON only, without explanations; keywords lists the keywords of the sentence. "
            "The format is:"
        ),
    ),
}


@dataclass(frozen=True)
class LabelRequest:
    """What is sent, exactly, and what it asks of each row."""

    text: str
    sentences: tuple[SeedSentence, ...]
    targets: tuple[Targets, ...]


class RequestBuilder:
    """Builds requests from the rows' ids and indices alone, so that they can be made again at any time."""

    def __init__(
        self, labels: LabelSettings, sentences: Sequence[SeedSentence], keywords: Sequence[Keyword], seed: int
    ) -> None:
        assert labels.llm is not None
        self.wording = WORDINGS[labels.llm.language]
        self.instruction = labels.llm.instruction or self.wording.instruction
        self.sampling = labels.sampling
        self.schedule = KeywordSchedule(keywords, *labels.llm.keywords_per_label, seed)
        self.prompts = PromptBuilder(
            sentences,
            keywords,
            sentences_per_prompt=labels.sentences_per_prompt,
            keywords_per_category=labels.keywords_per_category,
            sampling=labels.sampling,
            seed=seed,
        )

    def build(self, rows: Sequence[Row], ask: int) -> LabelRequest:
        """The request for ``rows`` (``{"id", "index"[, "round", "targets"]}``), asked for the ``ask``-th time."""
        identity = f"{rows[0]['id']}/{rows[0].get('round', 0)}/{ask}"
        if self.sampling == "paper":
            prompt = self.prompts.build(identity, rows[0]["index"])
            return LabelRequest(
                self._render(prompt.sentences, self._offers(prompt.keywords), len(rows)),
                prompt.sentences,
                ((),) * len(rows),
            )
        known = self.prompts.sentences
        draw = generator(identity, "sentences")
        sentences = tuple(draw.sample(known, min(self.prompts.sentences_per_prompt, len(known))))
        targets = tuple(self.targets(row) for row in rows)
        return LabelRequest(self._render(sentences, self._targets(targets), len(rows)), sentences, targets)

    def targets(self, row: Row) -> Targets:
        """The terms that the label of a row has to use; none where the model may choose."""
        if self.sampling == "paper":
            return ()
        if row.get("targets"):
            return tuple(Keyword(target["term"], target["category"]) for target in row["targets"])
        return self.schedule.targets(row["index"])

    def _offers(self, keywords: Mapping[str, Sequence[str]]) -> list[str]:
        lists = [f"{category}: {', '.join(terms)}" for category, terms in keywords.items()]
        return [self.wording.offers, *lists]

    def _targets(self, targets: Sequence[Targets]) -> list[str]:
        lines = [
            f"{number}. {self.wording.between.join(f'{keyword.term} ({keyword.category})' for keyword in asked)}"
            for number, asked in enumerate(targets, start=1)
        ]
        return [self.wording.targets, *lines]

    def _render(self, sentences: Sequence[SeedSentence], keywords: Sequence[str], count: int) -> str:
        paragraphs = [
            [self.instruction],
            [self.wording.sentences, *(sentence.text for sentence in sentences)],
            keywords,
            [self.wording.closing.format(count=count), EXAMPLE],
        ]
        return "\n\n".join("\n".join(lines) for lines in paragraphs) + "\n"
