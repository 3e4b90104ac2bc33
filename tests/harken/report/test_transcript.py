import random

from rapidfuzz.distance import Levenshtein

from harken.report.data import Span
from harken.report.transcript import Highlighter, Piece, differences
from harken.text import characters, normalise


def test_each_kind_of_error_is_marked_at_its_place():
    assert differences("喜欢老花包", "喜花老花的包") == [
        Piece("same", "喜"),
        Piece("wrong", "花", "欢"),
        Piece("same", "老花"),
        Piece("extra", "的"),
        Piece("same", "包"),
    ]
    assert differences("喜欢老花", "喜老") == [
        Piece("same", "喜"),
        Piece("missing", "欢"),
        Piece("same", "老"),
        Piece("missing", "花"),
    ]


def test_what_metrics_do_not_count_is_no_error():
    assert differences("喜歡Speedy 20。", "喜欢，ｓｐｅｅｄｙ20") == [Piece("same", "喜欢，ｓｐｅｅｄｙ20")]
    assert differences("herme\u0300s", "Hermès") == [Piece("same", "Hermès")]


def test_silence_misses_everything():
    assert differences("老花", "") == [Piece("missing", "老花")]
    assert "(nothing)" in Highlighter("zh", {}).errors("老花", " ")


def test_marks_add_up_to_both_transcripts_and_to_the_edit_distance():
    chance = random.Random(5)
    for _ in range(300):
        reference, heard = ("".join(chance.choices("老花包 ab,2。", k=chance.randrange(12))) for _ in range(2))
        pieces = differences(reference, heard)
        assert "".join(piece.text for piece in pieces if piece.kind != "missing") == heard
        said = "".join(
            piece.expected if piece.kind == "wrong" else piece.text for piece in pieces if piece.kind != "extra"
        )
        counted = [characters(normalise(text)) for text in (said, reference, heard)]
        assert counted[0] == counted[1]
        errors = sum(len(characters(normalise(piece.text))) for piece in pieces if piece.kind != "same")
        assert errors == Levenshtein.distance(counted[1], counted[2])


def test_keywords_are_marked_with_their_category():
    shown = Highlighter("zh", {"SERIES": "category-0"}).keywords("想看speedy 20包", (Span(2, 11, "SERIES"),))
    assert shown == (
        '<bdi lang="zh" class="speech">想看<mark class="keyword category-0" title="SERIES">speedy 20</mark>包</bdi>'
    )


def test_spans_that_do_not_fit_leave_the_text_whole():
    spans = (Span(0, 2, "A"), Span(1, 3, "B"), Span(5, 99, "C"), Span(3, 3, "D"), Span(-2, 1, "E"))
    shown = Highlighter("zh", {}).keywords("老花包包", spans)
    assert shown.count("<mark") == 1
    assert ">老花</mark>包包<" in shown
