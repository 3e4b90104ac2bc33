"""What a voice is given to read."""

from pathlib import Path

import pytest

from actors.pronunciation import Pronouncer, load_pronunciations
from actors.tts.phonemes import groups, outside
from harken.errors import HarkenError

ROOT = Path(__file__).resolve().parents[2]


def test_a_term_is_respelled_wherever_and_however_it_is_written() -> None:
    pronouncer = Pronouncer({"speedy 20": ["speedy 二十"], "lv": ["l v"]})
    assert pronouncer.respell("喜欢Speedy20和LV。", "row") == "喜欢speedy 二十和l v。"
    assert pronouncer.respell("喜欢健身", "row") == "喜欢健身"


def test_every_reading_of_a_term_is_drawn_and_a_row_keeps_its_own() -> None:
    pronouncer = Pronouncer({"speedy 20": ["speedy 二十", "speedy twenty"], "Speedy20": ["speedy two zero"]})
    spoken = [pronouncer.respell("speedy 20和Speedy 20", f"row-{index}") for index in range(40)]
    assert spoken == [pronouncer.respell("speedy 20和Speedy 20", f"row-{index}") for index in range(40)]
    readings = [tuple(text.split("和")) for text in spoken]
    assert all(first == second for first, second in readings)
    assert {first for first, _ in readings} == {"speedy 二十", "speedy twenty", "speedy two zero"}


def test_a_term_inside_a_longer_word_is_left_alone() -> None:
    assert Pronouncer({"lv": ["l v"]}).respell("silver", "row") == "silver"


def test_brackets_of_the_text_are_never_taken_for_phonemes() -> None:
    pronouncer = Pronouncer({"kelly": ["[[k'Eli]]"], "birkin 25": ["[[b'Ikin]] 二十五"]})
    spoken = pronouncer.respell("[[新]][kelly]和[[[birkin 25]]]", "row")
    assert groups(spoken) == ["[[k'Eli]]", "[[b'Ikin]]"]
    assert outside(spoken).replace(" ", "") == "[[新]][]和[[[二十五]]]"


def test_the_examples_load() -> None:
    spoken = load_pronunciations(ROOT / "examples/luxury/pronunciations.csv")
    assert spoken["speedy 20"] == ("speedy 二十",)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("word,sound\na,b\n", "term,spoken"),
        ("", "term,spoken"),
        ("term,spoken\nspeedy 20,\n", "line 2"),
        ("term,spoken\na,b\na,c\na,b\n", "line 4"),
        ("term,spoken\nkelly,[[k'Eli\n", "line 2"),
        ("term,spoken\nkelly,k'Eli]]\n", "line 2"),
        ("term,spoken\nkelly,[[ ]] kelly\n", "line 2"),
        ("term,spoken\nkelly,[[k'E [[li]]\n", "line 2"),
    ],
)
def test_a_broken_file_names_the_place(tmp_path: Path, text: str, part: str) -> None:
    path = tmp_path / "lexicon.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HarkenError, match=part):
        load_pronunciations(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match=r"absent\.csv"):
        load_pronunciations(tmp_path / "absent.csv")
