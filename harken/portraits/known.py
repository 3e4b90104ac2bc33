"""What a configuration knows of the business: its labels and its products."""

from harken.keywords import load_keywords
from harken.portrait_settings import PortraitSettings
from harken.portraits.products import Catalogue, load_products
from harken.portraits.vocabulary import Vocabulary, load_labels
from harken.settings import KeywordSettings


def known_labels(keywords: KeywordSettings, portraits: PortraitSettings) -> tuple[Vocabulary, Catalogue]:
    """The labels of keyword list, label list and product table, and the products by their labels.

    Raises:
        HarkenError: one of the three files is missing or broken, or they disagree.
    """
    categories = (*keywords.categories, *portraits.categories)
    terms = load_keywords(keywords.path, categories=keywords.categories)
    products = load_products(portraits.products, portraits.product_id, portraits.columns, categories)
    labels = load_labels(portraits.labels, categories) if portraits.labels else []
    vocabulary = Vocabulary.of(labels, terms, (value for product in products for value in product.values))
    return vocabulary, Catalogue(products, vocabulary)
