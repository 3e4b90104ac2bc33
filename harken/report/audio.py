"""Playable audio inside the page, within a budget that keeps the file easy to send."""

import base64

from harken.report.markup import Markup, element

_KINDS = ((b"fLaC", "audio/flac"), (b"RIFF", "audio/wav"), (b"OggS", "audio/ogg"), (b"ID3", "audio/mpeg"))


class Shelf:
    """Hands out players until ``budget`` bytes of recordings are in the page."""

    def __init__(self, budget: int) -> None:
        self.left = budget
        self.refused = 0

    def player(self, recording: bytes | None, name: str) -> Markup | None:
        """A player named ``name`` for screen readers; None without a recording, a line of text if it cannot play."""
        if not recording:
            return None
        kind = next((kind for magic, kind in _KINDS if recording.startswith(magic)), None)
        if kind is None:
            return element("span", "recording of an unknown kind", class_="nothing")
        if len(recording) > self.left:
            self.refused += 1
            return element("span", "recording left out: the page is full", class_="nothing")
        self.left -= len(recording)
        source = f"data:{kind};base64,{base64.b64encode(recording).decode('ascii')}"
        return element("audio", controls=True, preload="metadata", aria_label=name, src=source)
