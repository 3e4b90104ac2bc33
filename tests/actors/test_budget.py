"""The budget on a clock that the test turns: limits per minute, and a cap that nothing exceeds."""

import random

import pytest

from actors.budget import Budget, estimated_tokens, most_tokens


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_no_minute_holds_more_requests_than_allowed() -> None:
    clock = Clock()
    budget = Budget(requests_per_minute=30, clock=clock)
    sent = []
    for number in range(100):
        permit = budget.reserve(str(number), 10, 0.0, 60)
        assert permit.granted
        sent.append(clock.now + permit.wait)
        clock.now += 0.1
    assert all(sum(start <= time < start + 60 for time in sent) <= 31 for start in sent)
    assert sent[-1] - sent[0] == pytest.approx(99 * 2)


def test_tokens_per_minute_are_kept_and_what_was_not_used_is_given_back() -> None:
    clock = Clock()
    budget = Budget(tokens_per_minute=600, clock=clock)
    assert budget.reserve("a", 300, 0.0, 60).wait == 0
    assert budget.reserve("b", 300, 0.0, 60).wait == pytest.approx(30)
    budget.settle("a", 100, 0.0)
    assert budget.reserve("c", 10, 0.0, 60).wait == pytest.approx(60 - 20)


def test_a_hold_delays_everyone() -> None:
    budget = Budget(clock=Clock())
    budget.hold(7)
    assert budget.reserve("a", 1, 0.0, 60).wait == pytest.approx(7)


def test_a_request_waits_for_reserved_money_and_gives_up_when_it_is_spent() -> None:
    budget = Budget(spend_cap=1.0, clock=Clock())
    assert budget.reserve("a", 1, 0.7, 60).granted
    later = budget.reserve("b", 1, 0.7, 60)
    assert not later.granted
    assert later.wait
    budget.settle("a", 1, 0.2)
    assert budget.reserve("b", 1, 0.7, 60).granted
    budget.settle("b", 1, 0.7)
    assert budget.reserve("c", 1, 0.7, 60).wait is None
    assert budget.reserve("d", 1, 0.05, 60).granted


def test_money_of_a_worker_that_died_is_spent() -> None:
    clock = Clock()
    budget = Budget(spend_cap=1.0, clock=clock)
    budget.reserve("lost", 1, 0.7, 60)
    clock.now += 61
    assert budget.reserve("b", 1, 0.7, 60).wait is None
    assert budget.spent == pytest.approx(0.7)
    budget.settle("lost", 1, 0.7)
    assert budget.spent == pytest.approx(0.7)


def test_the_cap_holds_for_any_order_of_answers() -> None:
    draw = random.Random(0)
    budget = Budget(spend_cap=1.0, spent=0.25, clock=Clock())
    open_tickets: dict[str, float] = {}
    charged = 0.25
    for number in range(2000):
        most = draw.uniform(0, 0.01)
        if budget.reserve(str(number), 1, most, 60).granted:
            open_tickets[str(number)] = most
        for ticket in draw.sample(sorted(open_tickets), min(len(open_tickets), draw.randint(0, 2))):
            real = open_tickets.pop(ticket) * draw.random()
            charged += real
            budget.settle(ticket, 1, real)
        assert charged + sum(open_tickets.values()) <= 1.0 + 1e-9
    assert charged > 0.9


def test_token_estimates() -> None:
    assert estimated_tokens("喜欢老花") == 4
    assert estimated_tokens("speedy") == 2
    assert most_tokens("喜欢") > 6
