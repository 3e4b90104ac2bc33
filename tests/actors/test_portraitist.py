"""Portraits from transcripts: lists and sounds, products, rows that failed."""

from pathlib import Path

import pytest

from actors.portraitist import PORTRAIT_SCHEMA, Portraitist, list_portraitist
from harken.keywords import Keyword
from harken.portraits.products import Catalogue, load_products
from harken.portraits.vocabulary import Label, Vocabulary
from harken.records import FAILED, OK, Row, read_parquet, write_parquet

TABLE = """sku,brand,nickname,colour
1,dior,戴妃包,黑色
2,dior,戴妃包,红色
3,hermes,铂金包,黑色
"""


def portraitist(folder: Path, **extraction: object) -> Portraitist:
    path = folder / "products.csv"
    path.write_text(TABLE, encoding="utf-8")
    categories = {"brand": "BRAND", "nickname": "NICKNAME", "colour": "COLOUR"}
    products = load_products(path, "sku", categories, categories.values())
    labels = [Label("女士", "GENDER", ("女生",)), Label("dior", "BRAND", ("迪奥",))]
    values = [value for product in products for value in product.values]
    vocabulary = Vocabulary.of(labels, [Keyword("戴妃包", "NICKNAME"), Keyword("speedy 20", "SERIES")], values)
    return list_portraitist(vocabulary, Catalogue(products, vocabulary), {"suggestions": 2}, **extraction)


BY_SOUND = {"categories": ("NICKNAME", "BRAND", "SERIES"), "distance": 0.2}


def row(text: str | None, **fields: object) -> Row:
    return {"id": "n1", "text": text, **fields}


def test_labels_spans_and_suggestions_of_a_note(tmp_path: Path) -> None:
    (drawn,) = portraitist(tmp_path)([row("女生，想要迪奥的戴妃包，不要黑色")])
    assert set(drawn) == set(PORTRAIT_SCHEMA.names)
    assert dict(drawn["portrait"]) == {"GENDER": ["女士"], "BRAND": ["dior"], "NICKNAME": ["戴妃包"]}
    assert dict(drawn["refused"]) == {"COLOUR": ["黑色"]}
    assert [(m["text"], m["start"], m["found_by"]) for m in drawn["mentions"]][1] == ("迪奥", 5, "spelling")
    assert [(found["product"], found["score"]) for found in drawn["suggestions"]] == [("2", 1.0)]
    assert {cause["label"] for cause in drawn["suggestions"][0]["causes"]} == {"dior", "戴妃包"}


def test_a_misspelled_name_is_found_by_its_sound_and_everyday_words_are_not(tmp_path: Path) -> None:
    note = row("吕士，想要戴菲包，想要speedy 尔十")
    (spelled,) = portraitist(tmp_path)([note])
    assert spelled["portrait"] == []
    readings = {"speedy 20": ["speedy 二十"]}
    (heard,) = portraitist(tmp_path, **BY_SOUND, readings=readings)([note])
    assert dict(heard["portrait"]) == {"NICKNAME": ["戴妃包"], "SERIES": ["speedy 20"]}
    assert [mention["found_by"] for mention in heard["mentions"]] == ["sound", "sound"]
    assert heard["unmet"] == []
    for mention in heard["mentions"]:
        assert note["text"][mention["start"] : mention["end"]] == mention["text"]


def test_rows_that_failed_stay_and_silence_has_no_labels(tmp_path: Path) -> None:
    rows = [
        row("戴妃包", status=FAILED, error="audio: broken") | {"id": "n0"},
        row(None, status=OK, error=None),
        row("戴妃包", status=OK, error=None) | {"id": "n2"},
    ]
    failed, silent, good = portraitist(tmp_path, **BY_SOUND)(rows)
    assert (failed["status"], failed["error"], failed["mentions"]) == (FAILED, "audio: broken", [])
    assert (silent["status"], silent["mentions"], silent["suggestions"]) == (OK, [], [])
    assert [drawn["id"] for drawn in (failed, silent, good)] == ["n0", "n1", "n2"]
    assert good["suggestions"]


def test_a_label_that_no_column_is_about_changes_no_score(tmp_path: Path) -> None:
    (drawn,) = portraitist(tmp_path)([row("想要铂金包，要speedy 20")])
    assert dict(drawn["portrait"]) == {"NICKNAME": ["铂金包"], "SERIES": ["speedy 20"]}
    assert [found["name"] for found in drawn["suggestions"]] == ["hermes 铂金包 黑色"]
    assert drawn["suggestions"][0]["score"] == 1.0


@pytest.mark.parametrize("extraction", [{}, BY_SOUND])
def test_the_rows_fit_the_schema(tmp_path: Path, extraction: dict[str, object]) -> None:
    drawn = portraitist(tmp_path, **extraction)([row("女生，戴菲包，不要红色"), row("") | {"id": "n2"}])
    write_parquet(tmp_path / "p.parquet", drawn, PORTRAIT_SCHEMA)
    again = read_parquet(tmp_path / "p.parquet")
    assert [dict(found["portrait"]) for found in again] == [dict(found["portrait"]) for found in drawn]
    assert again[0]["mentions"] == drawn[0]["mentions"]
