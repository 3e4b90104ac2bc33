import numpy as np
import pyarrow as pa
import pytest

from actors.planter import PLANTED_SCHEMA, Planter, choose
from actors.speaker import Speaker
from harken.acoustics import measure
from harken.audio import decode_audio
from harken.judge_settings import FAULTS
from harken.keywords import Keyword
from harken.settings import SpeechSettings, VoiceSettings

KEYWORDS = [Keyword("birkin", "SERIES"), Keyword("水桶包", "TYPE")]
SPEECH = SpeechSettings(voices=VoiceSettings(speakers=("cmn", "cmn+f2")))
TEXTS = ["客户想要水桶包，要黑色。", "想看birkin，下周再来。", "喜欢水桶包和birkin。", "最近想买birkin送人。"]


@pytest.fixture(scope="module")
def takes() -> list[dict]:
    rows = [{"id": f"take-{index}", "text": text} for index, text in enumerate(TEXTS)]
    return Speaker(SPEECH, SPEECH.voices, {})(rows)


def planter() -> Planter:
    return Planter(SPEECH, SPEECH.voices, {}, KEYWORDS)


def test_every_fault_is_planted_and_nothing_else_is_changed(takes):
    chosen = choose(takes, 1, KEYWORDS)
    planted = {row["fault"]: row for row in planter()(chosen)}
    assert set(planted) == set(FAULTS)
    before = {row["id"]: row for row in takes}
    for fault, row in planted.items():
        take = before[row["id"]]
        assert (row["status"], row["speaker"], row["style"]) == ("ok", take["speaker"], take["style"])
        assert (row["text"] == take["text"]) == (fault != "swapped text")
        assert (row["audio"] == take["audio"]) == (fault == "swapped text")
    assert planted["swapped text"]["text"] in TEXTS
    pa.Table.from_pylist(list(planted.values()), schema=PLANTED_SCHEMA)


def test_truncated_audio_is_the_beginning(takes):
    row = planter()([takes[0] | {"fault": "truncated audio", "other_text": ""}])[0]
    whole, cut = decode_audio(takes[0]["audio"])[0], decode_audio(row["audio"])[0]
    assert 0.29 < len(cut) / len(whole) < 0.81
    assert np.array_equal(cut, whole[: len(cut)])
    assert row["duration"] == len(cut) / 16_000


def test_noise_is_louder_than_the_speech(takes):
    row = planter()([takes[1] | {"fault": "noise", "other_text": ""}])[0]
    assert measure(decode_audio(row["audio"])[0]).range_db < 8 < measure(decode_audio(takes[1]["audio"])[0]).range_db
    assert row["duration"] == takes[1]["duration"]


def test_a_dropped_keyword_is_not_spoken_and_stays_in_the_label(takes):
    source = takes[2] | {"fault": "dropped keyword", "other_text": ""}
    assert planter().without_a_keyword(source) in ("喜欢和birkin。", "喜欢水桶包和。")
    row = planter()([source])[0]
    assert (row["id"], row["text"]) == (takes[2]["id"], takes[2]["text"])
    assert row["text_spoken"] == planter().without_a_keyword(source)
    assert row["duration"] < takes[2]["duration"]


def test_the_choice_depends_on_the_rows_alone():
    rows = [{"id": f"r{index}", "text": f"想看birkin{'的' * index}", "status": "ok"} for index in range(40)]
    rows += [{"id": "failed", "text": "birkin", "status": "failed"}, {"id": "plain", "text": "喜欢", "status": "ok"}]
    chosen = choose(rows, 5, KEYWORDS)
    assert choose(rows[::-1], 5, KEYWORDS) == chosen
    assert len(chosen) == len({row["id"] for row in chosen}) == 20
    assert {fault: sum(row["fault"] == fault for row in chosen) for fault in FAULTS} == dict.fromkeys(FAULTS, 5)
    assert all(row["text"] != row["other_text"] for row in chosen)
    assert not {"failed", "plain"} & {row["id"] for row in chosen}
    assert len(choose(rows, 100, KEYWORDS)) == 40
    assert choose(rows[:1], 5, KEYWORDS) == []
