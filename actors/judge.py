"""Judges synthetic speech by what the un-tuned model heard of it: rows with hypotheses in, verdicts out.

Hearing is the transcriber's work. A verdict is arithmetic on text, so another threshold needs no decoding.
"""

from collections.abc import Iterable

import pyarrow as pa

from harken.loops import find_loop
from harken.metrics.error_rates import character_error_rate
from harken.records import FAILED, Row
from harken.text import bare

KEEP = "keep"
REJECT = "reject"

VERDICT_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("cer", pa.float64()),
        ("loop", pa.bool_()),
        ("characters_per_second", pa.float64()),
        ("verdict", pa.string()),
        ("reason", pa.string()),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)


class Judge:
    """Rows ``{"id", "text", "hypothesis", "truncated", "duration", "status", "error"}`` in, `VERDICT_SCHEMA` out.

    A row is kept when its CER (normalised text, spaces not counted) is at most `threshold` (tau in the first
    paper, section 5.1), the hypothesis neither loops nor was cut off, and its text is none of `test_texts`.
    `reason` says why a row was rejected, its cause before the first colon: ``cer: 0.42 > 0.15``,
    ``loop: 装 x 11``, ``unfinished: ...``, ``test sentence: ...``, or the error of a row that failed earlier.
    """

    def __init__(self, threshold: float, test_texts: Iterable[str] = ()) -> None:
        self.threshold = threshold
        self.test_texts = {bare(text) for text in test_texts}

    def __call__(self, rows: list[Row]) -> list[Row]:
        return [self.judge(row) for row in rows]

    def judge(self, row: Row) -> Row:
        """The verdict on one row; depends on the row, the threshold and the test texts only."""
        verdict: Row = dict.fromkeys(VERDICT_SCHEMA.names)
        verdict |= {"id": row["id"], "status": row["status"], "error": row["error"], "verdict": REJECT}
        if row["status"] == FAILED:
            return verdict | {"reason": row["error"]}
        text, hypothesis = row["text"], row["hypothesis"] or ""
        cer = character_error_rate(text, hypothesis)
        if cer is None:
            return verdict | {"reason": "empty label: it holds no character that can be heard"}
        loop = find_loop(hypothesis, text)
        verdict |= {
            "cer": cer,
            "loop": loop is not None,
            "characters_per_second": len(bare(text)) / row["duration"] if row["duration"] else None,
        }
        reason = self._objection(text, cer, loop, row["truncated"])
        return verdict | {"verdict": REJECT if reason else KEEP, "reason": reason}

    def _objection(self, text: str, cer: float, loop: str | None, truncated: bool) -> str | None:
        if bare(text) in self.test_texts:
            return "test sentence: a held-out set says the same"
        if loop:
            return f"loop: {loop}"
        if truncated:
            return "unfinished: the token limit came before the end of the text"
        if cer > self.threshold:
            return f"cer: {cer:.2f} > {self.threshold:g}"
        return None
