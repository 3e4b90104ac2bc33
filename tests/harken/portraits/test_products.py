"""The product table and what it suggests."""

import math
from pathlib import Path

import pytest

from harken.errors import HarkenError
from harken.portraits.products import Catalogue, load_products
from harken.portraits.vocabulary import Label, Vocabulary

COLUMNS = {"brand": "BRAND", "series": "SERIES", "colour": "COLOUR"}
CATEGORIES = ("BRAND", "SERIES", "COLOUR")
TABLE = """sku,brand,series,colour,stock
1,hermes,birkin 25,黑色,3
2,hermes,birkin 30,红色|黑色,1
3,gucci,ophidia,黑色,2
4,gucci,ophidia,,9
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "products.csv"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    products = load_products(write(tmp_path, TABLE), "sku", COLUMNS, CATEGORIES)
    labels = [Label("birkin", "SERIES"), Label("gucci", "BRAND", ("古驰",)), Label("kelly", "SERIES")]
    return Catalogue(products, Vocabulary.of(labels, [], [value for product in products for value in product.values]))


def suggested(catalogue: Catalogue, wanted: list[tuple[str, str]], *refused: tuple[str, str]) -> list[str]:
    return [found.product for found in catalogue.suggest(wanted, refused, most=9)]


def test_rare_labels_weigh_more(catalogue: Catalogue) -> None:
    assert catalogue.weights["SERIES", "birkin 30"] == pytest.approx(math.log(1 + 4 / 1))
    assert catalogue.weights["SERIES", "birkin"] == pytest.approx(math.log(1 + 4 / 2))
    assert catalogue.weights["COLOUR", "黑色"] == pytest.approx(math.log(1 + 4 / 3))
    assert suggested(catalogue, [("COLOUR", "红色"), ("BRAND", "gucci")]) == ["2", "3", "4"]


def test_a_product_with_everything_scores_one_and_says_why(catalogue: Catalogue) -> None:
    best, second, *others = catalogue.suggest([("SERIES", "birkin 30"), ("COLOUR", "红色")], [], most=9)
    assert (best.product, best.name, best.score) == ("2", "hermes birkin 30 红色", 1.0)
    assert [(cause.label, cause.asked) for cause in best.causes] == [
        ("birkin 30", "birkin 30"),
        ("红色", "红色"),
        ("birkin", "birkin 30"),
    ]
    assert [(cause.label, cause.asked) for cause in second.causes] == [("birkin", "birkin 30")]
    total = math.log(5) + math.log(5) + math.log(3)
    assert second.score == pytest.approx(math.log(3) / total, abs=1e-6)
    assert others == []


def test_ties_are_in_the_order_of_the_table_and_the_number_is_bounded(catalogue: Catalogue) -> None:
    assert suggested(catalogue, [("BRAND", "gucci")]) == ["3", "4"]
    assert [found.product for found in catalogue.suggest([("BRAND", "gucci")], [], most=1)] == ["3"]


def test_a_product_with_a_refused_label_is_not_suggested(catalogue: Catalogue) -> None:
    assert suggested(catalogue, [("BRAND", "gucci")], ("COLOUR", "黑色")) == ["4"]
    assert suggested(catalogue, [("BRAND", "hermes")], ("SERIES", "birkin")) == []


def test_what_no_product_has_is_unmet(catalogue: Catalogue) -> None:
    wanted = [("SERIES", "kelly"), ("AGE", "年轻"), ("BRAND", "gucci")]
    assert catalogue.unmet(wanted) == ["kelly"]
    assert suggested(catalogue, [("SERIES", "kelly")]) == []
    assert catalogue.suggest([("SERIES", "kelly"), ("BRAND", "gucci")], [], most=1)[0].score == 1.0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sku,brand,series\n1,a,b\n", "'colour' is missing; it has sku, brand, series"),
        ("brand,series,colour\na,b,c\n", "'sku' is missing"),
        ("sku,brand,series,colour\n", "no products"),
        ("sku,brand,series,colour\n1,a,b,c\n1,d,e,f\n", "line 3, sku: '1'.*earlier line"),
        ("sku,brand,series,colour\n,a,b,c\n", "line 2, sku: ''.*empty"),
    ],
)
def test_a_broken_table_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(HarkenError, match=message):
        load_products(write(tmp_path, text), "sku", COLUMNS, CATEGORIES)


def test_a_column_of_an_unknown_category_is_told(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match=r"portraits\.columns\.stock: 'STOCK'.*BRAND, SERIES, COLOUR"):
        load_products(write(tmp_path, TABLE), "sku", {**COLUMNS, "stock": "STOCK"}, CATEGORIES)


def test_a_missing_table_is_told(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match=r"product table: '.*absent\.csv'.*does not exist"):
        load_products(tmp_path / "absent.csv", "sku", COLUMNS, CATEGORIES)
