"""The judge judged: takes with planted faults, and how many of them it catches at what price."""

from collections.abc import Mapping
from typing import Any

from harken.judge_settings import FAULTS
from harken.keywords import load_keywords
from harken.metrics.proportion import wilson
from harken.records import OK, Row, write_json, write_parquet
from harken.report.data import JudgeCheck, PlantedFault
from harken.stages import cause
from jobs.plan import Plan, Speech
from jobs.progress import note
from jobs.speech import synthesize

SUMMARY = "planted.json"


def plant_faults(plan: Plan, planted: Speech) -> None:
    """Choose good takes and bring their copies with faults to completion."""
    from actors.planter import PLANTED_SCHEMA, Planter, choose

    settings, stage = plan.settings, planted.stage
    keywords = load_keywords(settings.keywords.path, settings.keywords.categories)
    chosen = stage.directory / "chosen.parquet"
    if not stage.complete() and not chosen.exists():
        texts = list(plan.speech.stage.rows(["id", "text", "status"]))
        faults = {row["id"]: row for row in choose(texts, settings.judge.planted, keywords)}
        takes = {row["id"]: row for row in plan.speech.stage.rows() if row["id"] in faults}
        write_parquet(chosen, [takes[name] | row for name, row in faults.items()], PLANTED_SCHEMA)
    synthesize(settings, planted, Planter, PLANTED_SCHEMA, keywords=keywords)


def check(plan: Plan) -> JudgeCheck | None:
    """What the judge made of the planted faults and of the same takes before; None when none were planted."""
    if plan.planted is None or plan.planted_verdicts is None:
        return None
    before = {row["id"]: row for row in plan.verdicts.rows(["id", "verdict", "reason", "status"])}
    after = {row["id"]: row for row in plan.planted_verdicts.rows(["id", "verdict", "reason", "status"])}
    faults = {row["id"]: row["fault"] for row in plan.planted.stage.rows(["id", "fault"])}
    return measure(faults, before, after)


def measure(faults: Mapping[str, str], before: Mapping[str, Row], after: Mapping[str, Row]) -> JudgeCheck:
    """Precision and recall where every faulty take stands beside the take it was made from.

    Half of such a set is faulty, far more than of real speech: precision is comparable between judges, but no
    estimate of how many of a run's rejected rows are bad. Rows that failed, or that a held-out set holds, count in
    neither half.

    Args:
        faults: row id -> fault. before, after: the verdicts on the takes without and with it.
    """

    def is_judged(verdict: Row) -> bool:
        return verdict["status"] == OK and cause(verdict["reason"]) != "test sentence"

    judged = [name for name in faults if is_judged(before[name]) and is_judged(after[name])]
    caught = [name for name in judged if after[name]["verdict"] != "keep"]
    false_alarms = sum(before[name]["verdict"] != "keep" for name in judged)
    by_fault = []
    for fault in FAULTS:
        names = [name for name in judged if faults[name] == fault]
        right = sum(name in set(caught) for name in names)
        by_fault.append(PlantedFault(fault, len(names), right, _share(right, len(names))))
    return JudgeCheck(
        precision=_share(len(caught), len(caught) + false_alarms),
        recall=_share(len(caught), len(judged)),
        false_alarms=false_alarms,
        faults=by_fault,
    )


def tell(plan: Plan) -> None:
    """Print the figures and write them beside the verdicts on the planted faults."""
    found = check(plan)
    assert found is not None
    assert plan.planted_verdicts is not None
    write_json(plan.planted_verdicts.directory / SUMMARY, _summary(found))
    by_fault = ", ".join(f"{fault.fault} {fault.caught}/{fault.planted}" for fault in found.faults)
    note(f"judge on planted faults: precision {_told(found.precision)}, recall {_told(found.recall)}; {by_fault}")


def _summary(found: JudgeCheck) -> dict[str, Any]:
    faults = {
        fault.fault: {"planted": fault.planted, "caught": fault.caught, "recall": dict(fault.recall)}
        for fault in found.faults
    }
    measures = {"precision": dict(found.precision), "recall": dict(found.recall)}
    return {**measures, "false_alarms": found.false_alarms, "faults": faults}


def _told(interval: Mapping[str, float | None]) -> str:
    value, low, high = (interval[part] for part in ("value", "low", "high"))
    return "n/a" if value is None or low is None or high is None else f"{value:.3f} [{low:.3f}, {high:.3f}]"


def _share(count: int, total: int) -> dict[str, float | None]:
    found = wilson(count, total)
    return {"value": found["value"], "low": found["low"], "high": found["high"]}
