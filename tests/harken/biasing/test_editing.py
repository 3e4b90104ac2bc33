import pytest

from harken.biasing.editing import Edit, apply_edits, splice
from harken.biasing.transcript import spread
from harken.text import unit_spans


@pytest.mark.parametrize(
    ("text", "start", "end", "term", "expected"),
    [
        ("喜欢博近包，", 2, 5, "铂金包", "喜欢铂金包，"),
        ("喜欢伯金包", 2, 4, "birkin", "喜欢birkin包"),
        ("new乐福鞋", 3, 6, "loafer", "new loafer"),
        ("乐福鞋new", 0, 3, "loafer", "loafer new"),
        ("I like berk in bags", 7, 14, "Birkin", "I like Birkin bags"),
        ("要三十号", 1, 3, "Speedy 30", "要Speedy 30号"),
    ],
)
def test_a_term_is_written_with_the_spaces_it_needs(text, start, end, term, expected):
    assert splice(text, start, end, term)[0] == expected


def test_units_stay_with_their_text_through_edits():
    text = "喜欢博近包，和speedy。"
    units = spread(text, 0.0, 3.0)
    edited = apply_edits(text, units, [Edit(1, 7, 13, "Speedy 20"), Edit(0, 2, 5, "birkin")])
    assert edited.text == "喜欢birkin，和Speedy 20。"
    assert [(unit.character_start, unit.character_end) for unit in edited.units] == unit_spans(edited.text)
    assert {place: edited.text[slice(*span)] for place, span in edited.spans.items()} == {0: "birkin", 1: "Speedy 20"}
    assert edited.units[2].start == units[2].start
    assert edited.units[2].end == units[4].end
    assert edited.units[-1].end == pytest.approx(units[-1].end)


def test_two_detections_may_stand_for_one_span():
    text = "喜欢博近包"
    edited = apply_edits(text, spread(text, 0.0, 1.0), [Edit(0, 2, 5, "铂金包"), Edit(1, 2, 5, "铂金包")])
    assert edited.text == "喜欢铂金包"
    assert edited.spans == {0: (2, 5), 1: (2, 5)}
