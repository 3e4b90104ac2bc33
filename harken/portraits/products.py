"""The product table, and which of its products speak to a customer's labels.

The weight of a label is ``ln(1 + N / n)``, where n of the N products have it: what few products have says more about
the one that is meant (an inverse document frequency). A product's score is the weight of the wanted labels it has
over the weight of all wanted labels that some product has, so 1 is a product that has everything asked for. A
product with a refused label is not suggested. Ties are in the order of the table.

A label also asks for what its words contain: ``birkin 30`` asks for ``birkin 30`` and for ``birkin``, so that
another birkin is suggested with a lower score where the 30 is not in stock.
"""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harken.errors import HarkenError
from harken.keywords import Keyword
from harken.portraits.vocabulary import Vocabulary, read_table, values

# How many of the table's columns, in the order of the settings, name a product to a person.
NAMING_COLUMNS = 3

Item = tuple[str, str]
"""Category and name of a label."""


@dataclass(frozen=True)
class Product:
    """One line of the table: its identifier, the words people call it by, and its values with their categories."""

    id: str
    name: str
    values: tuple[Keyword, ...]


@dataclass(frozen=True)
class Cause:
    """A label of the product that the customer's label ``asked`` speaks for."""

    category: str
    label: str
    asked: str
    weight: float


@dataclass(frozen=True)
class Suggestion:
    """A product with its score (0 to 1) and the labels that caused it, the weightiest first."""

    product: str
    name: str
    score: float
    causes: tuple[Cause, ...]


def load_products(
    path: str | Path, product_id: str, columns: Mapping[str, str], categories: Iterable[str]
) -> list[Product]:
    """Read a product table: CSV with a column ``product_id`` and those of ``columns`` (column: category).

    Raises:
        HarkenError: the file is missing, empty or lacks a column, a column's category is unknown, or a line (named)
            has no identifier or that of an earlier one.
    """
    path = Path(path)
    known = list(dict.fromkeys(categories))
    for column, category in columns.items():
        if category not in known:
            raise HarkenError(f"portraits.columns.{column}", category, f"Use a known category: {', '.join(known)}.")
    products: dict[str, Product] = {}
    for line, row in read_table(path, "product table", (product_id, *columns)):
        identity = row[product_id]
        if not identity or identity in products:
            remedy = "It is empty." if not identity else "An earlier line has it already."
            raise HarkenError(f"product table {path}, line {line}, {product_id}", identity, remedy)
        found = [Keyword(value, category) for column, category in columns.items() for value in values(row[column])]
        words = [first for column in list(columns)[:NAMING_COLUMNS] for first in values(row[column])[:1]]
        products[identity] = Product(identity, " ".join(words), tuple(found))
    if not products:
        raise HarkenError("product table", str(path), "It holds no products below its header: add some.")
    return list(products.values())


class Catalogue:
    """Products by their labels; built once, can be pickled.

    Raises:
        HarkenError: a product's value is not in the vocabulary.
    """

    def __init__(self, products: Sequence[Product], vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        self._names = [(product.id, product.name) for product in products]
        self._labels = [self._labels_of(product) for product in products]
        counts = Counter(item for labels in self._labels for item in labels)
        self.weights = {item: math.log1p(len(products) / count) for item, count in counts.items()}

    def suggest(self, wanted: Iterable[Item], refused: Iterable[Item], most: int) -> list[Suggestion]:
        """At most ``most`` products for a customer, the best first; none when no product has a wanted label."""
        asked = self._asked(wanted)
        total = sum(self.weights[item] for item in asked)
        unwanted = set(refused)
        suggestions = []
        for (product, name), labels in zip(self._names, self._labels, strict=True):
            causes = [
                Cause(*item, asked=asking, weight=self.weights[item])
                for item, asking in asked.items()
                if item in labels
            ]
            if causes and not unwanted & labels:
                causes.sort(key=lambda cause: -cause.weight)
                # A rounded score keeps ties that a sum of floats would break.
                score = round(sum(cause.weight for cause in causes) / total, 6)
                suggestions.append(Suggestion(product, name, score, tuple(causes)))
        return sorted(suggestions, key=lambda suggestion: -suggestion.score)[:most]

    def unmet(self, wanted: Iterable[Item]) -> list[str]:
        """The wanted labels of the table's categories that no product has."""
        categories = {category for category, _ in self.weights}
        return [name for category, name in wanted if category in categories and (category, name) not in self.weights]

    def _asked(self, wanted: Iterable[Item]) -> dict[Item, str]:
        """What the wanted labels ask for, as far as products have it, with the label that asks."""
        asked: dict[Item, str] = {}
        for category, name in wanted:
            for label in self.vocabulary.within(name):
                if (label.category, label.name) in self.weights and label.category == category:
                    asked.setdefault((category, label.name), name)
        return asked

    def _labels_of(self, product: Product) -> set[Item]:
        return {
            (label.category, label.name) for value in product.values for label in self.vocabulary.within(value.term)
        }
