"""Lists of terms: every form, what is cleaned, what is refused, and where."""

from pathlib import Path

import pytest

from harken.errors import HarkenError
from harken.glossary_terms import GlossaryTerm, clean_term, read_glossary


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    return path


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("t.csv", 'Term,Category,language,spoken,extra\n"speedy 20",SERIES,zh,speedy 二十|speedy twenty,x\n老花,,,\n'),
        ("t.tsv", "term\tcategory\tlanguage\tspoken\nspeedy 20\tSERIES\tzh\tspeedy 二十|speedy twenty\n老花\n"),
        (
            "t.jsonl",
            '{"term": "speedy 20", "category": "SERIES", "language": "zh", '
            '"spoken": ["speedy 二十", "speedy twenty"]}\n'
            '{"term": "老花", "spoken": null}\n',
        ),
    ],
)
def test_every_table_says_the_same(tmp_path: Path, name: str, text: str) -> None:
    found = read_glossary(written(tmp_path, name, "\ufeff" + text))
    assert found.terms == [
        GlossaryTerm("speedy 20", "SERIES", "zh", ("speedy 二十", "speedy twenty")),
        GlossaryTerm("老花"),
    ]


def test_a_plain_list_is_a_term_a_line(tmp_path: Path) -> None:
    found = read_glossary(written(tmp_path, "terms.txt", "Kelly, large\r\n\n  ＬＶ包 \n"))
    assert [term.term for term in found.terms] == ["Kelly, large", "LV包"]


@pytest.mark.parametrize(
    ("given", "cleaned"),
    [
        (" Ｓｐｅｅｄｙ™   20 ", "Speedy 20"),
        ("soft\u00adhy\u200bphen\ufeff", "softhyphen"),
        ("خانه\u200cها", "خانه\u200cها"),
        ("e\u0301clair", "éclair"),
    ],
)
def test_spellings_are_cleaned(given: str, cleaned: str) -> None:
    assert clean_term(given) == cleaned


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ("", "empty term"),
        ("\u200b", "empty term"),
        ("a\tb", "control character"),
        ("a\x00b", "control character"),
        ("\ue000", "control character"),
        ("<|endoftext|>", "special token"),
        ("＜｜nospeech｜＞", "special token"),
        ("---", "nothing to say"),
        ("很" * 257, "term too long"),
    ],
)
def test_what_is_no_term_is_refused(given: str, cause: str) -> None:
    with pytest.raises(HarkenError) as failure:
        clean_term(given)
    assert failure.value.thing == cause


@pytest.mark.parametrize(
    ("name", "text", "line", "cause"),
    [
        ("t.csv", "term,category\nkelly,A\n,B\n", 3, "empty term"),
        ("t.csv", 'term,category\n"kelly,A\nbirkin,B\n', 2, "unreadable line"),
        ("t.csv", "term\nkelly,A\n", 2, "unreadable line"),
        ("t.csv", "term,audio\nkelly,nowhere.wav\n", 2, "missing recording"),
        ("t.csv", "term,spoken\nkelly,[[k'Eli\n", 2, "phonemes not closed"),
        ("t.jsonl", '{"term": "kelly"}\n{"term": 3}\n', 2, "term is no text"),
        ("t.jsonl", '{"term": "kelly"}\n{"name": "x"}\n', 2, "unreadable line"),
        ("t.jsonl", "kelly\n", 1, "unreadable line"),
        ("t.txt", "kelly\ncaf\udce9\n", 2, "control character"),
    ],
)
def test_a_bad_line_is_named_or_counted(tmp_path: Path, name: str, text: str, line: int, cause: str) -> None:
    path = written(tmp_path, name, text + ('{"term": "last"}\n' if name.endswith("l") else "last\n"))
    with pytest.raises(HarkenError, match=f"line {line}, {cause}"):
        read_glossary(path)
    found = read_glossary(path, skip_bad=True)
    assert dict(found.bad) == {cause: 1}
    assert [(bad.line, bad.cause) for bad in found.bad_lines] == [(line, cause)]
    assert found.terms[-1].term == "last"


def test_duplicates_are_counted_and_what_they_know_is_kept(tmp_path: Path) -> None:
    (tmp_path / "mine.wav").write_bytes(b"RIFF")
    text = "term,category,language,spoken,audio\nKelly,A,,,\nKELLY,B,,kel lee,\nkelly,,,kel lee,mine.wav\nkelly,,en,,\n"
    found = read_glossary(written(tmp_path, "t.csv", text))
    assert found.duplicates == 2
    assert found.terms == [
        GlossaryTerm("Kelly", "A", "", ("kel lee",), (str(tmp_path / "mine.wav"),)),
        GlossaryTerm("kelly", "", "en"),
    ]


def test_a_list_without_terms_or_header_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match="holds no terms"):
        read_glossary(written(tmp_path, "t.txt", "\n"))
    with pytest.raises(HarkenError, match="must name the columns"):
        read_glossary(written(tmp_path, "t.csv", "name\nkelly\n"))
    with pytest.raises(HarkenError, match="does not exist"):
        read_glossary(tmp_path / "none.csv")
