"""Compare base and adapted, with a section `biasing` also with a glossary: ``python -m jobs.evaluate --config FILE``.

Writes into the run's output folder ``summary.json`` (each metric with a 95% bootstrap interval), ``evaluation.json``
and ``evaluation.csv`` (by set and system also recall by category, IER by class, differences and their p) and a
self-contained ``report.html``, and one row per utterance and set into the stage's Parquet part. The biased systems
are also held against those that they bias. When the CER on general sentences of any system is above the un-tuned
model's by more than `evaluate.forgetting_limit`, ``gate`` is ``failed`` in the summary; ``--strict`` makes that an
error.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harken.config import dump_yaml
from harken.errors import GateError
from harken.forgetting import Forgetting
from harken.keywords import KeywordMatcher, load_keywords
from harken.records import OK, Row, write_json, write_parquet, write_text
from harken.report.console import print_biasing, print_portrait_rates, print_table
from harken.report.measures import system_label
from harken.settings import PipelineSettings
from harken.stages import Stage
from jobs.cli import run_job
from jobs.plan import BIASED, Plan, Speech, require
from jobs.portraits import draw_portraits
from jobs.progress import console, note

STRICT = {"strict": "exit with 3 when the model forgot more than evaluate.forgetting_limit allows"}
DOMAIN, GENERAL = "domain", "general"
RESULTS = ("summary.json", "evaluation.json", "evaluation.csv", "report.html")


def evaluate(plan: Plan, strict: bool = False) -> dict[str, Any]:
    """Bring the evaluation to completion, print the table, and return the summary.

    Raises:
        HarkenError: the speech or the adapted model is not there yet, or a segmenter cannot be loaded.
        GateError: the forgetting gate failed and `strict` is set; everything is written first.
    """
    settings = plan.settings
    if not plan.evaluate.complete():
        from jobs.flow import exclusive

        require([plan.verdicts, *(speech.stage for speech in plan.speeches())])
        require([plan.finetune])
        with exclusive(plan.evaluate):
            _evaluate(plan)
    record = plan.evaluate.record()
    # The newest run's summary stands at the top even when its stage was made earlier.
    summary: dict[str, Any] = json.loads(_file(plan, "summary.json").read_text(encoding="utf-8"))
    for name in RESULTS:
        write_text(settings.run.output / name, _file(plan, name).read_text(encoding="utf-8"))
    print_table({system: _metrics(summary[system]) for system in plan.systems}, console, record["paired"])
    if "biasing" in record:
        print_biasing(record["biasing"], console)
    gates = forgetting(summary, plan.systems, settings.evaluate.forgetting_limit)
    for system, gate in gates.items():
        told = f"{system_label(system)}: {gate}" if len(gates) > 1 else str(gate)
        console.print(f"[bold red]{told}[/]" if gate.failed else told, highlight=False, soft_wrap=True)
    if not gates:
        _print_general(summary, plan.systems)
    if plan.portraits:
        print_portrait_rates(draw_portraits(plan), console)
    note(f"segmenters: {', '.join(record['segmenters'])}")
    note(f"summary: {settings.run.output / 'summary.json'}")
    note(f"report:  {settings.run.output / 'report.html'}")
    failed = next((system for system, gate in gates.items() if gate.failed), None)
    if strict and failed:
        gate = gates[failed]
        remedy = "Raise finetune.replay.per_synthetic or .distillation, lower the learning rate, or raise the limit."
        if failed in BIASED:
            remedy = "Raise biasing.cascade.probability or biasing.rules.least_evidence, or raise the limit."
        raise GateError("evaluate.forgetting_limit", gate.limit, f"{system_label(failed)}: the {gate}. {remedy}")
    return summary


def _evaluate(plan: Plan) -> None:
    from harken.report.page import render_report
    from jobs.biased_figures import biasing_figures
    from jobs.figures import evaluation, table, write_csv
    from jobs.reporting import report_data
    from jobs.scoring import evaluation_schema, score_set

    settings = plan.settings
    sets = {DOMAIN: plan.domain, **({GENERAL: plan.general} if plan.general else {})}
    heard = _hear(plan, sets)
    if plan.portraits:
        draw_portraits(plan)
    started = time.monotonic()
    plan.evaluate.begin(dump_yaml(settings))
    matcher = KeywordMatcher(load_keywords(settings.keywords.path, settings.keywords.categories))
    scored = {
        name: score_set(settings, matcher, _rows(speech), {system: heard[name, system] for system in plan.systems})
        for name, speech in sets.items()
    }
    rows = [row | {"set": name} for name, scores in scored.items() for row in scores.rows()]
    write_parquet(plan.evaluate.part(0), rows, evaluation_schema(plan.systems))
    summary = summarise(scored, plan.systems)
    paired = scored[DOMAIN].paired
    gates = forgetting(summary, plan.systems, settings.evaluate.forgetting_limit)
    failed = any(gate.failed for gate in gates.values())
    # The key is there when something is wrong, so that a summary holds systems only when nothing is.
    write_json(_file(plan, "summary.json"), summary | ({"gate": "failed"} if failed else {}))
    biasing = biasing_figures(plan, scored)
    found = evaluation(scored, settings.evaluate.segmenters, BIASED if biasing else None)
    found |= {"biasing": biasing["terms"]} if biasing else {}
    write_json(_file(plan, "evaluation.json"), found)
    write_csv(_file(plan, "evaluation.csv"), table(found))
    data = report_data(plan, matcher, scored, summary, paired, gates, biasing)
    write_text(_file(plan, "report.html"), render_report(data))
    figures = {"segmenters": list(settings.evaluate.segmenters), "paired": paired}
    figures |= {"biasing": biasing} if biasing else {}
    plan.evaluate.finish(time.monotonic() - started, figures)


def _hear(plan: Plan, sets: Mapping[str, Speech]) -> dict[tuple[str, str], Stage]:
    """What every system hears in every set, brought to completion."""
    from jobs.biasing import make_glossary, transcribe_biased
    from jobs.judge import transcribe

    make_glossary(plan)
    return {
        (name, system): (transcribe_biased if system in BIASED else transcribe)(plan, speech, system)
        for name, speech in sets.items()
        for system in plan.systems
    }


def summarise(scored: Mapping[str, Any], systems: Sequence[str]) -> dict[str, dict[str, Any]]:
    """``{system: {metric: {"value", "low", "high"}}}``; the general set's rates carry the prefix ``general_``."""
    summary = {system: dict(scored[DOMAIN].intervals[system]) for system in systems}
    if GENERAL in scored:
        for system in systems:
            general = scored[GENERAL].intervals[system]
            summary[system] |= {f"general_{metric}": general[metric] for metric in ("cer", "wer", "mer")}
    return summary


def _rows(speech: Speech) -> list[Row]:
    return [row for row in speech.stage.rows() if row["status"] == OK]


def _metrics(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {name: interval for name, interval in metrics.items() if not name.startswith("general_")}


def forgetting(summary: Mapping[str, Any], systems: Sequence[str], limit: float | None) -> dict[str, Forgetting]:
    """The gate on general speech of every system but the first; none without a general set or a limit."""
    first, *others = systems
    cer = {system: summary[system].get("general_cer", {}).get("value") for system in systems}
    if limit is None or cer[first] is None:
        return {}
    return {system: Forgetting(cer[first], cer[system], limit) for system in others if cer[system] is not None}


def _print_general(summary: Mapping[str, Any], systems: Sequence[str]) -> None:
    rates = [summary[system].get("general_cer") for system in systems]
    if all(rates):
        told = (f"{system_label(system)} {found['value']:.3f}" for system, found in zip(systems, rates, strict=True))
        note(f"CER on general sentences: {', '.join(told)}")


def _file(plan: Plan, name: str) -> Path:
    return plan.evaluate.directory / name


def main(settings: PipelineSettings, strict: bool = False) -> None:
    """Run this stage of the pipeline."""
    evaluate(Plan(settings), strict)


if __name__ == "__main__":
    sys.exit(run_job(main, PipelineSettings, __doc__ or "", switches=STRICT))
