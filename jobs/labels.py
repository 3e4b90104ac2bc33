"""Write pseudo-labels: ``python -m jobs.labels --config configs/demo.yaml``."""

import sys
from collections import Counter
from typing import Any

from harken.errors import HarkenError
from harken.keywords import Keyword, KeywordMatcher, load_keywords
from harken.records import Row, read_manifest
from harken.settings import PipelineSettings
from jobs.cli import run_job
from jobs.plan import Plan


def write_labels(plan: Plan) -> dict[str, Any]:
    """Bring the label stage to completion; returns its record.

    Raises:
        HarkenError: a missing, empty or broken keyword or seed file, or a seed sentence with no keyword.
    """
    from actors.prompts import SeedSentence
    from actors.writer import LABEL_SCHEMA, SlotWriter
    from jobs.flow import run_stage

    settings, labels = plan.settings, plan.settings.labels
    keywords = load_keywords(settings.keywords.path, categories=settings.keywords.categories)
    seeds = [SeedSentence(row["id"], row["text"]) for row in read_seeds(settings, keywords)]
    arguments = {
        "sentences": seeds,
        "keywords": keywords,
        "sentences_per_prompt": labels.sentences_per_prompt,
        "keywords_per_category": labels.keywords_per_category,
        "sampling": labels.sampling,
        "seed": settings.run.seed,
    }
    return run_stage(
        settings, plan.labels, plan.label_source, SlotWriter, arguments, LABEL_SCHEMA, workers=labels.workers
    )


def read_seeds(settings: PipelineSettings, keywords: list[Keyword]) -> list[Row]:
    """The seed sentences, each of which must mention a keyword: one that does not teaches the writer nothing."""
    matcher = KeywordMatcher(keywords)
    path = settings.labels.seeds
    rows = read_manifest(path)
    for row in rows:
        if not matcher.find(row["text"]):
            remedy = "It mentions no keyword: add its term to the keyword file or remove the sentence."
            raise HarkenError(f"seed sentence {row['id']} of {path}", row["text"], remedy)
    return rows


def coverage(rows: list[Row], keywords: list[Keyword]) -> dict[str, dict[str, Any]]:
    """Mentions per category over good labels: terms, terms mentioned, and the least and most mentions of a term."""
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
            "mentions": sum(counts),
            "fewest": min(counts),
            "most": max(counts),
        }
        for category, counts in categories.items()
    }


def main(settings: PipelineSettings) -> None:
    """Run this stage of the pipeline."""
    write_labels(Plan(settings))


if __name__ == "__main__":
    sys.exit(run_job(main, PipelineSettings, __doc__ or ""))
