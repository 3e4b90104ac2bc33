"""Over two hundred files that are cut, damaged, lie, are something else, or would fill the memory; always the same."""

import gzip
import io
import pickle
import random
import struct
import zipfile
from collections.abc import Iterable, Iterator

import numpy as np
import soundfile

from harken.audio import SAMPLE_RATE

ENCODINGS = (
    ("WAV", "PCM_16"), ("WAV", "FLOAT"), ("WAVEX", "PCM_24"), ("FLAC", "PCM_16"), ("MP3", "MPEG_LAYER_III"),
    ("OGG", "VORBIS"), ("OGG", "OPUS"),
)  # fmt: skip
_SEED = 7
_DAMAGED_EACH = 7
_OGG_POLYNOMIAL = 0x04C11DB7


def encoded(wave: np.ndarray, rate: int, container: str, encoding: str | None = None) -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, wave, rate, format=container, subtype=encoding)
    return stream.getvalue()


def hostile_files() -> dict[str, bytes]:
    """Name -> content; the part of a name before the colon says what is wrong."""
    tone = (0.3 * np.sin(np.arange(SAMPLE_RATE) / 20)).astype(np.float32)
    return {
        f"{kind}: {name}": content
        for kind, files in (
            ("other", _something_else(tone)),
            ("cut", _cut(tone)),
            ("damaged", _damaged(tone)),
            ("lying wav", _lying_wav()),
            ("lying flac", _lying_flac(tone)),
            ("lying ogg", _lying_ogg()),
            ("lying mp3", _lying_mp3(tone)),
            ("values", _values()),
            ("bomb", _bombs()),
            ("polyglot", _polyglots(tone)),
        )
        for name, content in files
    }


Files = Iterator[tuple[str, bytes]]


def _something_else(tone: np.ndarray) -> Files:
    yield "empty", b""
    yield "one byte", b"R"
    yield "text", b"hello, world"
    yield "html", b"<script>alert(1)</script>"
    yield "playlist of a local file", b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"
    yield "playlist of a server", b"#EXTM3U\nhttp://127.0.0.1/\n"
    yield "path", b"/etc/passwd"
    yield "address", b"http://127.0.0.1:22/"
    yield "executable", b"\x7fELF" + bytes(100)
    yield "pickle", pickle.dumps(ValueError("never loaded"))
    yield "webm", b"\x1a\x45\xdf\xa3" + bytes(100)
    yield "m4a", b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom" + bytes(100)
    yield "m4a cut", b"\0\0\0\x20ftypM4A "
    yield "m4a of 2^64 bytes", b"\0\0\0\x01ftypM4A " + b"\xff" * 8 + bytes(50)
    yield "wma", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11" + bytes(100)
    yield "amr", b"#!AMR\n" + bytes(100)
    yield "midi", b"MThd\0\0\0\x06\0\x01\0\x01\0\x60"
    for container in ("AIFF", "CAF", "AU", "W64", "RF64", "VOC", "NIST", "IRCAM"):
        yield container.lower(), encoded(tone, SAMPLE_RATE, container, "PCM_16")
    for encoding in ("IMA_ADPCM", "MS_ADPCM", "GSM610", "G721_32", "NMS_ADPCM_16"):
        rate = 8_000 if encoding == "G721_32" else SAMPLE_RATE
        yield f"wav of {encoding}", encoded(tone, rate, "WAV", encoding)


def _cut(tone: np.ndarray) -> Files:
    for container, encoding in ENCODINGS:
        whole = encoded(tone, SAMPLE_RATE, container, encoding)
        for length in (4, 11, 43, 60, len(whole) // 3, 2 * len(whole) // 3, len(whole) - 1):
            yield f"{container} {encoding} after {length}", whole[:length]


def _damaged(tone: np.ndarray) -> Files:
    randomly = random.Random(_SEED)
    for container, encoding in ENCODINGS:
        whole = encoded(tone, SAMPLE_RATE, container, encoding)
        for number in range(_DAMAGED_EACH):
            content = bytearray(whole)
            # Some only in the header, where a byte says how much is to follow.
            last = 100 if number % 2 else len(content)
            for _ in range(1 + last // 50):
                content[randomly.randrange(4, last)] = randomly.randrange(256)
            yield f"{container} {encoding} {number}", bytes(content)
        yield f"{container} {encoding} noise", whole[:40] + randomly.randbytes(5000)
        yield f"{container} {encoding} twice and backwards", whole + whole[::-1]


def wav(
    content: bytes = bytes(2_000), rate: int = SAMPLE_RATE, channels: int = 1, bits: int = 16,
    said: int | None = None, block: int | None = None, tag: int = 1, format_size: int = 16, before: bytes = b"",
) -> bytes:  # fmt: skip
    """A WAV file that says of itself what it is told to."""
    block = channels * bits // 8 if block is None else block
    numbers = (tag, channels & 0xFFFF, rate, min(rate * block, 0xFFFFFFFF), block & 0xFFFF, bits & 0xFFFF)
    form = b"fmt " + struct.pack("<I", format_size) + struct.pack("<HHIIHH", *numbers)
    data = b"data" + struct.pack("<I", len(content) if said is None else said) + content
    body = b"WAVE" + form + before + data
    return b"RIFF" + struct.pack("<I", min(len(body) if said is None else said, 0xFFFFFFFF)) + body


def _lying_wav() -> Files:
    for rate in (0, 1, 3_999, 384_001, 1_000_000_000, 0xFFFFFFFF):
        yield f"{rate} Hz", wav(rate=rate)
    for channels in (0, 9, 64, 255, 256, 1_000, 65_535):
        yield f"{channels} channels", wav(bytes(70_000), channels=channels)
    for bits in (0, 1, 7, 12, 33, 64, 255, 65_535):
        yield f"{bits} bits", wav(bits=bits)
    for said in (0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF):
        yield f"{said} bytes", wav(said=said)
    for size in (0, 4, 15, 17, 40, 0x7FFFFFFF, 0xFFFFFFFF):
        yield f"format of {size} bytes", wav(format_size=size)
    for block in (0, 1, 3, 65_535):
        yield f"blocks of {block}", wav(block=block)
    for tag in (0, 2, 0x31, 0x50, 0x161, 0xFFFE, 0xFFFF):
        yield f"encoding {tag}", wav(tag=tag)
    yield "header alone", wav()[:44]
    yield "no format", b"RIFF\x14\0\0\0WAVEdata\x08\0\0\0" + bytes(8)
    yield "no data", wav()[:36]
    yield "of many chunks", wav(before=b"LIST\0\0\0\0" * 60_000)
    yield "of a chunk of 4 GB", wav(before=b"LIST\xff\xff\xff\xff")
    yield "in itself", wav(wav(wav()), said=100)
    yield "of big-endian numbers", wav().replace(b"RIFF", b"RIFX")


def _lying_flac(tone: np.ndarray) -> Files:
    frames = encoded(tone, SAMPLE_RATE, "FLAC", "PCM_16")[42:]

    def flac(rate: int, channels: int, bits: int, samples: int, least: int = 4096, most: int = 4096) -> bytes:
        packed = rate << 44 | (channels - 1) << 41 | (bits - 1) << 36 | samples
        information = struct.pack(">HH", least, most) + bytes(6) + packed.to_bytes(8, "big") + bytes(16)
        return b"fLaC\x80\0\0\x22" + information + frames

    yield "0 Hz", flac(0, 1, 16, 16_000)
    yield "1 MHz", flac((1 << 20) - 1, 1, 16, 16_000)
    yield "2^36 samples", flac(SAMPLE_RATE, 1, 16, (1 << 36) - 1)
    yield "unknown length", flac(SAMPLE_RATE, 1, 16, 0)
    yield "8 channels", flac(SAMPLE_RATE, 8, 16, 16_000)
    yield "4 bits", flac(SAMPLE_RATE, 1, 4, 16_000)
    yield "32 bits", flac(SAMPLE_RATE, 1, 32, 16_000)
    yield "blocks of 0", flac(SAMPLE_RATE, 1, 16, 16_000, 0, 0)
    yield "blocks of 65535", flac(SAMPLE_RATE, 1, 16, 16_000, 65_535, 1)
    yield "no frame", b"fLaC\x80\0\0\x22" + bytes(34)
    yield "metadata of 16 MB", b"fLaC\x81\xff\xff\xff" + frames
    yield "2^32 comments", b"fLaC\x84\0\0\x10" + struct.pack("<I", 0) + b"\xff" * 12 + frames
    yield "endless metadata", b"fLaC" + b"\x01\0\0\0" * 60_000


def _lying_ogg() -> Files:
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    wide = b"OpusHead" + struct.pack("<BBHIhB", 1, 255, 65_535, 0xFFFFFFFF, 32_767, 255) + bytes([255, 0]) + bytes(255)
    tags = b"OpusTags" + bytes(8)
    for name, first, second in (
        ("255 channels", wide, tags),
        ("version 255", head[:8] + b"\xff" + head[9:], tags),
        ("no channel", head[:9] + b"\0" + head[10:], tags),
        ("2^32 comments", head, b"OpusTags\0\0\0\0" + b"\xff" * 8),
        ("header alone", head, b""),
        ("no header", tags, head),
    ):
        yield f"opus {name}", ogg([[first], [second], [_SILENT_PACKET] * 50])
    for name, channels, rate, blocks in (
        ("no channel", 0, 44_100, 0xB8), ("255 channels", 255, 44_100, 0xB8), ("0 Hz", 1, 0, 0xB8),
        ("4 GHz", 1, 0xFFFFFFFF, 0xB8), ("wrong blocks", 1, 44_100, 0x1F),
    ):  # fmt: skip
        first = b"\x01vorbis" + struct.pack("<IBIiiiBB", 0, channels, rate, 0, 0, 0, blocks, 1)
        comments, books = b"\x03vorbis" + b"\xff" * 9, b"\x05vorbis\xff" + bytes(60)
        yield f"vorbis {name}", ogg([[first], [comments, books], [bytes(100)]])
    yield "of another codec", ogg([[b"\x80theora" + bytes(35)], [bytes(50)]])
    yield "of wrong checksums", ogg([[head], [tags], [_SILENT_PACKET] * 50], checked=False)
    yield "of many streams", b"".join(ogg([[head], [tags]], serial=number) for number in range(2_000))
    yield "of one page without end", b"OggS\0\x02" + bytes(20) + b"\xff" + b"\xff" * 255 + bytes(9_000)


def _lying_mp3(tone: np.ndarray) -> Files:
    whole = encoded(tone, SAMPLE_RATE, "MP3", "MPEG_LAYER_III")
    yield "tag of 256 MB", b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + whole
    yield "many tags", b"ID3\x04\0\0\0\0\0\0" * 50_000 + whole
    yield "free bit rate", b"\xff\xfb\x00\xc4" + bytes(9_000)
    yield "frame headers alone", b"\xff\xfb\x90\xc4" * 20_000
    yield "Xing of 2^32 frames", b"\xff\xfb\x90\xc4" + bytes(32) + b"Xing\0\0\0\x0f" + b"\xff" * 400 + whole
    yield "layer I", b"\xff\xff\x14\xc4" + bytes(9_000)


def _values() -> Files:
    for name, value in (("nan", np.nan), ("infinity", np.inf), ("-infinity", -np.inf), ("1e38", 1e38)):
        for encoding, kind in (("FLOAT", np.float32), ("DOUBLE", np.float64)):
            yield f"{name} as {encoding}", encoded(np.full(16_000, value, dtype=kind), SAMPLE_RATE, "WAV", encoding)
    one = np.zeros(16_000, dtype=np.float32)
    one[12_345] = np.nan
    yield "one nan", encoded(one, SAMPLE_RATE, "WAV", "FLOAT")
    yield "1e308", encoded(np.full(16_000, 1e308), SAMPLE_RATE, "WAV", "DOUBLE")
    yield "denormal", encoded(np.full(16_000, 1e-42, dtype=np.float32), SAMPLE_RATE, "WAV", "FLOAT")
    yield "no sample", encoded(np.zeros(0, dtype=np.float32), SAMPLE_RATE, "WAV", "PCM_16")
    yield "one sample", encoded(np.zeros(1, dtype=np.float32), SAMPLE_RATE, "WAV", "PCM_16")


def _bombs() -> Files:
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    two = b"OpusHead" + struct.pack("<BBHIhB", 1, 2, 0, 48_000, 0, 0)
    pages = [[_SILENT_PACKET] * 100] * 600
    yield "two hours of opus", ogg([[head], [b"OpusTags" + bytes(8)], *pages])
    yield "two hours of opus in stereo", ogg([[two], [b"OpusTags" + bytes(8)], *pages])
    for channels in (1, 8):
        seconds = 3_600 // channels
        yield f"{seconds} s of flac, {channels} channels", _silence("FLAC", "PCM_16", SAMPLE_RATE, channels, seconds)
    yield "vorbis", _silence("OGG", "VORBIS", 8_000, 1, 120)
    yield "forty seconds of opus", _silence("OGG", "OPUS", 48_000, 1, 40)
    frames = encoded(np.zeros(8_000 * 30, dtype=np.float32), 8_000, "MP3")
    # Without the first frame, which says how many there are.
    yield "a quarter of an hour of mp3", frames[frames.index(frames[:2], 4) :] * 30
    yield "wav at 4 kHz", wav(bytes(900_000), rate=4_000, bits=8)
    yield "gzip", gzip.compress(bytes(100_000_000))
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.wav", bytes(100_000_000))
        archive.writestr("../../a.wav", b"RIFF")
    yield "zip", stream.getvalue()


def _polyglots(tone: np.ndarray) -> Files:
    sound = encoded(tone, SAMPLE_RATE, "WAV", "PCM_16")
    flac = encoded(tone, SAMPLE_RATE, "FLAC", "PCM_16")
    aiff = encoded(tone, SAMPLE_RATE, "AIFF", "PCM_16")
    yield "aiff behind a tag of mp3", b"ID3\x04\0\0\0\0\0\0" + aiff
    yield "wav behind a tag of mp3", b"ID3\x04\0\0\0\0\0\0" + sound
    yield "flac behind a tag of mp3", b"ID3\x04\0\0\0\0\0\0" + flac
    yield "picture before wav", b"\xff\xd8\xff\xe0" + sound
    yield "wav with a page in it", wav(before=b"LIST" + struct.pack("<I", 26) + b"<script>alert(1)</script> ")
    yield "flac that calls itself wav", sound[:44] + flac
    yield "wav that calls itself flac", b"fLaC" + sound
    yield "aiff that calls itself ogg", b"OggS" + aiff[4:]
    yield "page that calls itself mp3", b"\xff\xfb\x90\xc4" + b"<html>" * 1_000
    yield "webp", b"RIFF\x24\0\0\0WEBPVP8 " + bytes(100)
    yield "pdf after wav", sound + b"%PDF-1.4" + bytes(100)


# Six frames of twenty milliseconds of silence each, in one packet (RFC 6716, 3.2.5: code 3, constant bit rate).
_SILENT_PACKET = b"\xfb\x06" + b"\xff\xfe" * 6
_SILENT_SAMPLES = 6 * 960


def ogg(pages: list[list[bytes]], serial: int = 1, checked: bool = True) -> bytes:
    """An Ogg stream of pages of packets, each shorter than a page (RFC 3533)."""
    stream, position = bytearray(), 0
    for number, packets in enumerate(pages):
        position += _SILENT_SAMPLES * sum(packet == _SILENT_PACKET for packet in packets)
        lacing = b"".join(b"\xff" * (len(packet) // 255) + bytes([len(packet) % 255]) for packet in packets)
        kind = 2 if number == 0 else 4 if number == len(pages) - 1 else 0
        header = b"OggS\0" + struct.pack("<BqII", kind, position, serial, number)
        body = bytes([len(lacing)]) + lacing + b"".join(packets)
        checksum = _ogg_checksum(header + bytes(4) + body) if checked else 0
        stream += header + struct.pack("<I", checksum) + body
    return bytes(stream)


def _ogg_checksum(content: bytes) -> int:
    register = 0
    for byte in content:
        register = (register << 8 & 0xFFFFFFFF) ^ _OGG_TABLE[register >> 24 ^ byte]
    return register


def _table() -> Iterable[int]:
    for byte in range(256):
        register = byte << 24
        for _ in range(8):
            register = (register << 1 ^ (_OGG_POLYNOMIAL if register & 0x80000000 else 0)) & 0xFFFFFFFF
        yield register


_OGG_TABLE = list(_table())


def _silence(container: str, encoding: str, rate: int, channels: int, seconds: int) -> bytes:
    stream, block = io.BytesIO(), np.zeros((rate * 10, channels), dtype=np.int16)
    with soundfile.SoundFile(stream, "w", rate, channels, encoding, format=container) as file:
        for _ in range(seconds // 10):
            file.write(block)
    return stream.getvalue()
