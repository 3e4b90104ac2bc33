"""Terms cut out of the utterances in which they are said: rows of mentions in, rows of speech out."""

from actors.speech_rows import RECORDED, SPEECH_SCHEMA, encoded
from harken.audio import decode_audio
from harken.cutting import cut
from harken.records import FAILED, OK, Row


class Cutter:
    """Rows ``{"id", "term", "audio", "start", "end"}`` (seconds in the audio) in, speech rows of the terms out.

    A mention that is too short to be heard fails with the cause 'cut'.
    """

    def __call__(self, rows: list[Row]) -> list[Row]:
        return [self._cut(row) for row in rows]

    def _cut(self, row: Row) -> Row:
        blank = dict.fromkeys(SPEECH_SCHEMA.names) | {"id": row["id"], "text": row["term"], "speaker": RECORDED}
        wave, _ = decode_audio(row["audio"])
        piece = cut(wave, row["start"], row["end"])
        if piece is None:
            length = row["end"] - row["start"]
            return blank | {"status": FAILED, "error": f"cut: {length:.2f} s are too short to be a term"}
        return blank | {"status": OK, "augmentation": "{}"} | encoded(piece, float("inf"))
