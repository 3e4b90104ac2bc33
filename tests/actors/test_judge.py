import json

import pyarrow as pa
import pytest
from pydantic import ValidationError

from actors.judge import KEEP, REJECT, VERDICT_SCHEMA, Judge
from harken.judge_settings import JudgeSettings
from harken.keywords import Keyword
from harken.stages import cause

KEYWORDS = [Keyword("birkin", "SERIES"), Keyword("老花", "LINES"), Keyword("水桶包", "TYPE")]


def paper(threshold: float, **arguments: object) -> Judge:
    return Judge(JudgeSettings(method="paper", threshold=threshold), **arguments)


def carrier(usual_pace: float | None = None, **settings: object) -> Judge:
    return Judge(JudgeSettings(**settings), KEYWORDS, usual_pace=usual_pace)


def heard(text: str, hypothesis: str | None, **changes: object) -> dict:
    row = {
        "id": "r1",
        "text": text,
        "hypothesis": hypothesis,
        "truncated": False,
        "duration": 2.0,
        "style": None,
        "level_db": -15.0,
        "range_db": 30.0,
        "clipped": 0.0,
        "status": "ok",
        "error": None,
    }
    return row | changes


def test_threshold_is_inclusive_and_only_changes_the_verdict():
    row = heard("喜欢老花系列的包包啊", "喜欢老化系列的包包啊")
    kept, rejected = paper(0.1).judge(row), paper(0.09).judge(row)
    assert kept["cer"] == rejected["cer"] == pytest.approx(0.1)
    assert (kept["verdict"], kept["reason"]) == (KEEP, None)
    assert (rejected["verdict"], rejected["reason"]) == (REJECT, "cer: 0.10 > 0.09")
    assert kept["characters_per_second"] == pytest.approx(5.0)
    # No sounds are compared, so any language will do.
    assert kept["keywords"] is kept["cut_off"] is None
    assert Judge(JudgeSettings(method="paper", threshold=0.1), language="klingon").judge(row) == kept


def test_punctuation_case_and_spacing_are_no_errors():
    assert paper(0.0).judge(heard("喜欢 Speedy 20。", "喜欢speedy20"))["verdict"] == KEEP


def test_nothing_heard_is_every_character_deleted():
    assert paper(0.9).judge(heard("喜欢老花", ""))["cer"] == 1.0
    assert paper(0.9).judge(heard("喜欢老花", None))["verdict"] == REJECT


def test_rows_that_failed_earlier_keep_their_error():
    row = heard("喜欢老花", None, status="failed", error="synthesis: silence")
    verdict = paper(10.0).judge(row)
    assert verdict["verdict"] == REJECT
    assert verdict["reason"] == verdict["error"] == "synthesis: silence"
    assert verdict["status"] == "failed"
    assert verdict["cer"] is None


def test_loops_and_unfinished_hypotheses_are_rejected_below_the_threshold():
    loop = paper(9.0).judge(heard("可推荐男装", "可推荐男装装装装装"))
    assert loop["loop"]
    assert loop["reason"] == "loop: 装 x 5"
    assert paper(9.0).judge(heard("可推荐男装", "可推荐男装", truncated=True))["reason"].startswith("unfinished: ")


def test_a_test_sentence_never_gets_into_training():
    judge = paper(0.5, test_texts=["她想要 Speedy 20，老花的。"])
    assert judge.judge(heard("她想要speedy20老花的", "她想要speedy20老花的"))["reason"].startswith("test sentence: ")
    assert judge.judge(heard("她想要speedy25老花的", "她想要speedy20老花的"))["verdict"] == KEEP


def test_a_label_without_characters_is_rejected_not_divided_by():
    assert paper(0.5).judge(heard("……", "喜欢"))["reason"].startswith("empty label: ")


def test_verdicts_fit_the_schema_and_keep_the_order():
    rows = [heard("喜欢老花", "喜欢"), heard("老花", None, id="r2", status="failed", error="labels: x")]
    table = pa.Table.from_pylist(carrier()(rows), schema=VERDICT_SCHEMA)
    assert table["id"].to_pylist() == ["r1", "r2"]


def test_an_unknown_term_costs_the_paper_a_row_and_the_carrier_judge_none():
    row = heard("客户想要birkin，要黑色。", "客户想要伯金要黑色")
    assert paper(0.15).judge(row)["reason"].startswith("cer: ")
    verdict = carrier().judge(row)
    assert verdict["verdict"] == KEEP
    assert (verdict["carrier_cer"], verdict["keywords"], verdict["keywords_heard"]) == (0.0, 1, 1)
    assert verdict["cer"] > 0.4


@pytest.mark.parametrize(
    ("hypothesis", "expected"),
    [
        ("客户想要birkin要黑色", None),
        ("客户想要喜欢要黑色", None),
        ("客户想要要黑色", "keyword"),
        ("顾客买个birkin有红色", "carrier"),
        ("客户想", "carrier"),
        ("客户想要birkin要黑色黑色黑色黑色", "loop"),
    ],
)
def test_what_the_carrier_judge_objects_to(hypothesis, expected):
    verdict = carrier(threshold=0.5).judge(heard("客户想要birkin要黑色", hypothesis))
    assert (verdict["verdict"] == KEEP) == (expected is None)
    assert (cause(verdict["reason"]) if verdict["reason"] else None) == expected


def test_the_reason_tells_which_keyword_is_missing():
    reason = carrier(threshold=0.5).judge(heard("客户想要birkin的水桶包，要黑色", "客户想要birkin的要黑色"))["reason"]
    assert reason.startswith("keyword: 水桶包 was not said, nothing was heard instead (1.00 > 0.85)")


def test_a_missing_end_needs_the_pace_of_a_cut():
    text, hypothesis = "客户想要老花的水桶包，要黑色，下周再来。", "客户想要老花的水桶包要黑色"
    judge = carrier(usual_pace=7.0, threshold=0.5)
    assert judge.judge(heard(text, hypothesis, duration=3.0))["reason"].startswith("cut off: ")
    assert judge.judge(heard(text, hypothesis, duration=4.6))["verdict"] == KEEP


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"duration": 0.2}, "pace"),
        ({"duration": 9.0}, "pace"),
        ({"duration": 0.7, "style": '{"rate": 1.2}'}, None),
        ({"level_db": -75.0}, "silence"),
        ({"range_db": 3.0}, "noise"),
        ({"clipped": 0.05}, "clipping"),
    ],
)
def test_a_broken_take_is_rejected_even_when_it_is_understood(changes, expected):
    row = heard("喜欢老花", "喜欢老花", duration=0.8) | changes
    verdict = carrier(usual_pace=9.0).judge(row)
    assert (cause(verdict["reason"]) if verdict["reason"] else None) == expected
    assert paper(0.15).judge(row)["verdict"] == KEEP


def test_one_content_judge_of_two_is_enough():
    second = {"second_hypothesis": "客户想要老花", "second_truncated": False, "second_status": "ok"}
    row = heard("客户想要老花", "顾客没要老化") | second
    verdict = carrier().judge(row)
    assert (verdict["verdict"], verdict["cer"]) == (KEEP, 0.0)
    judges = json.loads(verdict["judges"])
    assert judges["first"]["objection"].startswith("carrier: ")
    assert judges["second"]["objection"] is None
    assert carrier().judge(row | {"second_hypothesis": "今天天气好"})["verdict"] == REJECT
    alone = carrier().judge(row | {"second_status": "failed", "second_hypothesis": None})
    assert set(json.loads(alone["judges"])) == {"first"}
    assert alone["verdict"] == REJECT


def test_an_option_without_effect_is_told_and_a_resolved_configuration_loads_again():
    with pytest.raises(ValidationError, match="keyword_missing has no effect"):
        JudgeSettings(method="paper", keyword_missing=0.5)
    settings = JudgeSettings(method="paper", threshold=0.2)
    assert JudgeSettings(**settings.model_dump()) == settings


@pytest.mark.parametrize("second", [{}, {"model": "x", "server": {"base_url": "http://a/v1", "model": "y"}}])
def test_a_second_judge_is_one_recogniser(second):
    with pytest.raises(ValidationError, match="either its model or its server"):
        JudgeSettings(second=second)
