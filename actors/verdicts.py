"""Verdicts on labels that can be given only when all of them are written: near-duplicates."""

from collections.abc import Iterable, Mapping

from harken.duplicates import masked, near_duplicates
from harken.keywords import KeywordMatcher
from harken.records import FAILED, Row


class DuplicateVerdicts:
    """Label rows in, the same rows out; those in ``duplicates`` (id to the id it repeats) fail and count for
    no keyword."""

    def __init__(self, duplicates: Mapping[str, str]) -> None:
        self.duplicates = dict(duplicates)

    def __call__(self, rows: list[Row]) -> list[Row]:
        return [self._judge(row) for row in rows]

    def _judge(self, row: Row) -> Row:
        earlier = self.duplicates.get(row["id"])
        if earlier is None:
            return row
        return row | {"keywords": [], "status": FAILED, "error": f"near duplicate: of row {earlier}"}


def find_duplicates(labels: Iterable[tuple[str, str]], matcher: KeywordMatcher, threshold: float) -> dict[str, str]:
    """The near-duplicates among labels ``(id, text)``: id to the id of the earlier label it repeats.

    Labels are compared by the Jaccard similarity of their character 3-grams with the keywords masked, so that the
    same sentence about another product counts as the same.
    """
    labels = list(labels)
    pairs = near_duplicates([masked(text, matcher) for _, text in labels], threshold)
    return {labels[later][0]: labels[earlier][0] for later, earlier in pairs}
