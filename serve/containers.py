"""Which audio files are accepted, told by their first bytes; names and content types of clients count for nothing."""

from typing import Literal

from serve.errors import ServiceError

Container = Literal["wav", "flac", "mp3", "ogg"]

ACCEPTED: tuple[Container, ...] = ("wav", "flac", "mp3", "ogg")
# libsndfile's names of those containers and of the encodings in them that people use; fewer parsers, fewer holes.
LIBSNDFILE_CONTAINERS = frozenset({"WAV", "WAVEX", "FLAC", "MP3", "OGG"})
LIBSNDFILE_ENCODINGS = frozenset(
    {
        *("PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW"),
        *("VORBIS", "OPUS", "MPEG_LAYER_I", "MPEG_LAYER_II", "MPEG_LAYER_III"),
    }
)
# They are told by name, as browsers record them.
_KNOWN_BUT_REFUSED = {"webm": b"\x1a\x45\xdf\xa3", "aiff": b"FORM", "wma": b"\x30\x26\xb2\x75", "amr": b"#!AMR"}


def check_container(content: bytes) -> Container:
    """The container of an upload.

    Raises:
        ServiceError: 400 nothing was sent, 415 another format or none.
    """
    if not content:
        raise ServiceError(400, "invalid_audio", "file: it is empty (0 bytes); send a recording.", "file")
    found = sniff(content)
    if found in ACCEPTED:
        return found
    message = f"file: it is {found or 'no audio'}; send WAV, FLAC, MP3 or Ogg (Opus, Vorbis, FLAC)."
    raise ServiceError(415, "unsupported_audio", message, "file")


def sniff(content: bytes) -> str | None:
    """The container's name by its magic bytes, accepted or not; None when they are those of nothing known."""
    if content[:4] in (b"RIFF", b"RIFX") and content[8:12] == b"WAVE":
        return "wav"
    if content[:4] == b"fLaC":
        return "flac"
    if content[:4] == b"OggS":
        return "ogg"
    if content[:3] == b"ID3" or _is_mpeg_frame(content[:4]):
        return "mp3"
    if content[4:8] == b"ftyp":
        return "m4a"
    return next((name for name, magic in _KNOWN_BUT_REFUSED.items() if content.startswith(magic)), None)


def _is_mpeg_frame(header: bytes) -> bool:
    """Whether four bytes are a frame header: sync, a version, a layer, a bit rate and a sampling rate that exist."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return False
    version, layer = header[1] >> 3 & 3, header[1] >> 1 & 3
    bit_rate, sampling_rate = header[2] >> 4, header[2] >> 2 & 3
    return version != 1 and layer != 0 and bit_rate not in (0, 15) and sampling_rate != 3
