"""Draws customer portraits: transcripts in; labels, where they were mentioned, and product suggestions out."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

import pyarrow as pa

from actors.sounds import SoundMatcher
from harken.portraits.mentions import SOUND, SPELLING, Mention, portrait
from harken.portraits.products import Catalogue
from harken.portraits.refusal import is_refused
from harken.portraits.vocabulary import Label, Vocabulary
from harken.records import FAILED, OK, Row

_LABELS = pa.map_(pa.string(), pa.list_(pa.string()))
_MENTION = pa.struct(
    [
        ("category", pa.string()),
        ("label", pa.string()),
        ("text", pa.string()),
        ("start", pa.int64()),
        ("end", pa.int64()),
        ("found_by", pa.string()),
        ("refused", pa.bool_()),
        ("distance", pa.float64()),
    ]
)
_CAUSE = pa.struct(
    [("category", pa.string()), ("label", pa.string()), ("asked", pa.string()), ("weight", pa.float64())]
)
_SUGGESTION = pa.struct(
    [("product", pa.string()), ("name", pa.string()), ("score", pa.float64()), ("causes", pa.list_(_CAUSE))]
)

PORTRAIT_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("text", pa.string()),
        ("portrait", _LABELS),
        ("refused", _LABELS),
        ("mentions", pa.list_(_MENTION)),
        ("suggestions", pa.list_(_SUGGESTION)),
        ("unmet", pa.list_(pa.string())),
        ("status", pa.string()),
        ("error", pa.string()),
    ]
)


class Extractor(Protocol):
    """Finds labels in transcripts: for each row its mentions by position, or the error it fails with."""

    def extract(self, rows: Sequence[Row], texts: Sequence[str]) -> list[list[Mention] | str]: ...


class ListExtractor:
    """Looks labels up by their spellings and, with a ``distance``, the business's own terms by their sound.

    Args:
        categories: those looked up by sound: names, which recognisers misspell, and no everyday words.
        readings: a term's further readings, as in `actors.pronunciation`.
        distance: the share of phonemes that may differ; None finds only what is spelled right.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        categories: Collection[str] = (),
        readings: Mapping[str, Sequence[str]] | None = None,
        distance: float | None = None,
    ) -> None:
        self.vocabulary = vocabulary
        self.sounds: SoundMatcher | None = None
        if distance is not None:
            names = [label for label in vocabulary.labels if label.category in categories]
            self.sounds = SoundMatcher(_sounding(vocabulary, names, readings or {}), distance)

    def extract(self, rows: Sequence[Row], texts: Sequence[str]) -> list[list[Mention] | str]:
        spelled = [self.vocabulary.find(text) for text in texts]
        mentions = [
            [_mention(found.label, text, found.start, found.end, SPELLING) for found in spellings]
            for text, spellings in zip(texts, spelled, strict=True)
        ]
        if self.sounds:
            taken = [[(found.start, found.end) for found in spellings] for spellings in spelled]
            for found, text, alike in zip(mentions, texts, self.sounds.find(texts, taken), strict=True):
                for sound in alike:
                    label = self.vocabulary.label(sound.term)
                    assert label is not None
                    found.append(_mention(label, text, sound.start, sound.end, SOUND, sound.distance))
        return [sorted(found, key=lambda mention: mention.start) for found in mentions]


class Portraitist:
    """Rows ``{"id", TEXT[, "status", "error"]}`` in, rows of `PORTRAIT_SCHEMA` out, in the same order.

    A row that failed earlier, or whose text could not be read, fails and has neither labels nor suggestions.

    Args:
        text: the column that holds the transcript; None is an empty one.
        suggestions: products suggested to a customer, at most.
    """

    def __init__(self, extractor: Extractor, catalogue: Catalogue, suggestions: int, text: str = "text") -> None:
        self.extractor, self.catalogue, self.suggestions, self.text = extractor, catalogue, suggestions, text

    def __call__(self, rows: list[Row]) -> list[Row]:
        usable = [row for row in rows if row.get("status", OK) == OK]
        found = self.extractor.extract(usable, [row[self.text] or "" for row in usable])
        mentions = {row["id"]: mentions for row, mentions in zip(usable, found, strict=True)}
        return [self._draw(row, mentions.get(row["id"], row.get("error") or "earlier stage")) for row in rows]

    def _draw(self, row: Row, mentions: list[Mention] | str) -> Row:
        drawn: Row = {"id": row["id"], "text": row[self.text] or "", "status": OK, "error": None}
        if isinstance(mentions, str):
            drawn |= {"status": FAILED, "error": mentions}
            mentions = []
        wanted, refused = portrait(mentions), portrait(mentions, refused=True)
        items = [(category, label) for category, labels in wanted.items() for label in labels]
        unwanted = [(category, label) for category, labels in refused.items() for label in labels]
        suggestions = self.catalogue.suggest(items, unwanted, self.suggestions)
        return drawn | {
            "portrait": list(wanted.items()),
            "refused": list(refused.items()),
            "mentions": [asdict(mention) for mention in mentions],
            "suggestions": [asdict(suggestion) for suggestion in suggestions],
            "unmet": self.catalogue.unmet(items),
        }


def list_portraitist(
    vocabulary: Vocabulary, catalogue: Catalogue, options: Mapping[str, Any], **extraction: Any
) -> Portraitist:
    """A `Portraitist` with a `ListExtractor`; ``options`` and ``extraction`` are further arguments of the two."""
    return Portraitist(ListExtractor(vocabulary, **extraction), catalogue, **options)


def _mention(label: Label, text: str, start: int, end: int, found_by: str, distance: float = 0.0) -> Mention:
    refused = is_refused(text, start, end)
    return Mention(label.category, label.name, text[start:end], start, end, found_by, refused, distance)


def _sounding(
    vocabulary: Vocabulary, labels: Sequence[Label], readings: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Every spelling of the labels with what sounds like it."""
    sounding = {spelling: [spelling] for label in labels for spelling in label.spellings}
    names = {label.name for label in labels}
    for term, texts in readings.items():
        label = vocabulary.label(term)
        if label and label.name in names:
            sounding.setdefault(label.name, []).extend(texts)
    return sounding
