import io

import numpy as np
import pytest
import soundfile

from harken.audio import SAMPLE_RATE, decode_audio, encode_flac, read_audio, resample
from harken.errors import HarkenError


def tone(seconds: float = 0.5, rate: int = SAMPLE_RATE, frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def test_flac_round_trip_is_exact_to_sixteen_bits():
    wave = tone()
    decoded, rate = decode_audio(encode_flac(wave, 22_050))
    assert rate == 22_050
    assert decoded.dtype == np.float32
    assert np.abs(decoded - wave).max() <= 0.5 / 32768
    # A second trip changes nothing: what a stage stores is what the next one hears.
    assert np.array_equal(decode_audio(encode_flac(decoded, 22_050))[0], decoded)


def test_encoding_is_deterministic_and_clips():
    loud = np.array([2.0, -2.0, 0.0], dtype=np.float32)
    assert encode_flac(loud, SAMPLE_RATE) == encode_flac(loud, SAMPLE_RATE)
    decoded, _ = decode_audio(encode_flac(loud, SAMPLE_RATE))
    assert decoded.tolist() == pytest.approx([1.0, -1.0, 0.0], abs=1e-4)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_reads_the_usual_formats(tmp_path, suffix):
    path = tmp_path / f"tone.{suffix}"
    soundfile.write(path, tone(), SAMPLE_RATE)
    wave, rate = read_audio(path)
    assert rate == SAMPLE_RATE
    assert wave.ndim == 1
    strongest = np.abs(np.fft.rfft(wave)).argmax() * rate / len(wave)
    assert strongest == pytest.approx(440, abs=5)


def test_stereo_is_averaged(tmp_path):
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([tone(), np.zeros_like(tone())], axis=1), SAMPLE_RATE, subtype="FLOAT")
    wave, _ = read_audio(path)
    assert np.allclose(wave, tone() / 2)


def test_resample_keeps_length_in_seconds_and_pitch():
    wave = resample(tone(1.0, 22_050), 22_050)
    assert abs(len(wave) - SAMPLE_RATE) <= 1
    assert wave.dtype == np.float32
    assert np.abs(np.fft.rfft(wave[:16_000])).argmax() == pytest.approx(440, abs=1)


def wav_bytes(samples: np.ndarray, rate: int = SAMPLE_RATE) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format="WAV", subtype="FLOAT")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "empty"),
        (b"this is a text, not a recording", "no known audio format"),
        (wav_bytes(tone())[:30], "damaged"),
        (wav_bytes(np.zeros(0, dtype=np.float32)), "no samples"),
        (wav_bytes(np.array([0.0, np.nan], dtype=np.float32)), "NaN"),
        (wav_bytes(tone(), rate=1_000), "1000 Hz"),
        (wav_bytes(np.zeros((10, 12), dtype=np.float32)), "12 channels"),
    ],
)
def test_bad_files_are_named(tmp_path, content, message):
    path = tmp_path / "row-17.wav"
    path.write_bytes(content)
    with pytest.raises(HarkenError, match=message) as caught:
        read_audio(path)
    assert "row-17.wav" in str(caught.value)


def test_missing_file_and_folder_are_named(tmp_path):
    with pytest.raises(HarkenError, match=r"gone\.wav.*does not exist"):
        read_audio(tmp_path / "gone.wav")
    with pytest.raises(HarkenError, match="cannot be read"):
        read_audio(tmp_path)


def test_limits_hold_before_and_while_decoding(tmp_path):
    path = tmp_path / "long.flac"
    path.write_bytes(encode_flac(tone(2.0), SAMPLE_RATE))
    with pytest.raises(HarkenError, match=r"1\.5 seconds"):
        read_audio(path, max_seconds=1.5)
    with pytest.raises(HarkenError, match="more than the allowed 100"):
        read_audio(path, max_bytes=100)
    assert len(read_audio(path, max_seconds=2.0)[0]) == 32_000


def test_a_flac_header_that_hides_its_length_is_refused():
    content = bytearray(encode_flac(tone(2.0), SAMPLE_RATE))
    # STREAMINFO holds the number of samples in 36 bits that end at byte 26; 0 means "unknown".
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    with pytest.raises(HarkenError, match="does not state its length"):
        decode_audio(bytes(content), max_seconds=1.0)


@pytest.mark.parametrize("wave", [np.zeros(0, np.float32), np.zeros((2, 2), np.float32), np.array([np.inf])])
def test_refuses_to_encode_what_is_no_mono_wave(wave):
    with pytest.raises(HarkenError):
        encode_flac(wave, SAMPLE_RATE)
