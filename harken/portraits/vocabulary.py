"""The labels a portrait is made of: keywords, further labels with their variants, and the values of the products.

A label has one name and category and any number of variants: ``gucci``, BRAND, is also said 古驰. Two spellings of
one thing are then one label, whichever of them the staff or the product table uses.
"""

import csv
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harken.errors import HarkenError
from harken.keywords import Keyword, KeywordMatcher

COLUMNS = ("label", "category")
SEPARATOR = "|"


@dataclass(frozen=True)
class Label:
    """One known label and its variants: other spellings, other names."""

    name: str
    category: str
    variants: tuple[str, ...] = ()

    @property
    def spellings(self) -> tuple[str, ...]:
        """The name and its variants."""
        return (self.name, *self.variants)


@dataclass(frozen=True)
class Spelling:
    """A label found in a text; ``text[start:end]`` is how it is spelled there."""

    label: Label
    start: int
    end: int


class Vocabulary:
    """Finds labels in texts whatever spelling they have there; matching is that of keywords, longest first.

    Raises:
        HarkenError: one spelling in two labels or two categories, or a spelling without letter, digit or ideograph.
    """

    def __init__(self, labels: Iterable[Label]) -> None:
        self.labels = tuple(labels)
        self._matcher = KeywordMatcher(
            [Keyword(spelling, label.category) for label in self.labels for spelling in label.spellings]
        )
        self._owners: dict[str, Label] = {}
        for label in self.labels:
            for spelling in label.spellings:
                known = self._owners.setdefault(self._matcher.find(spelling)[0].term, label)
                if known != label:
                    remedy = f"It is a spelling of {known.name!r} and of {label.name!r}: keep it in one of them."
                    raise HarkenError("portrait label", spelling, remedy)

    @classmethod
    def of(cls, labels: Sequence[Label], keywords: Iterable[Keyword], values: Iterable[Keyword] = ()) -> "Vocabulary":
        """Labels, then the keywords and the product values that are no spelling of a label yet.

        Args:
            labels: from `load_labels`; a keyword among their spellings belongs to that label.
            keywords: the business's vocabulary.
            values: the values of a product table with the category of their column.

        Raises:
            HarkenError: a keyword or value that is known in another category, and what the constructor raises.
        """
        known = cls(labels)
        added: dict[str, Label] = {}
        for keyword in (*keywords, *values):
            label = known.label(keyword.term) or added.setdefault(keyword.term, Label(keyword.term, keyword.category))
            if label.category != keyword.category:
                remedy = f"It is {label.category} elsewhere: keyword list, labels and product table must agree."
                raise HarkenError(f"category of {keyword.term!r}", keyword.category, remedy)
        return cls([*labels, *added.values()])

    @property
    def categories(self) -> tuple[str, ...]:
        """The categories that have labels, in order of appearance."""
        return tuple(dict.fromkeys(label.category for label in self.labels))

    def find(self, text: str) -> list[Spelling]:
        """The labels in ``text`` by position, none overlapping."""
        return [
            Spelling(self._owners[mention.term], mention.start, mention.end) for mention in self._matcher.find(text)
        ]

    def label(self, spelling: str) -> Label | None:
        """The label of which ``spelling`` is a spelling as a whole."""
        term = _whole(self._matcher, spelling)
        return self._owners[term] if term else None

    def within(self, name: str) -> list[Label]:
        """The label of ``name`` and those of the same category that its words contain: birkin in birkin 30."""
        words = name.split()
        whole = self.label(name)
        parts = [
            self.label(" ".join(words[start:end]))
            for start in range(len(words))
            for end in range(len(words), start, -1)
        ]
        found = {label.name: label for label in (whole, *parts) if label and whole and label.category == whole.category}
        return list(found.values())


def load_labels(path: str | Path, categories: Collection[str]) -> list[Label]:
    """Read a label list: CSV, UTF-8 with or without BOM, header ``label,category[,variants]``; ``|`` parts variants.

    Raises:
        HarkenError: the file is missing, empty or not UTF-8, a column is missing, or a line (named) has no label or a
            category that is not among ``categories``.
    """
    path = Path(path)
    labels: list[Label] = []
    for line, row in read_table(path, "label file", COLUMNS):
        place = f"label file {path}, line {line}"
        if not row["label"]:
            raise HarkenError(f"{place}, label", row["label"], "It is empty: write the label or delete the line.")
        if row["category"] not in categories:
            remedy = f"Use one of {', '.join(categories)}, or add it to portraits.categories."
            raise HarkenError(f"{place}, category", row["category"], remedy)
        variants = tuple(dict.fromkeys(values(row.get("variants", ""))))
        labels.append(Label(row["label"], row["category"], variants))
    if not labels:
        raise HarkenError("label file", str(path), "It holds no labels below its header: add some.")
    return labels


def read_table(path: Path, thing: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and stripped cells of every row of a CSV that is not blank.

    Raises:
        HarkenError: the file is missing, empty, no UTF-8 or no CSV, or lacks one of ``columns``.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as lines:
            reader = csv.DictReader(lines, restval="", strict=True)
            header = [name.strip() for name in reader.fieldnames or ()]
            reader.fieldnames = header
            missing = [name for name in columns if name not in header]
            if missing:
                remedy = f"The column {missing[0]!r} is missing; it has {', '.join(header) or 'nothing'}."
                raise HarkenError(thing, str(path), remedy)
            for row in reader:
                if None in row:
                    remedy = "It has more cells than the header: put cells with commas in quotes."
                    raise HarkenError(f"{thing} {path}, line {reader.line_num}", row[header[0]], remedy)
                if any(row.values()):
                    yield reader.line_num, {name: cell.strip() for name, cell in row.items()}
    except FileNotFoundError:
        raise HarkenError(thing, str(path), "It does not exist: give the path of a CSV file.") from None
    except UnicodeDecodeError as failure:
        raise HarkenError(thing, str(path), f"It is not UTF-8 text ({failure.reason}): save it so.") from None
    except csv.Error as failure:
        raise HarkenError(thing, str(path), f"It is not valid CSV: {failure}.") from None
    except OSError as failure:
        raise HarkenError(thing, str(path), f"It cannot be read: {failure.strerror}.") from None


def values(cell: str) -> list[str]:
    """The values in a cell: ``"古驰|gg"`` holds two."""
    return [value.strip() for value in cell.split(SEPARATOR) if value.strip()]


def _whole(matcher: KeywordMatcher, text: str) -> str | None:
    """The term that ``text`` is as a whole, if it is one."""
    mentions = matcher.find(text)
    return mentions[0].term if len(mentions) == 1 and (mentions[0].start, mentions[0].end) == (0, len(text)) else None
