"""Write pseudo-labels: ``python -m jobs.labels --config configs/demo.yaml``.

``--dry-run`` says what an LLM would be asked and what that would cost, and asks nothing. ``--retry-failed`` writes
the rows again that failed, and no others.
"""

import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from harken.errors import HarkenError
from harken.keywords import Keyword, KeywordMatcher, load_keywords
from harken.records import Row, read_manifest, write_json
from harken.settings import PipelineSettings
from jobs.cli import run_job
from jobs.plan import Plan
from jobs.progress import note

if TYPE_CHECKING:
    from actors.prompts import SeedSentence

COVERAGE = "coverage.json"


def write_labels(plan: Plan) -> dict[str, Any]:
    """Bring the label stage to completion; returns its record.

    Raises:
        HarkenError: a missing, empty or broken keyword or seed file, or a seed sentence with no keyword.
    """
    settings = plan.settings
    keywords = load_keywords(settings.keywords.path, categories=settings.keywords.categories)
    if settings.labels.writer == "llm":
        return _ask_llm(plan, keywords)
    from actors.writer import LABEL_SCHEMA, SlotWriter
    from jobs.flow import run_stage

    labels = settings.labels
    if labels.writer == "given":
        from actors.given import GivenLabels

        # Finding keywords takes milliseconds a shard; starting actors for it would take longer.
        return run_stage(
            settings, plan.labels, plan.label_source, GivenLabels, {"keywords": keywords}, LABEL_SCHEMA, workers=0
        )
    arguments = {
        "sentences": _seed_sentences(settings, keywords),
        "keywords": keywords,
        "sentences_per_prompt": labels.sentences_per_prompt,
        "keywords_per_category": labels.keywords_per_category,
        "sampling": labels.sampling,
        "seed": settings.run.seed,
    }
    return run_stage(
        settings, plan.labels, plan.label_source, SlotWriter, arguments, LABEL_SCHEMA, workers=labels.workers
    )


def write_failed_again(plan: Plan) -> dict[str, Any]:
    """Write the failed rows of an LLM's labels again; a retry that was begun and not finished is finished instead.

    Raises:
        HarkenError: the labels are not written by an LLM, and what `write_labels` raises.
    """
    settings = plan.settings
    if settings.labels.writer != "llm":
        remedy = "Only an LLM can write a row again and do better: the embedded writer writes the same again."
        raise HarkenError("labels.writer", settings.labels.writer, remedy)
    from jobs.drafts import begin, judge_drafts

    if not all(round.stage.complete() for round in plan.rounds):
        note("labels: finishing what was begun before anything is retried")
        return write_labels(plan)
    keywords = load_keywords(settings.keywords.path, categories=settings.keywords.categories)
    judge_drafts(plan, keywords)
    count = begin(plan, keywords)
    note(f"labels: {count} failed rows to write again")
    return write_labels(Plan(settings))


def _ask_llm(plan: Plan, keywords: list[Keyword]) -> dict[str, Any]:
    from jobs.drafts import judge_drafts, write_drafts

    settings = plan.settings
    write_drafts(plan, _seed_sentences(settings, keywords), keywords)
    record = judge_drafts(plan, keywords)
    if not (plan.labels.directory / COVERAGE).exists():
        _report_coverage(plan, keywords)
    unpaid = record["failures"].get("spend cap", 0)
    limits = settings.labels.llm.limits if settings.labels.llm else None
    if unpaid and limits and not limits.accept_partial:
        remedy = (
            f"It stopped the writing with {unpaid} of {record['rows']} labels still to be asked for; the others are "
            "kept. Raise it and run python -m jobs.labels with --retry-failed, or set "
            "labels.llm.limits.accept_partial to true to go on without them."
        )
        raise HarkenError("labels.llm.limits.spend_cap", limits.spend_cap, remedy)
    return record


def _report_coverage(plan: Plan, keywords: list[Keyword]) -> None:
    goal = plan.settings.labels.coverage_k
    figures = coverage(plan.labels.rows(["keywords", "status"]), keywords, goal)
    write_json(plan.labels.directory / COVERAGE, figures)
    for category, counts in figures.items():
        note(
            f"coverage: {category} {counts['reached']} of {counts['terms']} terms with {goal} mentions or more, "
            f"{counts['fewest']} to {counts['most']} each"
        )


def _seed_sentences(settings: PipelineSettings, keywords: list[Keyword]) -> "list[SeedSentence]":
    from actors.prompts import SeedSentence

    return [SeedSentence(row["id"], row["text"]) for row in read_seeds(settings, keywords)]


def read_seeds(settings: PipelineSettings, keywords: list[Keyword]) -> list[Row]:
    """The seed sentences, each of which must mention a keyword: one that does not teaches the writer nothing."""
    matcher = KeywordMatcher(keywords)
    path = settings.labels.seeds
    rows = read_manifest(path)
    if settings.labels.writer == "given":
        return rows
    for row in rows:
        if not matcher.find(row["text"]):
            remedy = "It mentions no keyword: add its term to the keyword file or remove the sentence."
            raise HarkenError(f"seed sentence {row['id']} of {path}", row["text"], remedy)
    return rows


def coverage(rows: Iterable[Row], keywords: list[Keyword], goal: int = 1) -> dict[str, dict[str, Any]]:
    """Mentions per category over good labels: terms, terms mentioned, and the least and most mentions of a term.

    ``reached`` counts the terms with at least ``goal`` mentions. A term counts once a label.
    """
    mentions = Counter(
        (keyword["term"], keyword["category"]) for row in rows if row["status"] == "ok" for keyword in row["keywords"]
    )
    categories: dict[str, list[int]] = {}
    for keyword in keywords:
        categories.setdefault(keyword.category, []).append(mentions[keyword.term, keyword.category])
    return {
        category: {
            "terms": len(counts),
            "covered": sum(count > 0 for count in counts),
            "reached": sum(count >= goal for count in counts),
            "mentions": sum(counts),
            "fewest": min(counts),
            "most": max(counts),
        }
        for category, counts in categories.items()
    }


def main(settings: PipelineSettings, dry_run: bool = False, retry_failed: bool = False) -> None:
    """Run this stage of the pipeline, or only tell what it would do, or do its failures again."""
    plan = Plan(settings)
    if dry_run:
        from jobs.estimate import describe

        keywords = load_keywords(settings.keywords.path, categories=settings.keywords.categories)
        print(describe(plan, _seed_sentences(settings, keywords), keywords))
    elif retry_failed:
        write_failed_again(plan)
    else:
        write_labels(plan)


SWITCHES = {
    "dry_run": "print the plan, an example prompt and the estimated requests, tokens and cost; ask nothing",
    "retry_failed": "write the rows again that failed, and no others (labels.writer: llm)",
}

if __name__ == "__main__":
    sys.exit(run_job(main, PipelineSettings, __doc__ or "", switches=SWITCHES))
