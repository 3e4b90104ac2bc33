"""The embedded label writer: a seeded slot filler that needs no network.

It imitates the seed sentences literally. The keyword mentions of a seed are slots; a slot is filled with a
keyword of the same category from the prompt. Clauses of the prompt's sentences are recombined, so that a few
seeds give many sentences.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from actors.prompts import Prompt, PromptBuilder, SeedSentence
from harken.keywords import Keyword, KeywordMatcher
from harken.records import FAILED, OK, Row, generator

LABEL_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("index", pa.int64()),
        ("text", pa.string()),
        ("keywords", pa.list_(pa.struct([("term", pa.string()), ("category", pa.string())]))),
        ("sentences", pa.list_(pa.string())),
        ("prompt", pa.string()),
        ("backend", pa.string()),
        ("model", pa.string()),
        ("tokens_in", pa.int64()),
        ("tokens_out", pa.int64()),
        ("cost", pa.float64()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)

BACKEND = "slots"
# Clauses a note may have: one or two around the clause with the keyword, as in the paper's Figure 4.
MOST_CLAUSES = 4
CLAUSE_END = re.compile(r"[,，。;；!！?？]+")


def join(left: str, right: str) -> str:
    """Concatenate, with a space where two Latin words or numbers would run together."""
    touching = bool(left and right) and all(edge.isascii() and edge.isalnum() for edge in (left[-1], right[0]))
    return f"{left} {right}" if touching else left + right


@dataclass(frozen=True)
class Clause:
    """A clause of a seed sentence as alternating literal text and slots (categories)."""

    pieces: tuple[str, ...]
    slots: tuple[str, ...]


class SlotWriter:
    """Rows ``{"id", "index"}`` in, label rows (`LABEL_SCHEMA`) out.

    A row fails with the cause 'no keyword' when none of its prompt's sentences has a slot that the prompt can
    fill, and with 'keyword lost' when a claimed term can no longer be found in the text.
    """

    def __init__(
        self,
        sentences: Sequence[SeedSentence],
        keywords: Sequence[Keyword],
        *,
        sentences_per_prompt: int,
        keywords_per_category: int,
        sampling: str,
        seed: int,
    ) -> None:
        self.builder = PromptBuilder(
            sentences,
            keywords,
            sentences_per_prompt=sentences_per_prompt,
            keywords_per_category=keywords_per_category,
            sampling=sampling,  # type: ignore[arg-type]
            seed=seed,
        )
        self.matcher = KeywordMatcher(keywords)
        self.clauses = {sentence.id: self._parse(sentence.text) for sentence in sentences}

    def __call__(self, rows: list[Row]) -> list[Row]:
        return [self._write(row) for row in rows]

    def _write(self, row: Row) -> Row:
        prompt = self.builder.build(row["id"], row["index"])
        text, claimed = self._fill(row["id"], prompt)
        found = {mention.term for mention in self.matcher.find(text)}
        error = None
        if not claimed:
            error = "no keyword: no sentence of the prompt has a slot that its keywords can fill"
        elif missing := [term for term, _ in claimed if term not in found]:
            error = f"keyword lost: {', '.join(missing)}"
        return {
            "id": row["id"],
            "index": row["index"],
            "text": text,
            "keywords": [{"term": term, "category": category} for term, category in claimed],
            "sentences": [sentence.id for sentence in prompt.sentences],
            "prompt": prompt.text,
            "backend": BACKEND,
            "model": BACKEND,
            "tokens_in": 0,
            "tokens_out": 0,
            "cost": 0.0,
            "status": FAILED if error else OK,
            "error": error,
        }

    def _fill(self, identity: str, prompt: Prompt) -> tuple[str, list[tuple[str, str]]]:
        draw = generator(identity, "writer")
        pool = [clause for sentence in prompt.sentences for clause in self.clauses[sentence.id]]
        plain = [clause for clause in pool if not clause.slots]
        slotted = [clause for clause in pool if clause.slots and all(slot in prompt.keywords for slot in clause.slots)]
        if not slotted:
            return "", []
        chosen = draw.sample(slotted, min(len(slotted), draw.choice((1, 1, 2))))
        room = min(len(plain), draw.randint(1, MOST_CLAUSES - len(chosen)))
        # A note opens with who the customer is; the seeds' plain clauses keep their order of appearance.
        opening = sorted(draw.sample(range(len(plain)), room))
        before = draw.randint(0, len(opening))
        ordered = [plain[i] for i in opening[:before]] + chosen + [plain[i] for i in opening[before:]]
        claimed: list[tuple[str, str]] = []
        texts = []
        for clause in ordered:
            text = clause.pieces[0]
            for slot, following in zip(clause.slots, clause.pieces[1:], strict=True):
                fresh = [term for term in prompt.keywords[slot] if (term, slot) not in claimed]
                term = draw.choice(fresh or list(prompt.keywords[slot]))
                if (term, slot) not in claimed:
                    claimed.append((term, slot))
                text = join(join(text, term), following)
            texts.append(text)
        return "，".join(texts) + "。", claimed

    def _parse(self, sentence: str) -> list[Clause]:
        clauses = []
        start = 0
        mentions = self.matcher.find(sentence)
        for boundary in [*CLAUSE_END.finditer(sentence), None]:
            end = boundary.start() if boundary else len(sentence)
            inside = [mention for mention in mentions if start <= mention.start and mention.end <= end]
            cuts = [start, *(edge for mention in inside for edge in (mention.start, mention.end)), end]
            pieces = tuple(sentence[cuts[i] : cuts[i + 1]] for i in range(0, len(cuts), 2))
            if any(pieces) or inside:
                clauses.append(Clause(pieces, tuple(mention.category for mention in inside)))
            start = boundary.end() if boundary else end
        return clauses
