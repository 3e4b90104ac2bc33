"""What writing the labels will take: requests, tokens, cost and time, worked out without asking anybody."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from actors.budget import cost, estimated_tokens
from actors.ledger import account
from actors.llm_writer import FRAME_TOKENS
from actors.prompts import SeedSentence
from actors.requests import RequestBuilder
from harken.keywords import Keyword
from harken.records import Row
from jobs.plan import Plan

# Prompts that are built and measured to estimate all of them.
SAMPLED_REQUESTS = 20
# The JSON around one label: braces, names, its number, its keywords once more.
TOKENS_AROUND_LABEL = 30


@dataclass(frozen=True)
class Estimate:
    """``prompt`` is the first request still to be sent, exactly; money in the currency of the settings' prices.

    ``cost_at_most`` assumes that every label is asked for as often as allowed and every answer is as long as
    allowed; retries after failures come on top where the endpoint charges them.
    """

    rows: int
    requests: int
    tokens_in: int
    tokens_out: int
    cost: float
    cost_at_most: float
    minutes_at_least: float
    prompt: str


def estimate(plan: Plan, seeds: Sequence[SeedSentence], keywords: Sequence[Keyword]) -> Estimate | None:
    """The estimate for what is still missing of the rounds that were begun; None when nothing is."""
    settings, labels = plan.settings, plan.settings.labels
    assert labels.llm is not None
    llm = labels.llm
    builder = RequestBuilder(labels, seeds, keywords, settings.run.seed)
    groups: list[list[Row]] = []
    for round in plan.rounds:
        for shard in round.stage.missing():
            rows = round.source.rows(shard)
            size = llm.labels_per_request
            groups += [rows[start : start + size] for start in range(0, len(rows), size)]
    if not groups:
        return None
    step = max(1, len(groups) // SAMPLED_REQUESTS)
    sampled = [builder.build(group, 0).text for group in groups[::step]]
    rows_left = sum(map(len, groups))
    tokens_in = round_up(statistics.fmean(map(estimated_tokens, sampled)) * len(groups))
    label = statistics.fmean(estimated_tokens(sentence.text) for sentence in seeds) + TOKENS_AROUND_LABEL
    tokens_out = round_up(label * rows_left)
    most_out = llm.tokens_per_label * rows_left + FRAME_TOKENS * len(groups)
    minutes = [0.0]
    if llm.limits.requests_per_minute:
        minutes.append(len(groups) / llm.limits.requests_per_minute)
    if llm.limits.tokens_per_minute:
        minutes.append((tokens_in + tokens_out) / llm.limits.tokens_per_minute)
    return Estimate(
        rows=rows_left,
        requests=len(groups),
        tokens_in=tokens_in,
        tokens_out=tokens_out,
        cost=cost(llm.limits, tokens_in, tokens_out),
        cost_at_most=llm.asks * cost(llm.limits, tokens_in, most_out),
        minutes_at_least=max(minutes),
        prompt=sampled[0],
    )


def describe(plan: Plan, seeds: Sequence[SeedSentence], keywords: Sequence[Keyword]) -> str:
    """The plan as a person reads it: what will be asked of whom, an example, and the estimate."""
    labels = plan.settings.labels
    if labels.llm is None or labels.writer != "llm":
        source = f"of {labels.seeds}" if labels.writer == "given" else "by the embedded writer"
        return f"{labels.count} labels {source}: no requests, no tokens, no cost"
    llm, limits = labels.llm, labels.llm.limits
    categories = sorted({keyword.category for keyword in keywords})
    lines = [
        f"endpoint     {llm.base_url}, model {llm.model}, key from {llm.api_key_env or 'nowhere'}",
        f"labels       {labels.count} in {plan.rounds[0].stage.shards} shards, {llm.labels_per_request} a request",
        f"vocabulary   {len(keywords)} terms in {len(categories)} categories",
        f"sampling     {labels.sampling}" + _planned_coverage(plan, keywords),
        f"limits       {_limit(limits.requests_per_minute)} requests and "
        f"{_limit(limits.tokens_per_minute)} tokens a minute",
        f"             {max(1, labels.workers)} x {limits.requests_in_flight} requests in flight",
    ]
    spent = account(plan.rounds[0].stage.directory)
    lines.append(f"spent        {spent.cost:.4f} (at most {spent.cost_at_most:.4f}) in {spent.requests} requests")
    expected = estimate(plan, seeds, keywords)
    if expected is None:
        return "\n".join([*lines, "to do        nothing: every round that was begun is complete"])
    lines += [
        f"to do        {expected.rows} labels in {expected.requests} requests",
        f"tokens       about {expected.tokens_in} in, {expected.tokens_out} out",
        f"cost         about {expected.cost:.4f}, at most {expected.cost_at_most:.4f}"
        + (f", cap {limits.spend_cap:g}" if limits.spend_cap else ", no cap"),
        f"time         at least {expected.minutes_at_least:.1f} minutes by the limits",
        "",
        "the first request:",
        "",
        expected.prompt,
    ]
    return "\n".join(lines)


def round_up(value: float) -> int:
    """The next whole number."""
    return -int(-value // 1)


def _planned_coverage(plan: Plan, keywords: Sequence[Keyword]) -> str:
    from actors.schedule import KeywordSchedule

    labels = plan.settings.labels
    if labels.sampling == "paper" or labels.llm is None:
        return f", {labels.keywords_per_category} terms of each category offered, the model chooses"
    schedule = KeywordSchedule(keywords, *labels.llm.keywords_per_label, plan.settings.run.seed)
    planned, needed = schedule.mentions_planned(labels.count), schedule.rows_for(labels.coverage_k)
    text = f", each term asked for {planned:.1f} times (coverage_k {labels.coverage_k})"
    return text if needed <= labels.count else f"{text}: too few, that takes {needed} labels"


def _limit(value: float | None) -> str:
    return "any number of" if value is None else f"{value:g}"
