"""Speaks texts and says when each of their units is heard, as far as the synthesizer tells."""

import json
from dataclasses import replace

import pyarrow as pa

from actors.speaker import SPEECH_SCHEMA, Speaker
from actors.tts.interface import SpeechRequest, SpeechResult
from harken.records import OK, Row
from harken.unit_times import UNITS_TYPE, unit_rows

TIMED_SPEECH_SCHEMA = SPEECH_SCHEMA.append(pa.field("units", UNITS_TYPE))


class TimedSpeaker(Speaker):
    """A `Speaker` whose rows (`TIMED_SPEECH_SCHEMA`) also have the times of the units of ``text``.

    All else in a row is as the `Speaker` makes it. ``units`` is None, and the row needs alignment
    (`actors.aligner.Aligner`), for recordings, for backends that report no times, and where the voice was given
    another text than the row's: a term with a pronunciation, or numbers in words. Speed is accounted for; rooms and
    codecs may move sounds by a few milliseconds.
    """

    def __call__(self, rows: list[Row]) -> list[Row]:
        return [{"units": None} | row for row in super().__call__(rows)]

    def request(self, row: Row) -> SpeechRequest:
        return replace(super().request(row), timed=True)

    def _spoken(self, request: SpeechRequest, result: SpeechResult) -> Row:
        row = super()._spoken(request, result)
        if row.get("status", OK) != OK or result.text_actual != request.text_label or not result.units:
            return row
        factor = json.loads(row["augmentation"]).get("speed", 1.0)
        heard = [replace(unit, start=unit.start / factor, end=unit.end / factor) for unit in result.units]
        return row | {"units": unit_rows(heard)}
