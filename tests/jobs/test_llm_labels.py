"""Labels from an LLM as a job: rounds, the cap, retries, verdicts, the ledger; against a local server."""

import json
from pathlib import Path

import pytest

from actors.ledger import account
from harken.config import load_config
from harken.errors import HarkenError
from harken.records import FAILED, OK, Row
from harken.settings import PipelineSettings
from harken.stages import cause
from jobs.labels import COVERAGE, main, write_failed_again, write_labels
from jobs.plan import Plan
from tests.llm_server import LlmServer, job_overrides

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def settings_for(server: LlmServer, folder: Path, *overrides: str) -> PipelineSettings:
    return load_config(ROOT / "configs" / "demo.yaml", job_overrides(server, folder, *overrides), PipelineSettings)


def rows_of(settings: PipelineSettings) -> dict[str, Row]:
    return {row["id"]: row for row in Plan(settings).labels.rows()}


def test_failures_are_accounted_for_and_a_retry_finishes_them_alone(tmp_path: Path) -> None:
    with LlmServer(fault_rate=0.5, faults=("429", "500", "garbled"), seed=2) as server:
        settings = settings_for(server, tmp_path, "labels.llm.limits.retries=0")
        record = write_labels(Plan(settings))
        before = rows_of(settings)
        assert record["rows"] == len(before) == 20
        failed = {identity for identity, row in before.items() if row["status"] == FAILED}
        assert 0 < len(failed) < 20
        assert {cause(before[identity]["error"]) for identity in failed} <= {
            "rate limited",
            "status 500",
            "unreadable response",
        }
        assert sum(record["failures"].values()) == len(failed)
        asked = len(server.received)

        server.fault_rate = 0.0
        record = write_failed_again(Plan(settings))
        assert record["failed"] == 0
        assert len(server.received) - asked == -(-len(failed) // 2)
        after = rows_of(settings)
        assert list(after) == list(before)
        assert all(after[identity] == before[identity] for identity in before if identity not in failed)
        assert all(row["status"] == OK for row in after.values())

        asked = len(server.received)
        assert write_failed_again(Plan(settings))["failed"] == 0
        assert len(server.received) == asked
    drafts = Plan(settings).rounds[0].stage.directory
    sums = account(drafts)
    assert sums.requests == len(server.received)
    assert sum(row["tokens_in"] for row in after.values()) == sums.tokens_in
    assert json.loads((drafts / "ledger.json").read_text(encoding="utf-8"))["requests"] == sums.requests


def test_the_cap_stops_cleanly_and_a_higher_one_goes_on(tmp_path: Path) -> None:
    with LlmServer() as server:
        cap = 0.008
        settings = settings_for(server, tmp_path, f"labels.llm.limits.spend_cap={cap}")
        with pytest.raises(HarkenError, match="--retry-failed"):
            write_labels(Plan(settings))
        assert (server.billed_in + 2 * server.billed_out) / 1e6 <= cap
        before = rows_of(settings)
        paid = {identity: row for identity, row in before.items() if row["status"] == OK}
        assert 0 < len(paid) < 20
        assert {cause(row["error"]) for row in before.values() if row["status"] == FAILED} == {"spend cap"}

        partial = settings_for(
            server, tmp_path, f"labels.llm.limits.spend_cap={cap}", "labels.llm.limits.accept_partial=true"
        )
        assert write_labels(Plan(partial))["failures"] == {"spend cap": 20 - len(paid)}

        raised = settings_for(server, tmp_path, "labels.llm.limits.spend_cap=1")
        assert write_failed_again(Plan(raised))["failed"] == 0
        after = rows_of(raised)
        assert {identity: after[identity] for identity in paid} == paid


def test_near_duplicates_fail_and_the_retry_is_given_what_lacks(tmp_path: Path) -> None:
    with LlmServer() as server:
        settings = settings_for(server, tmp_path, "labels.llm.near_duplicate=0.3", "labels.coverage_k=1")
        record = write_labels(Plan(settings))
        assert record["failures"]["near duplicate"] > 0
        figures = json.loads((Plan(settings).labels.directory / COVERAGE).read_text(encoding="utf-8"))
        assert set(figures) == {"SERIES", "TYPE", "BRAND", "MATERIAL", "NICKNAME", "LINES", "SOCIAL"}
        before = rows_of(settings)
        used = {keyword["term"] for row in before.values() for keyword in row["keywords"]}
        asked = len(server.received)
        write_failed_again(Plan(settings))
        targets = {target["term"] for row in Plan(settings).rounds[1].source.rows(0) for target in row["targets"]}
        assert targets
        assert not targets & used, "73 terms, of which most were never used: the retry takes those first"
        assert len(server.received) > asked
    after = rows_of(settings)
    assert sum(row["status"] == OK for row in after.values()) >= sum(row["status"] == OK for row in before.values())


def test_a_dry_run_tells_the_plan_and_asks_and_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with LlmServer() as server:
        settings = settings_for(server, tmp_path, "labels.llm.limits.requests_per_minute=5")
        main(settings, dry_run=True)
        told = capsys.readouterr().out
        assert not server.received
        assert not (tmp_path / "run").exists()
        assert "20 labels in 10 requests" in told
        assert "at least 2.0 minutes" in told
        write_labels(Plan(settings_for(server, tmp_path)))
    assert any(request.prompt in told for request in server.received)


def test_only_an_llm_can_write_failed_rows_again(tmp_path: Path) -> None:
    with LlmServer() as server:
        settings = settings_for(server, tmp_path, "labels.writer=slots")
        with pytest.raises(HarkenError, match="slots"):
            write_failed_again(Plan(settings))


def test_settings_of_the_endpoint_do_not_touch_the_embedded_writers_labels(tmp_path: Path) -> None:
    plain = load_config(ROOT / "configs" / "demo.yaml", [], PipelineSettings)
    with LlmServer() as server:
        other = settings_for(
            server,
            tmp_path,
            "labels.writer=slots",
            "labels.coverage_k=9",
            f"labels.count={plain.labels.count}",
            f"labels.rows_per_shard={plain.labels.rows_per_shard}",
        )
    assert Plan(plain).labels.fingerprint == Plan(other).labels.fingerprint
    assert Plan(plain).stages()[0].name == "labels"


def test_workers_share_one_budget(tmp_path: Path) -> None:
    with LlmServer(fault_rate=0.2, faults=("429", "malformed")) as server:
        cap = 0.016
        settings = settings_for(
            server,
            tmp_path,
            "labels.workers=2",
            "labels.count=40",
            "cluster.cpus=4",
            f"labels.llm.limits.spend_cap={cap}",
            "labels.llm.limits.accept_partial=true",
        )
        record = write_labels(Plan(settings))
        billed = (server.billed_in + 2 * server.billed_out) / 1e6
    assert record["rows"] == 40
    assert record["failures"]["spend cap"] > 0
    # Each worker alone would have stayed below the cap and both together above it.
    assert cap / 2 < billed <= cap
    assert account(Plan(settings).rounds[0].stage.directory).cost == pytest.approx(billed)
