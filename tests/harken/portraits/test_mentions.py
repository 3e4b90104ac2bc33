"""What mentions add up to."""

from dataclasses import asdict

from harken.portraits.mentions import Mention, portrait, scored_labels

MENTIONS = [
    Mention("COLOUR", "黑色", "黑的", 2, 4, "spelling", refused=True),
    Mention("BRAND", "gucci", "古驰", 5, 7, "spelling"),
    Mention("BRAND", "gucci", "gucci", 9, 14, "spelling"),
    Mention("BRAND", "dior", "低奥", 15, 17, "sound"),
]


def test_a_portrait_holds_every_label_once_and_refused_ones_apart() -> None:
    assert portrait(MENTIONS) == {"BRAND": ["gucci", "dior"]}
    assert portrait(MENTIONS, refused=True) == {"COLOUR": ["黑色"]}


def test_a_refused_label_is_scored_as_another_one() -> None:
    assert scored_labels(map(asdict, MENTIONS)) == {
        "COLOUR": {("黑色", True)},
        "BRAND": {("gucci", False), ("dior", False)},
    }
