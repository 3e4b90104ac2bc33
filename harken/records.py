"""Rows as they flow between stages: stable identities, seeded randomness, manifests and atomic Parquet.

Every stage reads rows and writes Parquet. A row is never dropped: it carries ``status`` ('ok' or 'failed')
and, when failed, ``error``. ``id`` is a hash, so that a rerun gives every row the same identity and, through
`generator`, the same random choices whatever the order or the machine.
"""

import hashlib
import json
import os
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harken.errors import HarkenError

Row = dict[str, Any]

OK = "ok"
FAILED = "failed"


def fingerprint(*parts: object) -> str:
    """A 16-digit hexadecimal digest of JSON-serialisable parts; equal parts give equal digests anywhere."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def row_id(stage: str, seed: int, index: int) -> str:
    """The identity of row ``index`` of a stage whose configuration has the fingerprint ``stage``."""
    return fingerprint(stage, seed, index)


def generator(identity: str, *purpose: object) -> random.Random:
    """A random generator that depends on the row's id and the purpose only."""
    return random.Random(int(fingerprint(identity, *purpose), 16))


def read_manifest(path: str | Path, required: Sequence[str] = ("id", "text")) -> list[Row]:
    """Read a JSONL manifest such as ``{"id": "seed-001", "text": "喜欢老花"}``, one object a line.

    Raises:
        HarkenError: missing file, no rows, a line that is not a JSON object, a missing field, a repeated id.
    """
    path = Path(path)
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for number, line in _numbered_lines(path):
        try:
            row = json.loads(line)
        except json.JSONDecodeError as failure:
            raise HarkenError(f"{path}, line {number}", line[:80], f"It is not valid JSON: {failure.msg}.") from None
        if not isinstance(row, dict):
            raise HarkenError(f"{path}, line {number}", line[:80], "Every line must be a JSON object.")
        for field in required:
            if not isinstance(row.get(field), str) or not row[field].strip():
                raise HarkenError(f"{path}, line {number}", line[:80], f"It needs a non-empty string {field!r}.")
        if "id" in row and row["id"] in seen:
            raise HarkenError(
                f"{path}, line {number}", row["id"], f"This id was already used on line {seen[row['id']]}."
            )
        if "id" in row:
            seen[row["id"]] = number
        rows.append(row)
    if not rows:
        raise HarkenError("manifest", str(path), "It holds no rows: write one JSON object a line.")
    return rows


def write_parquet(
    path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema, rows_per_group: int | None = None
) -> None:
    """Write rows so that ``path`` either holds all of them or does not exist, even after a kill -9.

    Args:
        rows_per_group: rows that are read together (`harken.sources.RowGroups`); None: as pyarrow chooses.

    Raises:
        HarkenError: the disk is full or the folder cannot be written.
    """
    table = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
    replace_atomically(path, lambda temporary: pq.write_table(table, temporary, row_group_size=rows_per_group))


def write_json(path: Path, value: object) -> None:
    """Write JSON atomically (readable, UTF-8, keys in the given order; NaN is refused)."""
    text = json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    replace_atomically(path, lambda temporary: Path(temporary).write_text(text, encoding="utf-8"))


def replace_atomically(path: Path, write: Any) -> None:
    """Call ``write(temporary_path)``, flush it to disk and rename it to ``path``.

    Raises:
        HarkenError: the disk is full or the folder cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(str(temporary))
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as failure:
        temporary.unlink(missing_ok=True)
        remedy = f"It cannot be written ({failure.strerror or failure}): free or change the disk and run again; "
        raise HarkenError("output file", str(path), remedy + "finished parts are kept.") from failure


def read_parquet(path: Path, columns: Sequence[str] | None = None) -> list[Row]:
    """Read one Parquet file as rows; ``columns`` limits what is loaded.

    Raises:
        HarkenError: the file is missing or damaged.
    """
    try:
        rows: list[Row] = pq.read_table(path, columns=list(columns) if columns else None).to_pylist()
    except (OSError, pa.ArrowInvalid, KeyError) as failure:
        raise HarkenError(
            "Parquet file", str(path), f"It cannot be read ({failure}): delete it and run again."
        ) from None
    return rows


def _numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield number, line
    except FileNotFoundError:
        raise HarkenError("manifest", str(path), "It does not exist.") from None
    except (OSError, UnicodeDecodeError) as failure:
        raise HarkenError("manifest", str(path), f"It cannot be read as UTF-8 text ({failure}).") from None
