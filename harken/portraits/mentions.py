"""What a note says about its customer: mentions of labels, and the portrait they add up to."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

SPELLING, SOUND, LLM, ANNOTATED = "spelling", "sound", "llm", "annotation"
"""How a mention was found."""


@dataclass(frozen=True)
class Mention:
    """A label that the customer wants or is (``refused``: does not want); ``text`` stands at ``start:end``.

    ``distance`` is the share of phonemes that differ where it was found by sound, else 0.
    """

    category: str
    label: str
    text: str
    start: int
    end: int
    found_by: str
    refused: bool = False
    distance: float = 0.0


Portrait = dict[str, list[str]]
"""Labels by category, in order of mention."""


def portrait(mentions: Iterable[Mention], *, refused: bool = False) -> Portrait:
    """The labels of the mentions that are wanted, or of those that are refused; each once, in order."""
    labels: Portrait = {}
    for mention in mentions:
        if mention.refused == refused and mention.label not in labels.setdefault(mention.category, []):
            labels[mention.category].append(mention.label)
    return {category: found for category, found in labels.items() if found}


def scored_labels(mentions: Iterable[dict[str, Any]]) -> dict[str, set[tuple[str, bool]]]:
    """What is scored of a row's mentions: labels by category, each with whether it is refused.

    Who hears 不要黑色 as 要黑色 has one label too many and one too few.
    """
    labels: dict[str, set[tuple[str, bool]]] = {}
    for mention in mentions:
        labels.setdefault(mention["category"], set()).add((mention["label"], mention["refused"]))
    return labels
