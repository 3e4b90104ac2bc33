"""The judge on planted faults: the arithmetic, and the whole job on the embedded models."""

import json

import pytest

from actors.credentials import NO_KEY
from harken.config import load_config
from harken.judge_settings import FAULTS
from harken.records import read_parquet
from harken.settings import PipelineSettings
from jobs.plan import Plan
from jobs.planted import SUMMARY, measure
from tests.small_run import ROOT, small
from tests.transcription_server import transcription_server


def verdict(kept: bool, reason: str = "carrier: 0.9 > 0.5", status: str = "ok") -> dict:
    return {"verdict": "keep" if kept else "reject", "reason": None if kept else reason, "status": status}


def test_precision_and_recall_hold_every_fault_against_its_own_take():
    faults = {f"r{index}": FAULTS[index % 4] for index in range(12)}
    before = {name: verdict(name != "r3") for name in faults}
    after = {name: verdict(name in ("r0", "r4", "r5")) for name in faults}
    found = measure(faults, before, after)
    assert found.recall["value"] == 9 / 12
    assert found.precision["value"] == 9 / 10
    assert found.false_alarms == 1
    assert {fault.fault: (fault.caught, fault.planted) for fault in found.faults} == {
        "swapped text": (1, 3),
        "truncated audio": (2, 3),
        "dropped keyword": (3, 3),
        "noise": (3, 3),
    }
    assert found.recall["low"] < 0.75 < found.recall["high"]


def test_failed_rows_and_test_sentences_count_on_neither_side():
    faults = dict.fromkeys(("a", "b", "c"), "noise")
    before = {"a": verdict(True), "b": verdict(False, "test sentence: x"), "c": verdict(True)}
    after = {"a": verdict(False), "b": verdict(False), "c": verdict(False, status="failed")}
    found = measure(faults, before, after)
    assert (found.recall["value"], found.precision["value"], found.faults[3].planted) == (1.0, 1.0, 1)


def test_no_planted_rows_tell_nothing():
    assert measure({}, {}, {}).precision == {"value": None, "low": None, "high": None}


@pytest.mark.slow
def test_planted_faults_are_judged_by_two_recognisers_and_never_trained_on(tmp_path, monkeypatch):
    from jobs.judge import judge_speech
    from jobs.labels import write_labels
    from jobs.speech import speak

    monkeypatch.chdir(ROOT)
    with transcription_server(lambda wave, rate: "今天天气很好", NO_KEY) as server:
        second = f"judge.second={{server: {{base_url: '{server.address}', model: x, api_key_env: null}}}}"
        overrides = [*small(tmp_path), "judge.planted=2", second]
        plan = Plan(load_config(ROOT / "configs/demo.yaml", overrides, PipelineSettings))
        write_labels(plan)
        speak(plan.settings, plan.speech)
        judge_speech(plan)
    assert plan.planted is not None
    assert plan.planted_verdicts is not None
    summary = json.loads((plan.planted_verdicts.directory / SUMMARY).read_text(encoding="utf-8"))
    assert {fault: summary["faults"][fault]["planted"] for fault in FAULTS} == dict.fromkeys(FAULTS, 2)
    assert summary["recall"]["value"] > 0.5
    for part in plan.planted_verdicts.parts():
        for row in read_parquet(part, ["judges"]):
            assert set(json.loads(row["judges"])) == {"first", "second"}
    spoken, planted = ({row["id"] for row in stage.rows(["id"])} for stage in (plan.verdicts, plan.planted.stage))
    assert planted <= spoken
    assert len(spoken) == plan.settings.labels.count
    assert plan.planted.stage.directory not in {plan.speech.stage.directory, plan.verdicts.directory}
