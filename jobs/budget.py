"""The LLM budget of a whole run, kept where every worker reaches it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from actors.budget import Allowance, Budget, LocalAllowance, Permit
from actors.ledger import account
from harken.settings import ClusterSettings, LlmLimits
from jobs.cluster import connect


class SharedAllowance:
    """A worker's way to the one budget, which lives in an actor beside the driver and ends with it."""

    def __init__(self, budget: ray.actor.ActorHandle) -> None:
        self.budget = budget

    async def reserve(self, ticket: str, tokens: int, cost: float, seconds: float) -> Permit:
        return await self.budget.reserve.remote(ticket, tokens, cost, seconds)

    async def settle(self, ticket: str, tokens: int, cost: float) -> None:
        await self.budget.settle.remote(ticket, tokens, cost)

    async def hold(self, seconds: float) -> None:
        await self.budget.hold.remote(seconds)


def open_allowance(cluster: ClusterSettings, limits: LlmLimits, workers: int, ledgers: Sequence[Path]) -> Allowance:
    """The run's budget, less what the ledgers under the given folders say was spent; local without workers."""
    spent = sum(account(folder).cost_at_most for folder in ledgers)
    if not workers:
        return LocalAllowance(Budget.of(limits, spent))
    connect(cluster)
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    budget: Any = ray.remote(Budget).options(num_cpus=0, scheduling_strategy=here)
    # Waiting happens in the workers: the actor only answers, so that thousands of requests share it.
    return SharedAllowance(
        budget.remote(
            requests_per_minute=limits.requests_per_minute,
            tokens_per_minute=limits.tokens_per_minute,
            spend_cap=limits.spend_cap,
            spent=spent,
        )
    )
