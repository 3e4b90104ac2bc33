"""Customers and the rates of their labels as the reports show them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harken.config import dump_yaml
from harken.portraits.mentions import SOUND
from harken.provenance import provenance
from harken.records import FAILED, Row, generator
from harken.report.data import (
    CategoryF1,
    Customer,
    CustomerReport,
    LabelMention,
    PortraitReport,
    SuggestedProduct,
)
from harken.report.measures import LABEL_RATES
from harken.settings import TranscriptSettings
from jobs.plan import Plan

CUSTOMERS_SHOWN = 12


def portrait_report(plan: Plan) -> PortraitReport | None:
    """The portraits of a run: the rates of its systems, and some customers as the last of them heard them."""
    if plan.portraits is None:
        return None
    shown = plan.systems[-1]
    heard = [row for row in plan.portraits.rows() if row["system"] == shown]
    drawn = generator("portraits", plan.settings.run.seed).sample(heard, min(CUSTOMERS_SHOWN, len(heard)))
    return _rates(plan.portraits.record(), shown, [_customer(row) for row in drawn], len(heard))


def customer_report(
    settings: TranscriptSettings, transcripts: Path, rows: Sequence[Row], figures: Mapping[str, Any] | None
) -> CustomerReport:
    """The portraits of given transcripts.

    Args:
        rows: of the schema `actors.portraitist.PORTRAIT_SCHEMA`.
        figures: what `jobs.portrait_scores.score_transcripts` found; None without references.
    """
    return CustomerReport(
        title=f"Customers: {transcripts.stem}",
        subtitle=f"{len(rows):,} transcripts, labels by '{settings.portraits.extractor}'",
        customers=[_customer(row) for row in rows],
        rates=_rates(figures, "", [], figures["utterances"]) if figures else None,
        config_yaml=dump_yaml(settings),
        provenance=provenance(),
        language=settings.decoding.language,
    )


def _rates(figures: Mapping[str, Any], system: str, customers: Sequence[Customer], total: int) -> PortraitReport:
    rates, spelled = figures["rates"], figures.get("spelled")
    return PortraitReport(
        systems={name: {rate: found[rate] for rate in LABEL_RATES} for name, found in rates.items()},
        paired={name: {rate: found[rate] for rate in LABEL_RATES} for name, found in figures["paired"].items()},
        categories=[
            CategoryF1(category, labels, {name: found[f"f1.{category}"]["value"] for name, found in rates.items()})
            for category, labels in figures["support"].items()
        ],
        spelled_f1={name: found["f1"]["value"] for name, found in spelled.items()} if spelled else None,
        system=system,
        customers=customers,
        total=total,
    )


def _customer(row: Row) -> Customer:
    return Customer(
        id=row["id"],
        text=row["text"],
        mentions=[
            LabelMention(
                found["category"],
                found["label"],
                found["start"],
                found["end"],
                found["refused"],
                found["found_by"] == SOUND,
            )
            for found in row["mentions"]
        ],
        suggestions=[
            SuggestedProduct(
                found["product"], found["name"], found["score"], [cause["label"] for cause in found["causes"]]
            )
            for found in row["suggestions"]
        ],
        error=row["error"] if row["status"] == FAILED else None,
    )
