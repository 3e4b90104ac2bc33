"""Terms of a glossary in a transcript: marked where they stand, among the marks of errors."""

import re

import pytest

from harken.report.data import HeardTerm
from harken.report.markup import Markup
from harken.report.transcript import Highlighter


def term(text: str, start: int | None, end: int | None, outcome: str = "applied") -> HeardTerm:
    return HeardTerm(text, "TYPE", 0.5, 1.0, 0.9, outcome, "it fits", start, end)


def marked(reference: str, hypothesis: str, *terms: HeardTerm) -> Markup:
    return Highlighter("zh", {}).errors(reference, hypothesis, terms)


def plain(markup: str) -> str:
    return re.sub(r"<[^>]*>", "", markup)


def test_a_term_is_marked_with_its_probability_and_why():
    shown = marked("想看铂金包吗", "想看铂金包吗", term("铂金包", 2, 5))
    assert '想看<mark class="biased" title="from the glossary, probability 0.90: it fits">铂金包</mark>吗' in shown


def test_errors_inside_and_around_a_term_keep_their_marks():
    shown = marked("想看铂金包吗", "先看铂银包", term("铂银包", 2, 5))
    inside = re.search(r'<mark class="biased"[^>]*>(.*)</mark><del', shown)
    assert inside
    assert plain(inside[1]) == "铂银包"
    assert 'class="wrong" title="instead of: 金"' in inside[1]
    assert 'class="wrong" title="instead of: 想"' in shown[: inside.start()]


def test_an_error_across_the_edge_of_a_term_is_cut_there():
    shown = marked("甲乙丙丁", "子丑寅卯", term("丑寅", 1, 3))
    (inside,) = re.findall(r'<mark class="biased"[^>]*>(.*?)</mark></mark>', shown)
    assert plain(inside) == "丑寅"
    assert 'title="instead of: 乙丙"' in inside
    assert plain(shown) == "子丑寅卯"


@pytest.mark.parametrize("terms", [(term("包", None, None, "rejected"),), (term("包", 90, 91),)])
def test_a_term_that_is_not_in_the_text_marks_nothing(terms: tuple[HeardTerm, ...]):
    shown = marked("小包", "小包", *terms)
    assert "biased" not in shown
    assert plain(shown) == "小包"


def test_what_was_detected_is_listed_by_time_with_its_fate():
    later = HeardTerm("kelly", "SERIES", 2.0, 2.5, 0.51, "rejected", "the words sound different")
    listed = Highlighter("zh", {}).terms([later, term("铂金包", 2, 5)])
    assert listed is not None
    assert plain(listed).startswith("铂金包 0.90 applied 0.50–1.00 s; it fits")
    assert "kelly 0.51 rejected 2.00–2.50 s; the words sound different" in plain(listed)
    assert Highlighter("zh", {}).terms([]) is None
