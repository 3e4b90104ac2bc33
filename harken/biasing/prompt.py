"""The terms as a prompt: what stands before the transcript as if it had been said before (CB-Whisper).

``<|startofprev|> (kw1 kw2) <|startoftranscript|>...``. The reference implementation of the second paper writes
``(kw1 kw2)`` by default and a spoken sentence in its configurations; both are here, and a style of one's own.
"""

from collections.abc import Sequence

from harken.biasing.settings import BiasingSettings
from harken.detection import Detection
from harken.whisper import Whisper

_STYLES = {
    "plain": ("({terms})", " "),
    "spoken": ("The topic of today's speech is, ah, {terms}. Okay, then I'll continue.", ", "),
}


def prompt_tokens(
    whisper: Whisper, detections: Sequence[Detection], settings: BiasingSettings, before: str = ""
) -> list[int]:
    """``<|startofprev|>``, the text `before` and the terms, those of the highest probability first; [] for neither.

    The terms have at most `settings.prompt_tokens` tokens: those that would go beyond are left out, the least probable
    first. Never is more than half of the decoder's positions taken, as Whisper keeps them: what was said longest before
    is left out. No text becomes a special token.
    """
    start = whisper.previous_token
    if start is None:
        return []
    positions: int = whisper.model.config.max_target_positions
    terms = _term_tokens(whisper, detections, settings, min(settings.prompt_tokens, positions // 2) - 1)
    said = whisper.plain_tokens(" " + before.strip()) if before.strip() else []
    room = positions // 2 - 1 - len(terms)
    tokens = [*said[max(0, len(said) - room) :], *terms]
    return [start, *tokens] if tokens else []


def _term_tokens(whisper: Whisper, detections: Sequence[Detection], settings: BiasingSettings, room: int) -> list[int]:
    form, separator = _STYLES[settings.prompt_style]
    ranked = sorted(detections, key=lambda detection: -detection.probability)
    terms = list(dict.fromkeys(detection.term for detection in ranked))
    while terms:
        tokens = whisper.plain_tokens(" " + form.format(terms=separator.join(terms)))
        if len(tokens) <= room:
            return tokens
        terms.pop()
    return []
