import pyarrow as pa
import pytest

from actors.judge import KEEP, REJECT, VERDICT_SCHEMA, Judge
from harken.loops import find_loop


def heard(text: str, hypothesis: str | None, **changes: object) -> dict:
    row = {
        "id": "r1",
        "text": text,
        "hypothesis": hypothesis,
        "truncated": False,
        "duration": 2.0,
        "status": "ok",
        "error": None,
    }
    return row | changes


def test_threshold_is_inclusive_and_only_changes_the_verdict():
    row = heard("喜欢老花系列的包包啊", "喜欢老化系列的包包啊")
    kept, rejected = Judge(0.1).judge(row), Judge(0.09).judge(row)
    assert kept["cer"] == rejected["cer"] == pytest.approx(0.1)
    assert (kept["verdict"], kept["reason"]) == (KEEP, None)
    assert (rejected["verdict"], rejected["reason"]) == (REJECT, "cer: 0.10 > 0.09")
    assert kept["characters_per_second"] == pytest.approx(5.0)


def test_punctuation_case_and_spacing_are_no_errors():
    assert Judge(0.0).judge(heard("喜欢 Speedy 20。", "喜欢speedy20"))["verdict"] == KEEP


def test_nothing_heard_is_every_character_deleted():
    assert Judge(0.9).judge(heard("喜欢老花", ""))["cer"] == 1.0
    assert Judge(0.9).judge(heard("喜欢老花", None))["verdict"] == REJECT


def test_rows_that_failed_earlier_keep_their_error():
    row = heard("喜欢老花", None, status="failed", error="synthesis: silence")
    verdict = Judge(10.0).judge(row)
    assert verdict["verdict"] == REJECT
    assert verdict["reason"] == verdict["error"] == "synthesis: silence"
    assert verdict["status"] == "failed"
    assert verdict["cer"] is None


def test_loops_and_unfinished_hypotheses_are_rejected_below_the_threshold():
    loop = Judge(9.0).judge(heard("可推荐男装", "可推荐男装装装装装"))
    assert loop["loop"]
    assert loop["reason"] == "loop: 装 x 5"
    assert Judge(9.0).judge(heard("可推荐男装", "可推荐男装", truncated=True))["reason"].startswith("unfinished: ")


def test_a_test_sentence_never_gets_into_training():
    judge = Judge(0.5, test_texts=["她想要 Speedy 20，老花的。"])
    assert judge.judge(heard("她想要speedy20老花的", "她想要speedy20老花的"))["reason"].startswith("test sentence: ")
    assert judge.judge(heard("她想要speedy25老花的", "她想要speedy20老花的"))["verdict"] == KEEP


@pytest.mark.parametrize(
    ("hypothesis", "reference", "loop"),
    [
        ("可推荐男装装装", "可推荐男装", None),
        ("可推荐男装装装装", "可推荐男装", "装 x 4"),
        ("喜欢包 喜欢包 喜欢包", "喜欢包", "喜欢包 x 3"),
        ("看看看看", "看看", "看 x 4"),
        ("一百1000000元", "一百1000000元", None),
        ("哈哈哈哈好", "哈哈哈哈好", None),
        ("", "喜欢", None),
    ],
)
def test_loops(hypothesis, reference, loop):
    assert find_loop(hypothesis, reference) == loop


def test_a_label_without_characters_is_rejected_not_divided_by():
    assert Judge(0.5).judge(heard("……", "喜欢"))["reason"].startswith("empty label: ")


def test_verdicts_fit_the_schema_and_keep_the_order():
    rows = [heard("喜欢老花", "喜欢"), heard("老花", None, id="r2", status="failed", error="labels: x")]
    table = pa.Table.from_pylist(Judge(0.15)(rows), schema=VERDICT_SCHEMA)
    assert table["id"].to_pylist() == ["r1", "r2"]
