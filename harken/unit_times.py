"""When each unit of a text is said in its recording: the column ``units`` of timed speech rows."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa

from harken.records import Row

UNITS_TYPE = pa.list_(
    pa.struct(
        [
            ("character_start", pa.int64()),
            ("character_end", pa.int64()),
            ("start", pa.float64()),
            ("end", pa.float64()),
        ]
    )
)


@dataclass(frozen=True)
class UnitTime:
    """``text[character_start:character_end]`` is said from `start` to `end`, in seconds of the audio.

    A unit is a Han character, a number or a word of other letters, as `harken.text.unit_spans` finds them.
    """

    character_start: int
    character_end: int
    start: float
    end: float


def unit_rows(units: Iterable[UnitTime]) -> list[Row]:
    """Units as a row holds them (`UNITS_TYPE`)."""
    return [asdict(unit) for unit in units]


def read_units(rows: Iterable[Mapping[str, Any]]) -> list[UnitTime]:
    """Units from what a row holds."""
    return [UnitTime(**row) for row in rows]
