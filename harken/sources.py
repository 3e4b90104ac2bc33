"""Where a stage's input rows come from, shard by shard: small, picklable, and the same on every node."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from harken.errors import HarkenError
from harken.records import Row, read_manifest, read_parquet, row_id


class Source(Protocol):
    """Input rows in a fixed number of shards; ``rows`` must give the same rows whenever it is asked."""

    def shards(self) -> int: ...

    def rows(self, shard: int) -> list[Row]: ...


@dataclass(frozen=True)
class Indices:
    """Rows made from nothing: ``{"id", "index"}`` for a stage that creates its rows.

    Example:
        >>> [row["index"] for row in Indices("a1", seed=0, count=5, rows_per_shard=2).rows(2)]
        [4]
    """

    fingerprint: str
    seed: int
    count: int
    rows_per_shard: int

    def shards(self) -> int:
        return math.ceil(self.count / self.rows_per_shard)

    def rows(self, shard: int) -> list[Row]:
        start = shard * self.rows_per_shard
        stop = min(start + self.rows_per_shard, self.count)
        return [{"id": row_id(self.fingerprint, self.seed, index), "index": index} for index in range(start, stop)]


@dataclass(frozen=True)
class Manifest:
    """A JSONL manifest ``{"id", "text"[, "audio"]}``; a relative audio path is taken from the manifest's folder.

    With a ``limit`` its first rows only.
    """

    path: Path
    rows_per_shard: int
    limit: int | None = None

    def shards(self) -> int:
        return math.ceil(len(self._manifest()) / self.rows_per_shard)

    def rows(self, shard: int) -> list[Row]:
        start = shard * self.rows_per_shard
        rows = [dict(row) for row in self._manifest()[start : start + self.rows_per_shard]]
        for row in rows:
            if row.get("audio"):
                row["audio_path"] = str(self.path.parent / row.pop("audio"))
        return rows

    def _manifest(self) -> list[Row]:
        return read_once(read_manifest, self.path)[: self.limit]


@dataclass(frozen=True)
class Selection:
    """The rows of one Parquet file in shards."""

    path: Path
    rows_per_shard: int

    def shards(self) -> int:
        return math.ceil(len(read_once(read_parquet, self.path)) / self.rows_per_shard)

    def rows(self, shard: int) -> list[Row]:
        start = shard * self.rows_per_shard
        return [dict(row) for row in read_once(read_parquet, self.path)[start : start + self.rows_per_shard]]


@dataclass(frozen=True)
class RowGroups:
    """The rows of one Parquet file, a row group a shard: what is in no memory whole, such as a million terms."""

    path: Path

    def shards(self) -> int:
        return int(self._open().num_row_groups)

    def rows(self, shard: int) -> list[Row]:
        rows: list[Row] = self._open().read_row_group(shard).to_pylist()
        return rows

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self.path)
        except (OSError, pa.ArrowInvalid) as failure:
            remedy = f"It cannot be read ({failure}): delete it and run again."
            raise HarkenError("Parquet file", str(self.path), remedy) from None


@dataclass(frozen=True)
class Parts:
    """The parts of an earlier stage; ``beside`` adds columns of further stages whose parts hold the same rows.

    ``stored_as`` gives the name that a column of ``beside`` has there, when it has another.
    """

    paths: Sequence[Path]
    columns: Sequence[str] | None = None
    beside: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    stored_as: Mapping[str, str] = field(default_factory=dict)

    def shards(self) -> int:
        return len(self.paths)

    def rows(self, shard: int) -> list[Row]:
        rows = read_parquet(self.paths[shard], self.columns)
        for column, paths in self.beside.items():
            stored = self.stored_as.get(column, column)
            values = {row["id"]: row[stored] for row in read_parquet(paths[shard], ["id", stored])}
            for row in rows:
                row[column] = values[row["id"]]
        return rows


def read_once(read: Callable[[Path], list[Row]], path: Path) -> list[Row]:
    """The rows of a file, kept until it changes: reading all of it for every shard takes quadratic time."""
    try:
        state = path.stat()
    except OSError:
        # The reader's error names the file and the remedy.
        return read(path)
    return _kept(read, path, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=2)
def _kept(read: Callable[[Path], list[Row]], path: Path, _modified: int, _size: int) -> list[Row]:
    return read(path)
