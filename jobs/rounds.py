"""The rounds in which an LLM's labels are written: all rows first, then the failed ones again, as often as asked.

Every round is a stage of its own, so it resumes like any other, and what an earlier round wrote is never touched:

    drafts-0f3a.../parts/            round 0: every row
                  /ledger/           its requests
                  /retries/01/rows.parquet     which rows are written again, and with which keywords
                             /parts/, /ledger/
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from harken.digests import file_digest
from harken.records import FAILED, Row, fingerprint, read_parquet, write_parquet
from harken.sources import Selection, Source
from harken.stages import Stage

SELECTION_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("index", pa.int64()),
        ("round", pa.int64()),
        ("targets", pa.list_(pa.struct([("term", pa.string()), ("category", pa.string())]))),
    ]
)

# What a label cost is the sum over the rounds that wrote it.
SUMMED = ("tokens_in", "tokens_out", "cost")


@dataclass(frozen=True)
class Round:
    """One pass over rows: its stage and the rows it writes."""

    stage: Stage
    source: Source


def retries(drafts: Stage, rows_per_shard: int) -> list[Round]:
    """The retries of ``drafts`` that were begun, in order."""
    found: list[Round] = []
    while (path := _selection(drafts, len(found) + 1)).exists():
        source = Selection(path, rows_per_shard)
        digest = fingerprint(drafts.fingerprint, len(found) + 1, file_digest(path))
        found.append(Round(Stage(f"drafts-retry-{len(found) + 1}", digest, path.parent, source.shards()), source))
    return found


def begin_retry(drafts: Stage, number: int, rows: Sequence[Row]) -> None:
    """Begin retry ``number`` (from 1) with ``rows`` (`SELECTION_SCHEMA`), which fixes what it will write."""
    write_parquet(_selection(drafts, number), rows, SELECTION_SCHEMA)


def _selection(drafts: Stage, number: int) -> Path:
    return drafts.directory / "retries" / f"{number:02d}" / "rows.parquet"


class LatestDrafts:
    """Every row as the latest round in which it came out well left it; the last failure of one that never did.

    A source whose shards are those of the first round. ``round_of`` tells in which round a row was written.
    """

    def __init__(self, rounds: Sequence[Round]) -> None:
        self.drafts = rounds[0].stage
        self.round_of: dict[str, int] = {}
        self._later: dict[str, list[tuple[int, Row]]] = {}
        for number, later in enumerate(rounds[1:], start=1):
            for row in later.stage.rows():
                self._later.setdefault(row["id"], []).append((number, row))

    def shards(self) -> int:
        return self.drafts.shards

    def rows(self, shard: int) -> list[Row]:
        return [self._latest(row) for row in read_parquet(self.drafts.part(shard))]

    def _latest(self, first: Row) -> Row:
        written = [(0, first), *self._later.get(first["id"], [])]
        good = [version for version in written if version[1]["status"] != FAILED]
        number, row = (good or written)[-1]
        self.round_of[first["id"]] = number
        return row | {column: sum(version[column] for _, version in written) for column in SUMMED}
