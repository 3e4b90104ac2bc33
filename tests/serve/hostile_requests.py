"""Requests that are no proper upload: as bytes on the wire, whoever answers them."""

import socket
from collections.abc import Iterator

PATH = "/v1/audio/transcriptions"
_FORM = "multipart/form-data; boundary=x"


def part(content: bytes, disposition: str = 'form-data; name="file"; filename="a.wav"', *headers: str) -> bytes:
    """A part of a multipart body whose boundary is x."""
    lines = [f"Content-Disposition: {disposition}", *headers]
    return b"--x\r\n" + "\r\n".join(lines).encode("utf-8", "surrogateescape") + b"\r\n\r\n" + content + b"\r\n"


_MODEL = part(b"harken-nano", 'form-data; name="model"')
_END = b"--x--\r\n"


def hostile_bodies(sound: bytes) -> Iterator[tuple[str, str | None, bytes]]:
    """(name, content type, body), some around a good recording."""
    good = part(sound)
    yield "no content type", None, _MODEL + good + _END
    yield "another content type", "application/json", _MODEL + good + _END
    yield "urlencoded", "application/x-www-form-urlencoded", b"file=a&model=b"
    yield "no boundary", "multipart/form-data", _MODEL + good + _END
    yield "empty boundary", "multipart/form-data; boundary=", _MODEL + good + _END
    yield "another boundary", "multipart/form-data; boundary=y", _MODEL + good + _END
    yield "long boundary", "multipart/form-data; boundary=" + "x" * 30_000, _MODEL + good + _END
    yield "boundary twice", f"{_FORM}; boundary=y", _MODEL + good + _END
    yield "unknown charset", f"{_FORM}; charset=utf-7", _MODEL + good + _END
    yield "empty", _FORM, b""
    yield "end alone", _FORM, _END
    yield "no end", _FORM, _MODEL + good
    yield "cut in a header", _FORM, b"--x\r\nContent-Dispo"
    yield "cut in a part", _FORM, _MODEL + good[: len(good) // 2]
    yield "text before and after", _FORM, b"preamble\r\n" + _MODEL + good + _END + b"epilogue"
    yield "line feeds alone", _FORM, (_MODEL + part(b"RIFF") + _END).replace(b"\r\n", b"\n")
    yield "no disposition", _FORM, b"--x\r\n\r\nabc\r\n" + _END
    yield "part without a name", _FORM, part(sound, "form-data") + _END
    yield "disposition of another kind", _FORM, part(sound, 'attachment; name="file"; filename="a"') + _END
    yield "header without a colon", _FORM, b"--x\r\nContent-Disposition\r\n\r\nabc\r\n" + _END
    yield "header of a megabyte", _FORM, part(sound, 'form-data; name="' + "n" * 1_000_000 + '"') + _END
    yield "thousand headers", _FORM, part(sound, 'form-data; name="file"', *["A: b"] * 1_000) + _END
    yield "nested", _FORM, part(
        b'--y\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nRIFF\r\n--y--\r\n',
        'form-data; name="file"', "Content-Type: multipart/mixed; boundary=y",
    ) + _END  # fmt: skip
    yield "nested a thousand times", _FORM, b"--x\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n" * 1_000
    yield "two files", _FORM, _MODEL + good + good + _END
    yield "file in another field", _FORM, _MODEL + part(sound, 'form-data; name="model"; filename="a"') + _END
    yield "file as text", _FORM, _MODEL + part(b"/etc/passwd", 'form-data; name="file"') + _END
    yield (
        "base64",
        _FORM,
        part(b"UklGRg==", 'form-data; name="file"; filename="a"', "Content-Transfer-Encoding: base64"),
    )
    yield "two thousand fields", _FORM, part(b"a", 'form-data; name="keywords[]"') * 2_000 + _END
    yield "field of a megabyte", _FORM, part(b"a" * 1_000_000, 'form-data; name="prompt"') + good + _END
    yield "field that is no text", _FORM, part(b"\xff\xfe\x00", 'form-data; name="prompt"') + _MODEL + good + _END
    yield "unknown fields", _FORM, part(b"1", 'form-data; name="__proto__"') + _MODEL + good + _END
    yield "address in a field", _FORM, part(b"http://127.0.0.1/", 'form-data; name="url"') + _MODEL + _END
    yield "model that is a path", _FORM, part(b"../../../etc/passwd", 'form-data; name="model"') + good + _END
    yield "glossary that is a path", _FORM, part(b"../x", 'form-data; name="glossary_id"') + _MODEL + good + _END
    yield "glossary with a NUL", _FORM, part(b"a\0b", 'form-data; name="glossary_id"') + _MODEL + good + _END
    for name in (
        "../../../../etc/passwd",
        "..\\..\\a.wav",
        "/dev/stdin",
        "|id",
        "a\\0.wav",
        "a" * 60_000,
        "\udcff.wav",
    ):
        shown = name if len(name) < 30 else "of 60,000 letters"
        disposition = f'form-data; name="file"; filename="{name}"'
        yield f"file name {shown!r}", _FORM, _MODEL + part(b"RIFF", disposition) + _END


def hostile_messages() -> Iterator[tuple[str, bytes]]:
    """(name, bytes on the wire): what is against HTTP itself, or announces what it does not send."""
    head = f"POST {PATH} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {_FORM}\r\n".encode()
    chunked = head + b"Transfer-Encoding: chunked\r\n\r\n"
    yield "4 GB announced", head + b"Content-Length: 4294967296\r\n\r\n--x\r\n"
    yield "10^30 bytes announced", head + b"Content-Length: 1" + b"0" * 30 + b"\r\n\r\n--x\r\n"
    yield "negative length", head + b"Content-Length: -1\r\n\r\n"
    yield "length that is no number", head + b"Content-Length: many\r\n\r\n"
    yield "length of another script", head + "Content-Length: ٣\r\n\r\n".encode()
    yield "two lengths", head + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde"
    yield "length and chunks", head + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    yield "chunk that is no number", chunked + b"zz\r\nabc\r\n"
    yield "chunk of 2^64 bytes", chunked + b"ffffffffffffffff\r\nabc\r\n"
    yield "endless chunk extension", chunked + b"1;" + b"a" * 300_000
    yield "control characters", b"POST / HTTP/1.1\r\nContent-Type: multipart/form-data; boundary=\x01\r\n\r\n"
    yield "gzip", head + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    yield "no such version", b"POST / HTTP/9.9\r\n\r\n"
    yield "endless line", b"GET /" + b"a" * 300_000
    yield "endless headers", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"A: b\r\n" * 60_000
    yield "binary", bytes(range(256)) * 4


def exchange(port: int, message: bytes, seconds: float = 60.0) -> tuple[int | None, bytes]:
    """Send what the server takes of a message and read until it closes; (status, body), no status without an answer."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=seconds) as connection:
        try:
            connection.sendall(message)
            connection.shutdown(socket.SHUT_WR)
        except OSError:
            # It was closed under what was still being sent; the answer may be there all the same.
            pass
        try:
            while piece := connection.recv(65_536):
                received += piece
        except ConnectionError:
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    return (int(head.split()[1]), body) if head else (None, b"")
