"""Labels, their spellings, and where they come from."""

from pathlib import Path

import pytest

from harken.errors import HarkenError
from harken.keywords import Keyword
from harken.portraits.vocabulary import Label, Vocabulary, load_labels

LABELS = [Label("gucci", "BRAND", ("古驰",)), Label("黑色", "COLOUR", ("黑的",))]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_every_spelling_is_the_same_label() -> None:
    found = Vocabulary(LABELS).find("古驰的包，要黑的，GUCCI也行")
    assert [(spelling.label.name, spelling.label.category) for spelling in found] == [
        ("gucci", "BRAND"),
        ("黑色", "COLOUR"),
        ("gucci", "BRAND"),
    ]
    assert (found[0].start, found[0].end) == (0, 2)


def test_keywords_and_product_values_join_the_label_they_spell() -> None:
    vocabulary = Vocabulary.of(
        LABELS,
        [Keyword("古驰", "BRAND"), Keyword("老花", "LINES")],
        [Keyword("Gucci", "BRAND"), Keyword("老花", "LINES"), Keyword("ophidia", "SERIES")],
    )
    assert [label.name for label in vocabulary.labels] == ["gucci", "黑色", "老花", "ophidia"]
    assert vocabulary.categories == ("BRAND", "COLOUR", "LINES", "SERIES")
    label = vocabulary.label("古驰")
    assert label is not None
    assert label.name == "gucci"
    assert vocabulary.label("古驰的") is None


def test_a_name_contains_the_broader_names_of_its_category() -> None:
    vocabulary = Vocabulary(
        [Label("birkin", "SERIES"), Label("birkin 30", "SERIES"), Label("30", "SIZE"), Label("mini kelly", "SERIES")]
    )
    assert [label.name for label in vocabulary.within("birkin 30")] == ["birkin 30", "birkin"]
    assert [label.name for label in vocabulary.within("mini kelly")] == ["mini kelly"]
    assert vocabulary.within("unknown") == []


def test_one_spelling_in_two_labels_is_an_error() -> None:
    with pytest.raises(HarkenError, match=r"GUCCI.*spelling of 'gucci' and of 'gg'"):
        Vocabulary([Label("gucci", "BRAND"), Label("gg", "BRAND", ("GUCCI",))])


@pytest.mark.parametrize("source", ["keywords", "values"])
def test_sources_that_disagree_on_a_category_are_an_error(source: str) -> None:
    other = {source: [Keyword("古驰", "SERIES")]}
    with pytest.raises(HarkenError, match=r"古驰.*SERIES.*BRAND elsewhere"):
        Vocabulary.of(LABELS, other.get("keywords", []), other.get("values", []))


def test_a_label_file_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "labels.csv", "\ufefflabel,category,variants\ngucci,BRAND,古驰| 古奇 |\n\n黑色,COLOUR,\n")
    assert load_labels(path, ["BRAND", "COLOUR"]) == [
        Label("gucci", "BRAND", ("古驰", "古奇")),
        Label("黑色", "COLOUR"),
    ]
    assert load_labels(write(path, "label,category\n黑色,COLOUR\n"), ["COLOUR"]) == [Label("黑色", "COLOUR")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,category\n黑色,COLOR\n", r"line 2, category: 'COLOR'.*COLOUR"),
        ("label,category\n,COLOUR\n", "line 2, label"),
        ("label,category\n", "no labels"),
        ("term,category\n黑色,COLOUR\n", "'label' is missing; it has term, category"),
        ("", "'label' is missing; it has nothing"),
        ("label,category\n黑色,COLOUR,a,b\n", r"line 2: '黑色'.*more cells"),
        ('label,category\n"黑色,COLOUR\n', "not valid CSV"),
    ],
)
def test_a_broken_label_file_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(HarkenError, match=message):
        load_labels(write(tmp_path / "labels.csv", text), ["COLOUR"])


def test_a_missing_label_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match=r"absent\.csv.*does not exist"):
        load_labels(tmp_path / "absent.csv", ["COLOUR"])
