"""Terms cut out of the utterances in which they are said: rows of mentions in, rows of speech out."""

from actors.speech_rows import RECORDED, SPEECH_SCHEMA, encoded
from harken.audio import decode_audio
from harken.errors import HarkenError
from harken.excerpt import cut_excerpt
from harken.records import FAILED, OK, Row
from harken.unit_times import read_units


class Cutter:
    """Rows ``{"id", "text", "audio", "units", "start", "end"}`` in, speech rows of the terms alone out.

    ``text`` is the term, ``audio`` and ``units`` are the utterance's, ``start`` and ``end`` the term's characters in
    its text. A mention whose times do not fit the audio fails with the cause 'cut', one without any sound with
    the cause 'silent'.
    """

    def __call__(self, rows: list[Row]) -> list[Row]:
        return [self._cut(row) for row in rows]

    def _cut(self, row: Row) -> Row:
        blank = dict.fromkeys(SPEECH_SCHEMA.names) | {"id": row["id"], "text": row["text"], "speaker": RECORDED}
        wave, _ = decode_audio(row["audio"])
        try:
            excerpt = cut_excerpt(wave, read_units(row["units"]), row["start"], row["end"])
        except HarkenError as failure:
            return blank | {"status": FAILED, "error": f"cut: {failure}"}
        if not excerpt.wave.any():
            return blank | {"status": FAILED, "error": "silent: there is no sound in the excerpt"}
        return blank | {"status": OK, "augmentation": "{}"} | encoded(excerpt.wave, max_seconds=float("inf"))
