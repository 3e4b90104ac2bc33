from actors.given import GivenLabels
from actors.writer import LABEL_SCHEMA
from harken.keywords import Keyword


def test_a_transcript_is_its_own_label_with_every_mention() -> None:
    label = GivenLabels([Keyword("老花", "LINES"), Keyword("speedy 20", "SERIES")])
    with_keywords, without = label(
        [{"id": "a", "text": "老花的speedy 20，喜欢老花"}, {"id": "b", "text": "今天天气很好"}]
    )
    assert set(with_keywords) == set(LABEL_SCHEMA.names)
    assert (with_keywords["id"], with_keywords["text"]) == ("a", "老花的speedy 20，喜欢老花")
    assert [keyword["term"] for keyword in with_keywords["keywords"]] == ["老花", "speedy 20", "老花"]
    assert with_keywords["keywords"][1]["category"] == "SERIES"
    assert (without["keywords"], without["status"]) == ([], "ok")
