"""Identifiers that only the server makes: UUIDs that sort by the time they were made (RFC 9562, version 7)."""

import itertools
import secrets
import time
import uuid

_COUNTER = itertools.count()


def new_id() -> str:
    """A fresh UUID in its canonical form; those of one process sort in the order they were made within 4096 a ms."""
    milliseconds = time.time_ns() // 1_000_000
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80
    value |= 0x7 << 76 | (next(_COUNTER) & 0xFFF) << 64
    value |= 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def is_id(text: str) -> bool:
    """Whether the text is a UUID in the form that `new_id` writes; nothing else may become part of a path."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
