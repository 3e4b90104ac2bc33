"""The ledger: what it remembers, what it adds up, and what a torn line costs."""

import json
import resource
from pathlib import Path

import pytest

from actors.ledger import FOLDER, Account, Answer, Ledger, account, read
from harken.errors import HarkenError

ANSWER = Answer("内容", "stop", "m", 100, 50, 0.25)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FOLDER / "shard.jsonl"


def test_sums_tell_sure_cost_from_possible_cost(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.sent("a", 0, 0.5)
        ledger.failed("a", 0, "rate limited", 0.0)
        ledger.sent("a", 1, 0.5)
        ledger.failed("a", 1, "timeout", 0.5)
        ledger.sent("a", 2, 0.5)
        ledger.answered("a", 2, ANSWER)
        ledger.sent("b", 0, 0.125)
    assert account(path.parent.parent) == Account(
        requests=4,
        retries=2,
        answers=1,
        tokens_in=100,
        tokens_out=50,
        cost=0.25,
        cost_at_most=0.25 + 0.5 + 0.125,
        unsettled=1,
        failures=(("rate limited", 1), ("timeout", 1)),
    )


def test_a_request_sent_again_after_a_kill_counts_twice(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.sent("a", 0, 0.5)
    with Ledger(path) as ledger:
        assert ledger.answers == {}
        ledger.sent("a", 0, 0.5)
        ledger.answered("a", 0, ANSWER)
    sums = account(path.parent.parent)
    assert (sums.requests, sums.unsettled, sums.cost_at_most) == (2, 1, 0.75)
    with Ledger(path) as ledger:
        assert ledger.answers == {"a": ANSWER}


@pytest.mark.parametrize("cut", [2, 20, 60])
def test_a_torn_line_costs_itself_alone(path: Path, cut: int) -> None:
    with Ledger(path) as ledger:
        ledger.sent("a", 0, 0.5)
        ledger.answered("a", 0, ANSWER)
        ledger.sent("b", 0, 0.5)
    path.write_bytes(path.read_bytes()[:-cut])
    with Ledger(path) as ledger:
        assert set(ledger.answers) == {"a"}
        ledger.sent("c", 0, 0.5)
    assert [line["request"] for line in read(path)] == ["a", "a", "c"]


def test_retries_below_a_stage_are_added_up_and_other_files_are_not(path: Path) -> None:
    stage = path.parent.parent
    for folder in (stage, stage / "retries" / "01"):
        with Ledger(folder / FOLDER / "shard.jsonl") as ledger:
            ledger.sent("a", 0, 0.5)
    (stage / "other.jsonl").write_text(json.dumps({"event": "sent"}), encoding="utf-8")
    assert account(stage).requests == 2


def test_no_request_goes_unrecorded_when_the_file_cannot_grow(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.sent("a", 0, 0.5)
        limit = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, limit[1]))
        try:
            with pytest.raises(HarkenError, match="ledger"):
                ledger.sent("b", 0, 0.5)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        ledger.sent("c", 0, 0.5)
    assert [line["request"] for line in read(path)] == ["a", "c"]
