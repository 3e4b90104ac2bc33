"""What is read out of good and broken answers."""

import json

import pytest

from actors.answers import RESPONSE_FORMATS, Label, read_labels

GOOD = {
    "labels": [{"number": 1, "text": "喜欢老花", "keywords": ["老花"]}, {"number": 2, "text": "古驰", "keywords": []}]
}
TEXT = json.dumps(GOOD, ensure_ascii=False)
FIRST = Label(number=1, text="喜欢老花", keywords=["老花"])
SECOND = Label(number=2, text="古驰", keywords=[])


@pytest.mark.parametrize(
    "content",
    [
        TEXT,
        json.dumps(GOOD, indent=2),
        f"```json\n{TEXT}\n```",
        f"好的，结果如下：\n{TEXT}\n希望有帮助。",
        f'<think>{{"labels": [1]}}</think>{TEXT}',
        f"[注意] {TEXT}",
        TEXT.replace("]}]}", "],},]}"),
        json.dumps(GOOD["labels"]),
        json.dumps({"labels": [{"text": "喜欢老花", "keywords": ["老花"]}, {"text": "古驰", "keywords": []}]}),
        json.dumps({"labels": [item | {"note": "extra"} for item in GOOD["labels"]]}),
    ],
)
def test_a_whole_answer_is_read_whatever_is_around_it(content: str) -> None:
    assert read_labels(content) == {1: FIRST, 2: SECOND}


@pytest.mark.parametrize("cut", range(len(TEXT) - 35, len(TEXT) - 3))
def test_an_answer_that_breaks_off_keeps_its_whole_labels(cut: int) -> None:
    assert read_labels(TEXT[:cut]) == {1: FIRST}


def test_one_bad_label_does_not_cost_the_others() -> None:
    items = [{"number": 1, "text": None, "keywords": []}, GOOD["labels"][1]]
    assert read_labels(json.dumps({"labels": items})) == {2: SECOND}


@pytest.mark.parametrize(
    "content", ["", "抱歉，我不能。", "{", "[[[[[", '{"labels": 3}', '{"labels": [[1]]}', "null", '"a"']
)
def test_nothing_is_made_of_nothing(content: str) -> None:
    assert read_labels(content) == {}


def test_the_schema_that_is_sent_allows_nothing_else() -> None:
    sent = RESPONSE_FORMATS["json_schema"]
    assert sent is not None
    schema = sent["json_schema"]["schema"]
    assert schema["additionalProperties"] is False
    assert schema["$defs"]["Label"]["required"] == ["number", "text", "keywords"]
