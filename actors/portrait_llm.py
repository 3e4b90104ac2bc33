"""Labels found by an LLM: several transcripts a request, every label one of the known ones and quoted from its text."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from actors.answers import Numbered, read_items
from actors.budget import Allowance, Budget, LocalAllowance
from actors.completion import AskError, Completions
from actors.credentials import api_key
from actors.ledger import Answer, Ledger
from actors.portraitist import Portraitist
from harken.portrait_settings import PortraitLlmSettings
from harken.portraits.mentions import LLM, Mention
from harken.portraits.products import Catalogue
from harken.portraits.vocabulary import Vocabulary
from harken.records import Row, fingerprint

# The frame of an answer around its notes.
FRAME_TOKENS = 64


class Finding(BaseModel):
    """One label of one note; ``wanted`` is false where the customer does not want it."""

    model_config = ConfigDict(extra="forbid")

    category: str
    label: str
    quote: str
    wanted: bool


class Note(Numbered):
    """The labels of one note."""

    labels: list[Finding]


@dataclass(frozen=True)
class Wording:
    """A prompt's own words in one language."""

    instruction: str
    labels: str
    notes: str
    closing: str


EXAMPLE = (
    '{"notes": [{"number": 1, "labels": [{"category": "...", "label": "...", "quote": "...", "wanted": true}]}, '
    '{"number": 2, "labels": []}]}'
)

WORDINGS = {
    "zh": Wording(
        instruction=(
            "下面是店员口述、由语音识别转写的顾客备注，可能有同音错字。请找出每条备注里说到的标签。"
            "只能用给出的标签和它的类别，没有对应标签的内容不要写。quote 是备注里说到它的原文，一字不改（错字也照抄）。"
            "顾客明确不要、不喜欢的，wanted 为 false，例如“不要黑色”；反问、猜测和“要不要”不算。"
        ),
        labels="标签（括号里是同一标签的其他说法）：",
        notes="备注：",
        closing="只用 JSON 回答，不要解释，每条备注都要有，没有标签就给空列表，格式为：",
    ),
    "en": Wording(
        instruction=(
            "These notes about customers were dictated by shop staff and transcribed by a speech recogniser, which may "
            "have misspelled names. Find the labels that each note mentions. Use only the labels given, in their "
            "categories, and leave out what has no label. quote is the note's own words for it, copied letter by "
            "letter, errors included. wanted is false for what the customer does not want, as in 'nothing in black'; "
            "a question refuses nothing."
        ),
        labels="Labels (other names of the same label in parentheses):",
        notes="Notes:",
        closing="Answer in JSON only, without explanations; every note appears, with an empty list if it has no label:",
    ),
}


class LlmExtractor:
    """Asks an endpoint which labels the transcripts mention.

    A note that is missing from the answer, or has a label that is not known or a quote that is not in it, is asked
    about again, `asks` times in all; then its row fails with the last cause ('no answer', 'malformed answer', 'unknown
    label', 'no quote', or what the request failed with). Nothing is looked up instead.

    Raises (from `extract`):
        HarkenError: the endpoint rejects the key or the model, or does not answer.
    """

    def __init__(
        self, vocabulary: Vocabulary, llm: PortraitLlmSettings, ledger: Path, allowance: Allowance | None = None
    ) -> None:
        self.vocabulary, self.llm, self.ledger = vocabulary, llm, ledger
        self.allowance = allowance or LocalAllowance(Budget.of(llm.limits, spent=0.0))
        self.api_key = api_key(llm.api_key_env, "portraits.llm.api_key_env")
        # Kept over shards: an endpoint that is down may not get enough requests from one of them to be found out.
        self.failures_in_a_row = 0
        self.prompt = _prompt(vocabulary, llm)
        self.response_format = response_format(vocabulary, llm.answer_format)

    def extract(self, rows: Sequence[Row], texts: Sequence[str]) -> list[list[Mention] | str]:
        # A note is one line of the prompt; the spans stay as they are.
        readings = [_Reading(row["id"], text.replace("\n", " ")) for row, text in zip(rows, texts, strict=True)]
        spoken = [reading for reading in readings if reading.text.strip()]
        if spoken:
            asyncio.run(self._read(spoken))
        return [reading.error or reading.mentions for reading in readings]

    async def _read(self, readings: Sequence["_Reading"]) -> None:
        size = self.llm.notes_per_request
        groups = [readings[start : start + size] for start in range(0, len(readings), size)]
        with Ledger(self.ledger / f"{readings[0].id}.jsonl") as ledger:
            async with Completions(self.llm, self.allowance, self.api_key, self.response_format) as completions:
                completions.failures_in_a_row = self.failures_in_a_row
                asked = [self._read_group(group, completions, ledger) for group in groups]
                # One that fails must not cancel requests that are being paid for.
                results = await asyncio.gather(*asked, return_exceptions=True)
                self.failures_in_a_row = completions.failures_in_a_row
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def _read_group(self, waiting: Sequence["_Reading"], completions: Completions, ledger: Ledger) -> None:
        for ask in range(self.llm.asks):
            prompt = self.prompt.format(notes="\n".join(f"{n}. {note.text}" for n, note in enumerate(waiting, start=1)))
            most = FRAME_TOKENS + self.llm.tokens_per_note * len(waiting)
            try:
                answer = await completions.ask(fingerprint(prompt, ask), prompt, most, ledger)
            except AskError as failure:
                for reading in waiting:
                    reading.error = str(failure)
                return
            notes = read_items(answer.content, "notes", Note)
            for number, reading in enumerate(waiting, start=1):
                self._take(reading, notes.get(number), answer)
            waiting = [reading for reading in waiting if reading.error]
            if not waiting:
                return

    def _take(self, reading: "_Reading", note: Note | None, answer: Answer) -> None:
        if note is None:
            kind = "truncated answer" if answer.finish == "length" else "malformed answer"
            reading.error = f"{kind}: it holds no such note"
            return
        reading.mentions, reading.error = [], None
        for finding in note.labels:
            label = self.vocabulary.label(finding.label)
            start = reading.text.find(finding.quote)
            if label is None or label.category != finding.category:
                reading.error = f"unknown label: {finding.category} {finding.label}"
            elif not finding.quote or start < 0:
                reading.error = f"no quote: {finding.quote!r} for {finding.label}"
            else:
                end, refused = start + len(finding.quote), not finding.wanted
                mention = Mention(label.category, label.name, finding.quote, start, end, LLM, refused)
                reading.mentions.append(mention)
        reading.mentions.sort(key=lambda mention: mention.start)


@dataclass
class _Reading:
    """One row on its way to its labels."""

    id: str
    text: str
    mentions: list[Mention] = field(default_factory=list)
    error: str | None = None


def llm_portraitist(
    vocabulary: Vocabulary, catalogue: Catalogue, options: Mapping[str, Any], **extraction: Any
) -> Portraitist:
    """A `Portraitist` with an `LlmExtractor`; ``options`` and ``extraction`` are further arguments of the two."""
    return Portraitist(LlmExtractor(vocabulary, **extraction), catalogue, **options)


def response_format(vocabulary: Vocabulary, answer_format: str) -> dict[str, Any] | None:
    """What the endpoint is told about its answer; 'json_schema' names every known label of every category."""
    if answer_format == "json_object":
        return {"type": "json_object"}
    if answer_format == "text":
        return None
    findings = [
        _object(
            category={"const": category},
            label={"enum": [label.name for label in vocabulary.labels if label.category == category]},
            quote={"type": "string"},
            wanted={"type": "boolean"},
        )
        for category in vocabulary.categories
    ]
    note = _object(number={"type": "integer"}, labels={"type": "array", "items": {"anyOf": findings}})
    schema = _object(notes={"type": "array", "items": note})
    return {"type": "json_schema", "json_schema": {"name": "portraits", "strict": True, "schema": schema}}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _prompt(vocabulary: Vocabulary, llm: PortraitLlmSettings) -> str:
    """The request's text with a place ``{notes}``."""
    wording = WORDINGS[llm.language]
    known = []
    for category in vocabulary.categories:
        names = [
            label.name + (f" ({', '.join(label.variants)})" if label.variants else "")
            for label in vocabulary.labels
            if label.category == category
        ]
        known.append(f"{category}: {'; '.join(names)}")
    paragraphs = [
        [llm.instruction or wording.instruction],
        [wording.labels, *known],
        [wording.closing, EXAMPLE],
        [wording.notes],
    ]
    fixed = "\n\n".join("\n".join(lines) for lines in paragraphs)
    return fixed.replace("{", "{{").replace("}", "}}") + "\n{notes}\n"
