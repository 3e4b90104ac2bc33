"""The page of given transcripts: who the customers are, how right that is, and what is offered to them."""

import dataclasses

import pytest

from harken.report.customers import MAX_CUSTOMERS, render_customers
from harken.report.data import (
    CategoryF1,
    Customer,
    CustomerReport,
    LabelMention,
    PortraitReport,
    SuggestedProduct,
)
from tests.harken.report.document import Document
from tests.harken.report.sample import interval

HOSTILE = "<script>x</script>&"
BAG = SuggestedProduct("HK-082", "dior lady dior", 0.75, ("戴妃包", "红色"))


def customers() -> list[Customer]:
    return [
        Customer(
            "c1",
            "女生，喜欢戴菲包，要红色，不要黑色",
            (
                LabelMention("GENDER", "女士", 0, 2),
                LabelMention("NICKNAME", "戴妃包", 5, 8, by_sound=True),
                LabelMention("COLOUR", "红色", 10, 12),
                LabelMention("COLOUR", "黑色", 15, 17, refused=True),
            ),
            (BAG, SuggestedProduct("HK-001", "lv speedy", 0.25, ("红色",))),
        ),
        Customer(
            "c2", "要红色，红色的", (LabelMention("COLOUR", "红色", 1, 3), LabelMention("COLOUR", "红色", 4, 6)), (BAG,)
        ),
        Customer("c3", f"今天天气很好{HOSTILE}"),
        Customer("c4", "喜欢老花", error="llm: HTTP 500"),
    ]


def page(**changes: object) -> Document:
    report = CustomerReport("Customers: calls", customers(), config_yaml="run: {}\n", provenance={"command": HOSTILE})
    return Document(render_customers(dataclasses.replace(report, **changes)))


def rates() -> PortraitReport:
    systems = {"transcripts": {name: interval(0.8) for name in ("f1", "precision", "recall", "macro_f1")}}
    found = (CategoryF1("COLOUR", 3, {"transcripts": 0.5}),)
    return PortraitReport(systems, {}, found, spelled_f1={"transcripts": 0.7}, total=3)


def rows(document: Document, section: str) -> dict[str, list[str]]:
    """The lines of a section's tables by the first cell, as the texts of the other cells."""
    inside = document.one(section)
    lines = [node for node in document.all("tr") if node.parents[-1] == "tbody" and node.text in inside.text]
    return {line.children[0].text: [cell.text for cell in line.children[1:]] for line in lines}


def test_every_note_has_its_evidence_its_portrait_and_what_it_causes() -> None:
    shown = page().one("customers").text
    for words in (
        "女士 ← 女生",
        "戴妃包 ← 戴菲包, by its sound",
        "COLOUR refused: 黑色",
        "0.75 HK-082 dior lady dior because of  ← 戴妃包, 红色",
        "No label was found.",
        "Not read: llm: HTTP 500",
        HOSTILE,
    ):
        assert words in shown
    marked = [node.text for node in page().all("mark")]
    assert marked == ["女生", "戴菲包", "红色", "黑色", "红色", "红色"]


def test_labels_are_counted_once_a_customer() -> None:
    counted = rows(page(), "categories")
    assert counted["COLOUR"] == ["2", "2", "1", "0", "2", "红色 (2), 黑色 (1)"]
    assert counted["NICKNAME"] == ["1", "1", "0", "1", "1", "戴妃包 (1)"]


def test_products_are_counted_with_what_caused_them() -> None:
    counted = rows(page(), "products")
    assert counted["HK-082 dior lady dior"] == ["2", "2", "戴妃包 (2), 红色 (2)"]
    assert counted["HK-001 lv speedy"] == ["1", "0", "红色 (1)"]


def test_the_summary_counts_those_that_were_read_and_names_why_others_were_not() -> None:
    shown = page().one("summary").text
    for words in ("Customers3", "4 transcripts given", "With a label66.7%", "With a suggestion66.7%", "llm1"):
        assert words in shown
    assert "Label F1" not in shown


def test_references_say_how_right_the_labels_are() -> None:
    assert "--references" in page().one("rates").text
    shown = page(rates=rates())
    assert "0.800 [0.780, 0.820]" in shown.one("summary").text
    for words in ("0.800 [0.780, 0.820]", "F1 without the names that were found by their sound", "3 transcripts"):
        assert words in shown.one("rates").text
    assert rows(shown, "rates")["COLOUR"] == ["3", "0.500"]


@pytest.mark.parametrize("changes", [{}, {"rates": rates()}, {"customers": []}])
def test_the_page_is_whole_and_every_text_inert(changes: dict[str, object]) -> None:
    shown = page(**changes)
    assert len(shown.all("script")) == 1
    assert not [node for node in shown.nodes if node.attributes.get("src", "").startswith("http")]
    links = {node.attributes["href"].removeprefix("#") for node in shown.all("a")}
    assert links == {node.attributes["id"] for node in shown.all("section")}


def test_more_customers_than_a_browser_likes_are_counted_and_not_shown() -> None:
    many = [Customer(f"c{number}", "今天天气很好") for number in range(MAX_CUSTOMERS + 5)]
    shown = page(customers=many)
    assert f"The first {MAX_CUSTOMERS} of {MAX_CUSTOMERS + 5} customers" in shown.one("customers").text
    assert len([node for node in shown.all("tr") if node.attributes.get("class") == "filtered"]) == MAX_CUSTOMERS
    assert f"{MAX_CUSTOMERS + 5} transcripts" in shown.one("summary").text
