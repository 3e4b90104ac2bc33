"""Labels from an LLM: drafts of every row, retries of the failed ones, and the verdicts on all of them.

A shard is written without a look at the others, so what needs a view of all labels happens between rounds, in the
driver: near-duplicates get their verdict in the label stage, which is cheap and made anew after every round, and
`begin` chooses what a retry writes by what the labels lack.
"""

from collections import Counter
from typing import Any

from actors.credentials import api_key
from actors.ledger import FOLDER, account
from actors.llm_writer import LlmWriter
from actors.prompts import SeedSentence
from actors.schedule import KeywordSchedule
from actors.verdicts import DuplicateVerdicts, find_duplicates
from actors.writer import LABEL_SCHEMA
from harken.keywords import Keyword, KeywordMatcher
from harken.records import FAILED, OK, write_json
from jobs.budget import open_allowance
from jobs.flow import run_stage
from jobs.plan import Plan
from jobs.progress import note
from jobs.rounds import LatestDrafts, begin_retry


def write_drafts(plan: Plan, seeds: list[SeedSentence], keywords: list[Keyword]) -> None:
    """Bring every round that was begun to completion.

    Raises:
        HarkenError: the key is not set, the endpoint rejects it or the model, or answers nothing any more.
    """
    settings, labels = plan.settings, plan.settings.labels
    drafts = plan.rounds[0].stage
    if all(round.stage.complete() for round in plan.rounds):
        return
    assert labels.llm is not None
    api_key(labels.llm.api_key_env, "labels.llm.api_key_env")
    allowance = open_allowance(settings.cluster, labels.llm.limits, labels.workers, [drafts.directory])
    try:
        for round in plan.rounds:
            arguments = {
                "labels": labels,
                "sentences": seeds,
                "keywords": keywords,
                "seed": settings.run.seed,
                "ledger": round.stage.absolute().directory / FOLDER,
                "allowance": allowance,
            }
            run_stage(settings, round.stage, round.source, LlmWriter, arguments, LABEL_SCHEMA, workers=labels.workers)
    finally:
        tell_account(plan)


def tell_account(plan: Plan) -> None:
    """Write the ledger's sums beside the drafts and say them."""
    drafts = plan.rounds[0].stage
    sums = account(drafts.directory)
    write_json(drafts.directory / "ledger.json", sums.record())
    failures = ", ".join(f"{name} {count}" for name, count in sums.failures)
    note(
        f"ledger: {sums.requests} requests ({sums.retries} retries), {sums.tokens_in} + {sums.tokens_out} tokens, "
        f"cost {sums.cost:.4f} (at most {sums.cost_at_most:.4f})" + (f"; failed: {failures}" if failures else "")
    )


def judge_drafts(plan: Plan, keywords: list[Keyword]) -> dict[str, Any]:
    """Make the label stage out of the drafts; returns its record."""
    labels = plan.settings.labels
    assert labels.llm is not None
    if plan.labels.complete():
        return plan.labels.record()
    source = LatestDrafts(plan.rounds)
    good = [
        (source.round_of[row["id"]], row["index"], row["id"], row["text"])
        for shard in range(source.shards())
        for row in source.rows(shard)
        if row["status"] == OK
    ]
    # A retry must not make a label of an earlier round, which may be spoken already, its duplicate.
    good.sort()
    duplicates = find_duplicates(
        ((identity, text) for _, _, identity, text in good), KeywordMatcher(keywords), labels.llm.near_duplicate
    )
    arguments = {"duplicates": duplicates}
    return run_stage(plan.settings, plan.labels, source, DuplicateVerdicts, arguments, LABEL_SCHEMA, workers=0)


def begin(plan: Plan, keywords: list[Keyword]) -> int:
    """Begin a retry of the rows that failed in the label stage; returns how many there are.

    With sampling 'coverage' the rows are given the terms with the fewest mentions in good labels.
    """
    settings, labels = plan.settings, plan.settings.labels
    assert labels.llm is not None
    mentions: Counter[str] = Counter()
    failed = []
    for row in plan.labels.rows(["id", "index", "keywords", "status"]):
        if row["status"] == FAILED:
            failed.append((row["id"], row["index"]))
        else:
            mentions.update(keyword["term"] for keyword in row["keywords"])
    if not failed:
        return 0
    number = len(plan.rounds)
    targets: list[list[dict[str, str]] | None] = [None] * len(failed)
    if labels.sampling == "coverage":
        schedule = KeywordSchedule(keywords, *labels.llm.keywords_per_label, settings.run.seed)
        chosen = schedule.by_deficit(mentions, [index for _, index in failed], f"retry {number}")
        targets = [[{"term": term.term, "category": term.category} for term in terms] for terms in chosen]
    rows = [
        {"id": identity, "index": index, "round": number, "targets": asked}
        for (identity, index), asked in zip(failed, targets, strict=True)
    ]
    begin_retry(plan.rounds[0].stage, number, rows)
    return len(rows)
