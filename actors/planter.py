"""Plants known faults in good takes, so that what a judge catches can be counted."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from actors.speaker import SPEECH_SCHEMA, Speaker
from harken.audio import decode_audio, encode_flac
from harken.augment import add_noise
from harken.judge_settings import FAULTS
from harken.keywords import Keyword, KeywordMatcher
from harken.records import FAILED, Row, generator
from harken.settings import SpeechSettings, VoiceSettings

# Of the audio; at least a fifth of the text is not said then.
_LEFT_OF_THE_AUDIO = (0.3, 0.8)
# Speech below such noise is not understood. Low-pitched noise would leave most of it audible.
_SNR_DB = (-10.0, -5.0)
_COLOURS = ("white", "pink")

PLANTED_SCHEMA = SPEECH_SCHEMA.append(pa.field("fault", pa.string())).append(pa.field("other_text", pa.string()))


class Planter:
    """Rows of speech with ``"fault"`` (one of `FAULTS`) and ``"other_text"`` in, the same rows with the fault in them.

    A row keeps its id, and every choice is drawn from it: swapped text is `other_text`, truncated audio ends after
    30 to 80% of it, a dropped keyword is spoken again by the same voice without one of its keywords, and noise is 5
    to 10 dB above the speech. A row that cannot be spoken again fails as in `Speaker`.
    """

    def __init__(
        self,
        speech: SpeechSettings,
        voices: VoiceSettings,
        pronunciations: Mapping[str, Sequence[str]],
        keywords: Sequence[Keyword],
    ) -> None:
        self.speaker = Speaker(speech, voices, pronunciations)
        self.matcher = KeywordMatcher(keywords)

    def __call__(self, rows: list[Row]) -> list[Row]:
        dropped = [row | {"text": self.without_a_keyword(row)} for row in rows if row["fault"] == "dropped keyword"]
        respoken = {row["id"]: row for row in self.speaker(dropped)}
        return [row | (self._changes(row, respoken.get(row["id"]))) for row in rows]

    def without_a_keyword(self, row: Row) -> str:
        """The text less one of the keywords it mentions."""
        text: str = row["text"]
        mention = generator(row["id"], "planted keyword").choice(self.matcher.find(text))
        return text[: mention.start] + text[mention.end :]

    def _changes(self, row: Row, respoken: Row | None) -> dict[str, Any]:
        draw = generator(row["id"], "planted", row["fault"])
        if row["fault"] == "swapped text":
            return {"text": row["other_text"]}
        if row["fault"] == "dropped keyword":
            assert respoken is not None
            return respoken | {"text": row["text"]}
        wave, rate = decode_audio(row["audio"], name=row["id"])
        if row["fault"] == "truncated audio":
            return _heard(wave[: max(1, int(len(wave) * draw.uniform(*_LEFT_OF_THE_AUDIO)))], rate)
        source = np.random.default_rng(draw.randrange(2**63))
        return _heard(add_noise(wave, source, draw.uniform(*_SNR_DB), draw.choice(_COLOURS), rate), rate)


def choose(rows: Sequence[Row], each: int, keywords: Sequence[Keyword]) -> list[Row]:
    """Up to `each` rows per fault, with the columns ``"fault"`` and ``"other_text"``: the same ones whatever the order.

    Args:
        rows: rows of speech; failed ones and those without a keyword are not chosen.
    """
    matcher = KeywordMatcher(keywords)
    able = [row for row in rows if row["status"] != FAILED and matcher.find(row["text"])]
    drawn = sorted(able, key=lambda row: generator(row["id"], "planted").random())[: each * len(FAULTS)]
    chosen = []
    for place, row in enumerate(drawn):
        others = [other["text"] for other in drawn[place + 1 :] + drawn[:place] if other["text"] != row["text"]]
        if others:
            chosen.append(row | {"fault": FAULTS[place % len(FAULTS)], "other_text": others[0]})
    return chosen


def _heard(wave: np.ndarray, rate: int) -> dict[str, Any]:
    return {"audio": encode_flac(wave, rate), "sample_rate": rate, "duration": len(wave) / rate}
