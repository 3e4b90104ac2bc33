import numpy as np

from actors.cutter import Cutter
from harken.audio import SAMPLE_RATE, decode_audio, encode_flac


def mention(**changes: object) -> dict[str, object]:
    wave = np.concatenate([np.full(SAMPLE_RATE, level, np.float32) for level in (0.1, 0.5, 0.1)])
    units = [{"character_start": n, "character_end": n + 1, "start": float(n), "end": n + 1.0} for n in range(3)]
    row = {"id": "m", "text": "B", "audio": encode_flac(wave, SAMPLE_RATE), "units": units, "start": 1, "end": 2}
    return row | changes


def test_a_term_is_cut_out_at_its_times() -> None:
    (row,) = Cutter()([mention()])
    wave, rate = decode_audio(row["audio"])
    assert (row["text"], row["status"], rate) == ("B", "ok", SAMPLE_RATE)
    assert 1.0 <= len(wave) / SAMPLE_RATE <= 1.2
    assert abs(np.median(wave) - 0.5) < 0.01


def test_a_mention_without_times_fails_alone() -> None:
    good, bad = Cutter()([mention(), mention(id="n", start=7, end=9)])
    assert good["status"] == "ok"
    assert (bad["id"], bad["status"], bad["error"].split(":")[0]) == ("n", "failed", "cut")


def test_an_excerpt_without_sound_fails() -> None:
    silence = encode_flac(np.zeros(3 * SAMPLE_RATE, np.float32), SAMPLE_RATE)
    (row,) = Cutter()([mention(audio=silence)])
    assert (row["status"], row["error"].split(":")[0], row["audio"]) == ("failed", "silent", None)
