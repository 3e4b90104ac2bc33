"""The LLM writer against a local server that speaks the OpenAI protocol, through the real client."""

import json
from pathlib import Path
from typing import Any

import pytest

from actors.budget import Budget, LocalAllowance
from actors.ledger import account
from actors.llm_writer import LlmWriter
from actors.prompts import SeedSentence
from actors.writer import LABEL_SCHEMA
from harken.errors import HarkenError
from harken.keywords import Keyword, KeywordMatcher
from harken.records import FAILED, OK, Row, row_id
from harken.stages import cause
from tests.llm_server import LlmServer, llm_labels

KEYWORDS = [
    *(Keyword(term, "SERIES") for term in ("speedy 20", "neverfull", "铂金包", "戴妃包", "capucines", "twist")),
    *(Keyword(term, "LINES") for term in ("老花", "满天星", "棋盘格")),
    *(Keyword(term, "BRAND") for term in ("古驰", "香奈儿", "爱马仕")),
]
SEEDS = [SeedSentence(f"s{number}", f"第{number}位顾客喜欢老花，想要古驰的包。") for number in range(8)]


def writer(server: LlmServer, folder: Path, allowance: LocalAllowance | None = None, **changes: Any) -> LlmWriter:
    return LlmWriter(llm_labels(server, **changes), SEEDS, KEYWORDS, seed=3, ledger=folder, allowance=allowance)


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger"


def rows(count: int, start: int = 0) -> list[Row]:
    return [{"id": row_id("f", 0, index), "index": index} for index in range(start, start + count)]


def test_labels_hold_what_was_asked_and_the_exact_prompt_stays_with_the_row(ledger: Path) -> None:
    with LlmServer(together=3) as server:
        made = writer(server, ledger)
        written = made(rows(7))
    assert [row["id"] for row in written] == [row["id"] for row in rows(7)]
    sent = {request.prompt for request in server.received}
    matcher = KeywordMatcher(KEYWORDS)
    for row in written:
        assert row["status"] == OK, row["error"]
        assert set(row) == set(LABEL_SCHEMA.names)
        asked = {keyword.term for keyword in made.builder.schedule.targets(row["index"])}
        assert asked <= {keyword["term"] for keyword in row["keywords"]}
        assert {mention.term for mention in matcher.find(row["text"])} == {k["term"] for k in row["keywords"]}
        assert row["prompt"] in sent
        assert row["model"] == "local-model"
    assert len(server.received) == 3
    assert server.most_at_once == 3


def test_rows_and_ledger_and_the_servers_bill_agree(ledger: Path) -> None:
    with LlmServer() as server:
        written = writer(server, ledger)(rows(7))
    sums = account(ledger.parent)
    assert (sums.tokens_in, sums.tokens_out) == (server.billed_in, server.billed_out)
    assert sum(row["tokens_in"] for row in written) == server.billed_in
    assert sum(row["tokens_out"] for row in written) == server.billed_out
    assert sum(row["cost"] for row in written) == pytest.approx((server.billed_in + 2 * server.billed_out) / 1e6)
    assert sums.cost_at_most == pytest.approx(sums.cost)
    assert (sums.requests, sums.retries, sums.answers, sums.unsettled) == (3, 0, 3, 0)


def test_the_papers_prompt_offers_and_the_model_chooses(ledger: Path) -> None:
    with LlmServer() as server:
        written = writer(server, ledger, sampling="paper", labels_per_request=2)(rows(4))
    assert all(row["status"] == OK for row in written)
    prompt = server.received[0].prompt
    assert "LINES: " in prompt
    lines = prompt.split("参考句：\n")[1].split("\n\n")[0].splitlines()
    assert len(lines) == 5
    assert set(lines) <= {sentence.text for sentence in SEEDS}
    assert set(next(line for line in prompt.splitlines() if line.startswith("LINES: "))[7:].split(", ")) == {
        "老花",
        "满天星",
        "棋盘格",
    }


def test_with_thirty_in_a_hundred_requests_failing_every_row_is_accounted_for(ledger: Path) -> None:
    with LlmServer(fault_rate=0.3, seed=5) as server:
        written = writer(server, ledger, labels_per_request=1, limits={"retries": 8})(rows(40))
    assert [row["id"] for row in written] == [row["id"] for row in rows(40)]
    assert len(server.injected()) >= 4, "the seed must inject faults of nearly every kind"
    assert all(row["status"] == OK or row["error"] for row in written)
    assert sum(row["status"] == OK for row in written) >= 38
    sums = account(ledger.parent)
    # A request that timed out on its way was sent and never received.
    assert sums.requests >= len(server.received)
    assert sums.unsettled == 0
    assert sums.answers + sum(count for _, count in sums.failures) == sums.requests
    billed = (server.billed_in + 2 * server.billed_out) / 1e6
    assert sums.cost <= billed <= sums.cost_at_most


def test_rows_that_exhaust_their_retries_fail_with_the_cause(ledger: Path) -> None:
    with LlmServer(fault_rate=1.0, faults=("500",)) as server:
        written = writer(server, ledger, limits={"retries": 2})(rows(6))
    assert {cause(row["error"]) for row in written} == {"status 500"}
    assert all(row["status"] == FAILED for row in written)
    assert len(server.received) == 2 * 3
    assert account(ledger.parent).cost_at_most == 0


def test_a_body_that_is_no_json_and_one_that_breaks_off_are_asked_for_again(ledger: Path) -> None:
    with LlmServer(script=["garbled", "malformed", "truncated"]) as server:
        written = writer(server, ledger)(rows(3))
    assert all(row["status"] == OK for row in written)
    sums = account(ledger.parent)
    assert sums.failures == (("unreadable response", 1),)
    assert sums.cost < sums.cost_at_most
    # The cut-off answer still held its first labels, so that less was asked for the third time.
    assert len(server.received[3].prompt) < len(server.received[2].prompt)


def test_retry_after_is_waited_for(ledger: Path) -> None:
    with LlmServer(script=["429"], retry_after="1.5") as server:
        written = writer(server, ledger)(rows(3))
    first, second = server.received
    assert first.prompt == second.prompt
    assert second.time - first.time >= 1.5
    assert all(row["status"] == OK for row in written)


def test_only_the_labels_that_are_missing_or_bad_are_asked_for_again(ledger: Path) -> None:
    with LlmServer() as server:
        made = writer(server, ledger)
        first, second, third = ([keyword.term for keyword in made.builder.targets(row)] for row in rows(3))
        good = {"number": 1, "text": f"杭州的老师想要{'和'.join(first)}。", "keywords": first}
        lost = {"number": 2, "text": "杭州的老师想要一个包。", "keywords": second}
        server.script.append(json.dumps({"labels": [good, lost]}))
        written = made(rows(3))
    assert len(server.received) == 2
    assert written[0]["text"] == good["text"]
    assert [row["status"] for row in written] == [OK, OK, OK]
    again = server.received[1].prompt
    assert f"1. {second[0]} " in again
    assert f"2. {third[0]} " in again
    assert written[0]["prompt"] == server.received[0].prompt
    assert written[1]["prompt"] == again


def test_a_label_that_never_passes_fails_with_what_was_wrong(ledger: Path) -> None:
    refusal = json.dumps({"labels": [{"number": 1, "text": "抱歉，我无法满足这个请求。", "keywords": []}]})
    with LlmServer(script=[refusal] * 3) as server:
        (row,) = writer(server, ledger)(rows(1))
    assert len(server.received) == 3
    assert (row["status"], cause(row["error"])) == (FAILED, "refusal")
    assert row["text"] == "抱歉，我无法满足这个请求。"
    assert row["tokens_in"] == server.billed_in


def test_answers_that_were_paid_for_are_not_asked_for_again(ledger: Path) -> None:
    with LlmServer() as server:
        first = writer(server, ledger)(rows(7))
        asked = len(server.received)
        # A worker that was killed in the middle of a line, with a request in flight.
        (path,) = ledger.glob("*.jsonl")
        path.write_bytes(path.read_bytes() + b'{"event": "sent", "request": "x", "att')
        assert writer(server, ledger)(rows(7)) == first
        assert len(server.received) == asked
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        path.write_text("".join(line for line in lines if '"settled"' not in line), encoding="utf-8")
        writer(server, ledger)(rows(7))
        assert len(server.received) == 2 * asked
    assert account(ledger.parent).unsettled == asked


def test_the_cap_is_never_exceeded_and_rows_say_so(ledger: Path) -> None:
    cap = 0.004
    allowance = LocalAllowance(Budget(spend_cap=cap))
    with LlmServer(fault_rate=0.3, faults=("timeout", "malformed")) as server:
        limits = {"spend_cap": cap, "timeout_seconds": 3.0}
        written = writer(server, ledger, allowance, labels_per_request=1, limits=limits)(rows(30))
    assert (server.billed_in + 2 * server.billed_out) / 1e6 <= cap
    assert account(ledger.parent).cost_at_most <= cap
    causes = {cause(row["error"]) for row in written if row["status"] == FAILED}
    assert "spend cap" in causes
    assert any(row["status"] == OK for row in written)


def test_a_rejected_key_stops_the_stage_and_says_which_variable(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LABEL_KEY", "secret-1")
    with LlmServer(script=["401"] * 3) as server:
        made = writer(server, ledger, api_key_env="LABEL_KEY")
        with pytest.raises(HarkenError, match="LABEL_KEY"):
            made(rows(3))
    assert server.received[0].headers["authorization"] == "Bearer secret-1"
    assert "secret-1" not in "".join(path.read_text(encoding="utf-8") for path in ledger.glob("*"))


def test_a_missing_key_is_told_before_anything_is_asked(ledger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABEL_KEY", raising=False)
    with LlmServer() as server, pytest.raises(HarkenError, match="LABEL_KEY"):
        writer(server, ledger, api_key_env="LABEL_KEY")


def test_an_endpoint_that_only_fails_stops_the_stage(ledger: Path) -> None:
    with LlmServer(fault_rate=1.0, faults=("500",)) as server:
        made = writer(server, ledger, labels_per_request=1, limits={"retries": 0})
        assert all(row["status"] == FAILED for row in made(rows(15)))
        with pytest.raises(HarkenError, match="brought no answer"):
            made(rows(40, start=15))
    assert 20 <= len(server.received) < 55
