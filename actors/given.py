"""Labels that are given: transcripts of a manifest as they are, with the keywords they mention."""

from collections.abc import Sequence

from actors.writer import LABEL_SCHEMA
from harken.keywords import Keyword, KeywordMatcher
from harken.records import OK, Row

BACKEND = "given"


class GivenLabels:
    """Manifest rows ``{"id", "text"}`` in, label rows (`actors.writer.LABEL_SCHEMA`) out."""

    def __init__(self, keywords: Sequence[Keyword]) -> None:
        self.matcher = KeywordMatcher(keywords)

    def __call__(self, rows: list[Row]) -> list[Row]:
        return [self._label(row) for row in rows]

    def _label(self, row: Row) -> Row:
        mentions = self.matcher.find(row["text"])
        return dict.fromkeys(LABEL_SCHEMA.names) | {
            "id": row["id"],
            "text": row["text"],
            "keywords": [{"term": mention.term, "category": mention.category} for mention in mentions],
            "sentences": [],
            "backend": BACKEND,
            "model": BACKEND,
            "tokens_in": 0,
            "tokens_out": 0,
            "cost": 0.0,
            "status": OK,
        }
