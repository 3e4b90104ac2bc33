"""The label writer that asks an LLM: many requests in flight, several labels in each, every one inspected."""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from actors.answers import RESPONSE_FORMATS, read_labels
from actors.budget import Allowance, Budget, LocalAllowance
from actors.completion import AskError, Completions
from actors.credentials import api_key
from actors.inspection import LabelInspector
from actors.ledger import Answer, Ledger
from actors.prompts import SeedSentence
from actors.requests import LabelRequest, RequestBuilder
from actors.schedule import Targets
from harken.keywords import Keyword, KeywordMatcher
from harken.records import FAILED, OK, Row, fingerprint
from harken.settings import LabelSettings

BACKEND = "llm"
# The frame of an answer around its labels.
FRAME_TOKENS = 64


class LlmWriter:
    """Rows ``{"id", "index"[, "round", "targets"]}`` in, label rows (`actors.writer.LABEL_SCHEMA`) out.

    Consecutive rows share a request. A label that is missing from the answer or does not pass the inspection is
    asked for again, together with the others that did not, `asks` times in all; then its row fails with the last
    cause and keeps the last text. A request that got no answer after all retries fails its rows with the cause
    ('rate limited', 'timeout', 'spend cap', ...). ``tokens_in``, ``tokens_out`` and ``cost`` of a row are its equal
    share of every answer it was part of, so that they add up to the ledger's.

    Raises:
        HarkenError: the key's variable is not set, or the endpoint rejects the key or the model, or does not answer.
    """

    def __init__(
        self,
        labels: LabelSettings,
        sentences: Sequence[SeedSentence],
        keywords: Sequence[Keyword],
        *,
        seed: int,
        ledger: Path,
        allowance: Allowance | None = None,
    ) -> None:
        assert labels.llm is not None
        self.llm = labels.llm
        self.builder = RequestBuilder(labels, sentences, keywords, seed)
        self.inspector = LabelInspector(
            KeywordMatcher(keywords),
            (sentence.text for sentence in sentences),
            *self.llm.characters,
            self.builder.instruction,
        )
        self.ledger = ledger
        self.allowance = allowance or LocalAllowance(Budget.of(self.llm.limits, spent=0.0))
        self.api_key = api_key(self.llm.api_key_env, "labels.llm.api_key_env")
        # Kept over shards: an endpoint that is down may not get enough requests from one of them to be found out.
        self.failures_in_a_row = 0

    def __call__(self, rows: list[Row]) -> list[Row]:
        return asyncio.run(self._write(rows)) if rows else []

    async def _write(self, rows: list[Row]) -> list[Row]:
        size = self.llm.labels_per_request
        groups = [[_Draft(row) for row in rows[start : start + size]] for start in range(0, len(rows), size)]
        response_format = RESPONSE_FORMATS[self.llm.answer_format]
        with Ledger(self.ledger / f"{rows[0]['id']}.jsonl") as ledger:
            async with Completions(self.llm, self.allowance, self.api_key, response_format) as completions:
                completions.failures_in_a_row = self.failures_in_a_row
                try:
                    await _all([self._write_group(group, completions, ledger) for group in groups])
                finally:
                    self.failures_in_a_row = completions.failures_in_a_row
                if completions.fatal:
                    raise completions.fatal
        return [draft.finish(self.llm.model) for group in groups for draft in group]

    async def _write_group(self, drafts: list["_Draft"], completions: Completions, ledger: Ledger) -> None:
        waiting = drafts
        for ask in range(self.llm.asks):
            request = self.builder.build([draft.row for draft in waiting], ask)
            key = fingerprint(request.text, ask)
            max_tokens = FRAME_TOKENS + self.llm.tokens_per_label * len(waiting)
            try:
                answer = await completions.ask(key, request.text, max_tokens, ledger)
            except AskError as failure:
                for draft in waiting:
                    draft.error = str(failure)
                return
            self._distribute(answer, request, waiting)
            waiting = [draft for draft in waiting if draft.error]
            if not waiting:
                return

    def _distribute(self, answer: Answer, request: LabelRequest, drafts: list["_Draft"]) -> None:
        labels = read_labels(answer.content)
        for place, draft in enumerate(drafts):
            draft.charge(answer, request, place, len(drafts))
            targets: Targets = request.targets[place]
            label = labels.get(place + 1)
            if label is None:
                draft.error = self._absence(answer, place + 1, bool(labels))
                continue
            draft.text = label.text.strip()
            draft.keywords, draft.error = self.inspector.inspect(draft.text, label.keywords, targets)

    @staticmethod
    def _absence(answer: Answer, number: int, others: bool) -> str:
        if answer.finish in ("refusal", "content_filter"):
            return f"refusal: {answer.finish} {answer.content[:60]}".rstrip()
        if answer.finish == "length":
            return f"truncated answer: it broke off before label {number}"
        if others:
            return f"no label: the answer holds none with number {number}"
        return f"malformed answer: {answer.content[:60]!r}"


@dataclass
class _Draft:
    """One row on its way to a label."""

    row: Row
    text: str = ""
    keywords: list[dict[str, str]] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    prompt: str = ""
    model: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    error: str | None = "no label: it was not asked for"

    def charge(self, answer: Answer, request: LabelRequest, place: int, sharers: int) -> None:
        """Take this row's share of an answer; shares of tokens are whole and add up."""
        self.tokens_in += _share(answer.tokens_in, place, sharers)
        self.tokens_out += _share(answer.tokens_out, place, sharers)
        self.cost += answer.cost / sharers
        self.model = answer.model
        self.prompt = request.text
        self.sentences = [sentence.id for sentence in request.sentences]

    def finish(self, model: str) -> Row:
        return {
            "id": self.row["id"],
            "index": self.row["index"],
            "text": self.text,
            "keywords": [] if self.error else self.keywords,
            "sentences": self.sentences,
            "prompt": self.prompt,
            "backend": BACKEND,
            "model": self.model or model,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "cost": self.cost,
            "status": FAILED if self.error else OK,
            "error": self.error,
        }


def _share(total: int, place: int, sharers: int) -> int:
    return total // sharers + (place < total % sharers)


async def _all(tasks: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run to the end of all; one that fails must not cancel requests that are being paid for."""
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, BaseException):
            raise result
