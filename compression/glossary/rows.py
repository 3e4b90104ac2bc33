"""Entries and enrolments as Arrow rows: how they wait for a segment to be written, and are carried to the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from compression.glossary.entry import Enrolment, Entry, Spelling
from compression.glossary.manifest import Description
from compression.glossary.span_index import span_codes
from compression.quantisation import quantise
from harken.errors import HarkenError

MOST_FRAMES = 2**16 - 1

_SPELLING = pa.struct(
    [
        ("text", pa.string()),
        ("category", pa.string()),
        ("language", pa.string()),
        ("spoken", pa.string()),
        ("source", pa.string()),
        ("flags", pa.list_(pa.string())),
    ]
)
SPELLINGS = pa.list_(_SPELLING)
ENTRY_ROWS = pa.schema([("entry_id", pa.uint64()), ("phonemes", pa.string()), ("spellings", SPELLINGS)])


def enrolment_schema(description: Description) -> pa.Schema:
    """The columns of enrolment rows: codes and scales are all frames of one recording back to back."""
    return pa.schema(
        [
            ("entry_id", pa.uint64()),
            ("voice", pa.string()),
            ("codes", pa.large_binary()),
            ("scales", pa.large_binary()),
            ("span", pa.binary(description.span_size)),
            ("statistics", pa.binary(4 * description.statistics)),
        ]
    )


def pack_entries(entries: Sequence[Entry]) -> pa.RecordBatch:
    """Entries as rows, the spellings of each in the order of their texts."""
    ids = np.array([entry.id for entry in entries], dtype=np.uint64)
    spellings = [spelling_rows(entry.spellings) for entry in entries]
    columns = [pa.array(ids), pa.array([entry.phonemes for entry in entries], pa.string())]
    return pa.record_batch([*columns, pa.array(spellings, SPELLINGS)], schema=ENTRY_ROWS)


def spelling_rows(spellings: Sequence[Spelling]) -> list[dict[str, object]]:
    """Spellings by text, each text once: the last of equals."""
    by_text = {spelling.text: spelling for spelling in spellings}
    return [{**vars(by_text[text]), "flags": list(by_text[text].flags)} for text in sorted(by_text)]


def pack_enrolments(enrolments: Sequence[Enrolment], description: Description) -> pa.RecordBatch:
    """Enrolments as rows: frames quantised, span embeddings as int8.

    Raises:
        HarkenError: frames, a span embedding or statistics of another shape than described, no frames or too many,
            values that are not finite.
    """
    for enrolment in enrolments:
        _check(enrolment, description)
    schema = enrolment_schema(description)
    if not enrolments:
        return pa.RecordBatch.from_pylist([], schema)
    frames = np.concatenate(
        [np.asarray(enrolment.frames, dtype=np.float32).transpose(1, 0, 2) for enrolment in enrolments]
    )
    quantised = quantise(frames, description.bits)
    lengths = np.array([enrolment.frames.shape[1] for enrolment in enrolments])
    spans = span_codes(np.stack([np.asarray(enrolment.span, dtype=np.float32) for enrolment in enrolments]))
    statistics = np.stack([np.asarray(enrolment.statistics, dtype="<f4") for enrolment in enrolments])
    return enrolment_rows(
        np.array([enrolment.entry_id for enrolment in enrolments], dtype=np.uint64),
        pa.array([enrolment.voice for enrolment in enrolments], pa.string()),
        lengths,
        quantised.codes,
        quantised.scales,
        spans,
        statistics,
        description,
    )


def enrolment_rows(
    entry_ids: NDArray[np.uint64],
    voices: pa.Array,
    lengths: NDArray[np.integer],
    codes: NDArray[np.uint8],
    scales: NDArray[np.float16],
    spans: NDArray[np.int8],
    statistics: NDArray[np.float32],
    description: Description,
) -> pa.RecordBatch:
    """Rows of what a segment's arrays hold: `codes` and `scales` of all frames back to back, `lengths` of each."""
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    schema = enrolment_schema(description)
    columns = [
        pa.array(entry_ids),
        voices,
        _binary(codes, offsets * description.frame_bytes),
        _binary(scales, offsets * 2 * description.layers),
        _fixed(spans, schema.field("span").type),
        _fixed(statistics, schema.field("statistics").type),
    ]
    return pa.record_batch(columns, schema=schema)


def bytes_of(column: pa.Array) -> NDArray[np.uint8]:
    """All bytes of a binary column back to back."""
    if pa.types.is_fixed_size_binary(column.type):
        width = column.type.byte_width
        first, last = column.offset * width, (column.offset + len(column)) * width
    else:
        offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)
        first, last = offsets[column.offset], offsets[column.offset + len(column)]
    return np.frombuffer(column.buffers()[-1], dtype=np.uint8)[first:last]


def _binary(values: NDArray[np.generic], offsets: NDArray[np.int64]) -> pa.Array:
    data = pa.py_buffer(np.ascontiguousarray(values))
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(offsets) - 1, [None, pa.py_buffer(offsets), data])


def _fixed(values: NDArray[np.generic], kind: pa.DataType) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def _check(enrolment: Enrolment, description: Description) -> None:
    where = f"of enrolment {enrolment.entry_id:016x} by {enrolment.voice!r}"
    frames, expected = np.shape(enrolment.frames), (description.layers, "1 to 65535", description.size)
    if len(frames) != 3 or (frames[0], frames[2]) != (expected[0], expected[2]) or not 0 < frames[1] <= MOST_FRAMES:
        raise HarkenError(
            f"shape of the frames {where}", frames, f"The glossary holds (layers, frames, size) {expected}."
        )
    for name, size in (("span", description.span_size), ("statistics", description.statistics)):
        values = np.asarray(getattr(enrolment, name))
        if values.shape != (size,) or not np.isfinite(values).all():
            raise HarkenError(f"{name} {where}", values.shape, f"It must be {size} finite numbers.")
