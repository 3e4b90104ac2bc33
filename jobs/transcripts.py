"""Manifests of what was said and what was heard, read strictly: a score of half a file is no score."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from harken.errors import HarkenError


class Line(NamedTuple):
    """The text of a manifest's line, and the line's number."""

    text: str
    number: int


def read_texts(path: Path) -> dict[str, Line]:
    """The texts of a manifest by id; an empty text is silence.

    Raises:
        HarkenError: the file is missing, not UTF-8 or without rows; or a line (named) is no JSON object, lacks
            ``id`` or ``text``, or repeats an id.
    """
    texts: dict[str, Line] = {}
    try:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
    except OSError as failure:
        remedy = f"It cannot be read ({failure.strerror}): give a JSONL file."
        raise HarkenError("manifest", str(path), remedy) from None
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        identity, text = _read_line(line, f"{path}, line {number}")
        if identity in texts:
            remedy = f"The id is already on line {texts[identity].number}: ids are unique."
            raise HarkenError(f"{path}, line {number}", identity, remedy)
        texts[identity] = Line(text, number)
    if not texts:
        raise HarkenError("manifest", str(path), 'It has no rows: write one {"id": ..., "text": ...} a line.')
    return texts


def _read_line(line: bytes, place: str) -> tuple[str, str]:
    shown = line[:80].decode("utf-8", "replace").strip()
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as failure:
        raise HarkenError(place, shown, f"It is not UTF-8 ({failure.reason}): save the file as UTF-8.") from None
    except (json.JSONDecodeError, RecursionError) as failure:
        raise HarkenError(place, shown, f'It is not JSON ({failure}): write {{"id": ..., "text": ...}}.') from None
    if not isinstance(row, dict):
        raise HarkenError(place, shown, 'It is not a JSON object: write {"id": ..., "text": ...}.')
    for field in ("id", "text"):
        if field not in row:
            raise HarkenError(place, shown, f"The field {field!r} is missing: add it.")
    identity, text = row["id"], row["text"]
    if isinstance(identity, bool) or not isinstance(identity, str | int) or identity == "":
        raise HarkenError(f"{place}, id", identity, "Give a non-empty string or an integer.")
    if not isinstance(text, str):
        raise HarkenError(f"{place}, text", text, 'Give a string, "" where nothing was said or heard.')
    return str(identity), text


def require_ids(path: Path, texts: Mapping[str, Line], role: str, other: Path, wanted: Mapping[str, Line]) -> None:
    """Raise a HarkenError when ``texts`` of ``path`` lack an id that ``wanted`` of ``other`` has."""
    missing = [identity for identity in wanted if identity not in texts]
    if missing:
        remedy = f"{other} has it on line {wanted[missing[0]].number}"
        remedy += f" ({len(missing)} such ids)" if len(missing) > 1 else ""
        raise HarkenError(f"{path} has no {role} for the id", missing[0], f"{remedy}: both files need the same ids.")
