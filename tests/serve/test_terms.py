import json

import pytest
from pydantic import ValidationError

from serve.terms import Problem, Term, read_terms, sanitise


@pytest.mark.parametrize(
    ("sent", "kept"),
    [
        ("Speedy 20", "Speedy 20"),
        ("  Ｓｐｅｅｄｙ　20\t", "Speedy 20"),
        ("a\x00b\x1b[31mc\u202ed", "ab[31mcd"),
        ("Kelly<|endoftext|>", "Kelly"),
        ("＜｜zh｜＞Kelly", "Kelly"),
        ("<|<|zh|>en|>Kelly", "Kelly"),
        ("<|a\u200bb|>Kelly", "Kelly"),
        ("a\ud800b", "ab"),
        ("line\r\nbreak", "line break"),
        ("a < b | c > d", "a < b | c > d"),
        ("Hermès 铂金包", "Hermès 铂金包"),
    ],
)
def test_what_could_steer_a_decoder_or_a_terminal_is_taken_out(sent: str, kept: str) -> None:
    assert sanitise(sent) == kept
    assert sanitise(kept) == kept


def test_terms_are_of_bounded_length_and_can_be_found() -> None:
    assert Term(term="a" * 256).term == "a" * 256
    for wrong in ("a" * 257, "", "   ", "!?", "<|zh|>"):
        with pytest.raises(ValidationError):
            Term(term=wrong)
    with pytest.raises(ValidationError, match="a code"):
        Term(term="a", language="e n")
    # One character can become many by NFKC.
    with pytest.raises(ValidationError):
        Term(term="\ufdfa" * 100)


def read(content: bytes, layout: str) -> list:
    return [
        line if isinstance(line, Problem) else line[1].model_dump(exclude_defaults=True)
        for line in read_terms(content.splitlines(keepends=True), layout)  # type: ignore[arg-type]
    ]


def test_all_layouts_say_the_same() -> None:
    expected = [{"term": "Speedy 20", "category": "SERIES"}, {"term": 'the "one", two', "spoken": "三"}]
    lines = "\n\n".join(json.dumps(term, ensure_ascii=False) for term in expected)
    assert read(b"\xef\xbb\xbf" + lines.encode(), "jsonl") == expected
    table = 'term,category,spoken\r\nSpeedy 20,SERIES,\r\n"the ""one"", two",,三\r\n'
    assert read(b"\xef\xbb\xbf" + table.encode(), "csv") == expected
    assert read(b"Speedy 20\tSERIES\nKelly\n", "tsv") == [expected[0], {"term": "Kelly"}]


def test_every_wrong_line_is_told_with_its_number() -> None:
    problems = read(b'{"term": "a"}\n{"term": 1}\n\n{"term": "b", "colour": "red"}\nnull\n', "jsonl")
    assert problems[0] == {"term": "a"}
    assert [problem.line for problem in problems[1:]] == [2, 4, 5]
    assert "colour" in problems[2].message
    (headless,) = read("name,category\n铂金包,TYPE\n".encode(), "csv")
    assert "'term'" in headless.message
    assert "name,category" in headless.message
    (short,) = read(b'{"term": ""}\n', "jsonl")
    assert "'' is not accepted" in short.message
