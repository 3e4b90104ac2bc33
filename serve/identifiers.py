"""Identifiers that only the server makes: UUIDs that sort by the time they were made (RFC 9562, version 7)."""

import secrets
import threading
import time
import uuid

_LOCK = threading.Lock()
_last = 0


def new_id() -> str:
    """A fresh UUID in its canonical form; those of one process sort in the order they were made."""
    global _last
    with _LOCK:
        # Milliseconds and a counter of 12 bits as one number that always rises.
        _last = max(_last + 1, time.time_ns() // 1_000_000 << 12)
        milliseconds, counter = divmod(_last, 1 << 12)
    value = milliseconds << 80 | 0x7 << 76 | counter << 64 | 0b10 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def is_id(text: str) -> bool:
    """Whether the text is a UUID in the form that `new_id` writes; nothing else may become part of a path."""
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
