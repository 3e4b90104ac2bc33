"""The forgetting gate where a user meets it: console, summary, report, exit code."""

import json

import pytest

from harken.errors import GateError
from harken.records import write_json, write_parquet, write_text
from harken.report.data import GeneralCheck, ReportData
from harken.report.page import render_report
from harken.settings import PipelineSettings
from jobs.cli import GATE_FAILED, run_job
from jobs.evaluate import STRICT, evaluate, forgetting
from jobs.plan import BIASED, SYSTEMS, Plan
from jobs.scoring import evaluation_schema


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value, "high": value}


def finished(settings: PipelineSettings, after: float) -> Plan:
    """A plan whose evaluation is complete, with these error rates on general speech: 0.100 before, `after` then."""
    plan = Plan(settings.model_copy(update={"portraits": None}))
    systems = {"base": 0.1, "adapted": after}
    summary: dict = {name: {"cer": interval(0.3), "general_cer": interval(cer)} for name, cer in systems.items()}
    gates = forgetting(summary, plan.systems, settings.evaluate.forgetting_limit)
    if any(gate.failed for gate in gates.values()):
        summary["gate"] = "failed"
    write_parquet(plan.evaluate.part(0), [], evaluation_schema(plan.systems))
    write_json(plan.evaluate.directory / "summary.json", summary)
    for name in ("evaluation.json", "evaluation.csv", "report.html"):
        write_text(plan.evaluate.directory / name, "something\n")
    plan.evaluate.finish(1.0, {"segmenters": ["jieba"], "paired": {}})
    return plan


def test_forgetting_is_told_and_strict_makes_it_an_error(settings, capsys):
    plan = finished(settings, after=0.15)
    summary = evaluate(plan)
    assert "FAILED" in capsys.readouterr().out
    assert summary["gate"] == "failed"
    with pytest.raises(GateError, match="forgetting gate FAILED"):
        evaluate(plan, strict=True)
    # What was measured is there all the same.
    assert json.loads((settings.run.output / "summary.json").read_text())["gate"] == "failed"


def test_a_model_that_remembers_passes(settings, capsys):
    summary = evaluate(finished(settings, after=0.105), strict=True)
    assert "forgetting gate passed" in capsys.readouterr().out
    assert set(summary) == {"base", "adapted"}


def test_without_a_limit_or_a_general_set_there_is_no_gate():
    summary = {"base": {"general_cer": interval(0.1)}, "adapted": {"general_cer": interval(0.9)}}
    assert not forgetting(summary, SYSTEMS, None)
    assert not forgetting({"base": {}, "adapted": {}}, SYSTEMS, 0.1)


def test_biasing_that_harms_general_speech_fails_the_gate_too():
    systems = (*SYSTEMS, *BIASED)
    summary = {name: {"general_cer": interval(0.1)} for name in systems}
    summary["adapted_biased"] = {"general_cer": interval(0.2)}
    gates = forgetting(summary, systems, 0.1)
    assert {name: gate.failed for name, gate in gates.items()} == {
        "adapted": False,
        "biased": False,
        "adapted_biased": True,
    }
    found = {name: {"cer": rates["general_cer"]} for name, rates in summary.items()}
    page = render_report(ReportData("run", found, general=GeneralCheck(found, gates=gates)))
    assert page.count("Adapted + biased: forgetting gate FAILED") == 2
    assert page.count("Biased: forgetting gate passed") == 1


def test_strict_has_an_exit_code_of_its_own(settings, tmp_path):
    plan = finished(settings, after=0.15)
    arguments = ["--config", "configs/demo.yaml", "--set", f"run.output={settings.run.output}"]
    arguments += ["--set", "portraits=null", "--strict"]

    def job(found: PipelineSettings, strict: bool) -> None:
        assert found == plan.settings
        evaluate(plan, strict)

    assert run_job(job, PipelineSettings, "", arguments, STRICT) == GATE_FAILED
    assert run_job(job, PipelineSettings, "", arguments[:-1], STRICT) == 0


def test_the_report_shows_it_first(settings):
    systems = {"base": {"cer": interval(0.1)}, "adapted": {"cer": interval(0.15)}}
    for limit, word in ((0.1, "FAILED"), (0.9, "passed")):
        gates = forgetting({name: {"general_cer": found["cer"]} for name, found in systems.items()}, SYSTEMS, limit)
        page = render_report(ReportData("run", systems, general=GeneralCheck(systems, gates=gates)))
        assert page.count(f"forgetting gate {word}") == (2 if word == "FAILED" else 1)
