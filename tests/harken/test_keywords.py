import pickle
import random
from itertools import pairwise

import pytest

from harken.errors import HarkenError
from harken.keywords import Keyword, KeywordMatcher, Mention, find_mentions, load_keywords


def write(folder, content, encoding="utf-8"):
    path = folder / "keywords.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def spelled(text, *terms):
    return [
        text[mention.start : mention.end] for mention in find_mentions(text, [Keyword(term, "X") for term in terms])
    ]


def test_a_list_with_a_byte_order_mark_other_columns_and_blank_lines(tmp_path):
    path = write(tmp_path, 'note,term,category\n,speedy 20,SERIES\n\nx," Hermès ",BRAND\n', "utf-8-sig")
    assert load_keywords(path) == [Keyword("speedy 20", "SERIES"), Keyword("Hermès", "BRAND")]


def test_one_term_in_two_spellings_counts_once(tmp_path):
    path = write(tmp_path, "term,category\nSpeedy 20,SERIES\nspeedy20,SERIES\n")
    assert load_keywords(path) == [Keyword("Speedy 20", "SERIES")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "It is empty"),
        ("\n\n", "It is empty"),
        ("term,category\n", "holds no terms"),
        ("term;category\nspeedy;SERIES\n", "line 1.*'term' is missing"),
        ("term,kind\nspeedy,SERIES\n", "line 1.*'category' is missing"),
        ("term,category\nspeedy,SERIES\n ,SERIES\n", "line 3, term"),
        ("term,category\nspeedy,\n", "line 2, category"),
        ("term,category\nspeedy\n", "line 2, category"),
        ("term,category\n---,SERIES\n", "line 2, term.*no letter"),
        ("term,category\nspeedy,SERIES\nbag,TYPE\nＳＰＥＥＤＹ,TYPE\n", "line 4.*Line 2 has it as SERIES"),
        ("term,category\nspeedy,OTHER\n", "line 2, category: 'OTHER'. Use one of SERIES, TYPE"),
        ('term,category\n"speedy,SERIES\n', "not valid CSV"),
        ("term,category\n花,SERIES\n".encode("gbk"), "not UTF-8"),
    ],
)
def test_a_faulty_list_is_one_clear_error(tmp_path, content, message):
    with pytest.raises(HarkenError, match=message):
        load_keywords(write(tmp_path, content), categories=["TYPE", "SERIES"])


def test_a_missing_list_and_a_folder(tmp_path):
    with pytest.raises(HarkenError, match="does not exist"):
        load_keywords(tmp_path / "none.csv")
    with pytest.raises(HarkenError, match="cannot be read"):
        load_keywords(tmp_path)


@pytest.mark.parametrize(
    "text", ["speedy20", "Speedy 20", "speedy　20", "ＳＰＥＥＤＹ　２０", "SPEEDY-20", "偏好speedy 20系列"]
)
def test_case_width_and_spacing(text):
    (mention,) = find_mentions(text, [Keyword("Speedy 20", "SERIES")])
    assert (mention.term, mention.category) == ("Speedy 20", "SERIES")
    assert text[mention.start : mention.end].strip("偏好系列") == text.strip("偏好系列")


def test_letters_and_digits_need_boundaries_and_chinese_is_one():
    assert spelled("喜欢prada的, prada's, Prada, prada2", "prada") == ["prada", "prada", "Prada", "prada"]
    assert spelled("pradas sprada pradaé", "prada") == []
    assert spelled("speedy 2024 speedy 20s", "speedy 20") == ["speedy 20"]
    assert spelled("m411123 m41112", "M41112") == ["m41112"]


def test_spacing_is_tolerated_only_at_a_joint():
    assert spelled("am i ami", "ami") == ["ami"]
    assert spelled("objetsnomades objets-nomades objets, nomades", "objets nomades") == [
        "objetsnomades",
        "objets-nomades",
    ]
    assert spelled("255元 2.55 2 55", "2.55") == ["2.55", "2 55"]
    assert spelled("三 宅 一 生", "三宅一生") == ["三 宅 一 生"]
    assert spelled("路易·威登", "路易威登") == ["路易·威登"]
    assert spelled("偏好男，装修", "男装") == []
    assert spelled("oh, la la", "Oh, La La") == ["oh, la la"]


def test_accents_and_chinese_variants_fold_and_the_label_keeps_its_spelling():
    for text in ("hermes", "HERMÈS", "herme\u0300s"):
        assert find_mentions(text, [Keyword("Hermès", "BRAND")]) == [Mention("Hermès", "BRAND", 0, len(text))]
    assert spelled("后背包和後背包", "後背包") == ["后背包", "後背包"]
    assert spelled("soren œuvre", "Søren", "oeuvre") == ["soren", "œuvre"]


def test_the_longest_term_wins_and_none_overlap():
    assert spelled("speedy 20系列 speedy", "speedy", "speedy 20") == ["speedy 20", "speedy"]
    # Longest first, not leftmost first.
    assert spelled("上海滩海包", "上海滩", "滩海包系", "海滩海包") == ["海滩海包"]
    assert spelled("aa aa aa", "aa aa") == ["aa aa"]


def test_empty_and_unusual_texts():
    matcher = KeywordMatcher([Keyword("speedy", "SERIES")])
    for text in ("", " ", "。，", "😀", "\ud83d", "spee"):
        assert matcher.find(text) == []
    assert KeywordMatcher([]).find("speedy") == []


def test_conflicting_and_empty_terms_are_refused():
    with pytest.raises(HarkenError, match="two categories"):
        KeywordMatcher([Keyword("speedy", "SERIES"), Keyword("SPEEDY", "TYPE")])
    with pytest.raises(HarkenError, match="no letter"):
        KeywordMatcher([Keyword("…", "SERIES")])


def test_a_matcher_travels_to_workers():
    matcher = KeywordMatcher([Keyword("speedy 20", "SERIES")])
    assert pickle.loads(pickle.dumps(matcher)).find("speedy20") == matcher.find("speedy20")


def test_mentions_never_overlap_and_always_spell_their_term():
    generator = random.Random(3)
    terms = {"".join(generator.choices("ab2包花", k=generator.randint(1, 4))) for _ in range(60)}
    matcher = KeywordMatcher([Keyword(term, "X") for term in sorted(terms)])
    for _ in range(500):
        text = "".join(generator.choices("ab2包花 ，-", k=30))
        mentions = matcher.find(text)
        assert all(left.end <= right.start for left, right in pairwise(mentions))
        for mention in mentions:
            assert text[mention.start : mention.end].replace(" ", "").replace("-", "") == mention.term


def test_every_mention_also_inside_and_across_others():
    matcher = KeywordMatcher([Keyword(term, "X") for term in ("speedy", "speedy 20", "老花", "花包")])
    assert [mention.term for mention in matcher.find_all("老花包speedy20")] == ["老花", "花包", "speedy", "speedy 20"]
    assert [mention.term for mention in matcher.find("老花包speedy20")] == ["老花", "speedy 20"]
    assert matcher.find_all("speedys 老，花") == []


def test_accents_can_make_another_word():
    matcher = KeywordMatcher([Keyword("avó", "X"), Keyword("avô", "X"), Keyword("łaska", "X")], accents=True)
    text = "avo Avó AVÔ avo\u0302 laska Łaska"
    assert [text[mention.start : mention.end] for mention in matcher.find(text)] == ["Avó", "AVÔ", "avo\u0302", "Łaska"]
    assert [mention.term for mention in matcher.find_all("avô avó")] == ["avô", "avó"]


def test_terms_that_differ_in_an_accent_are_kept_apart_on_request(tmp_path):
    path = write(tmp_path, "term,category\navó,X\navô,X\n")
    assert load_keywords(path) == [Keyword("avó", "X")]
    assert load_keywords(path, accents=True) == [Keyword("avó", "X"), Keyword("avô", "X")]
