"""kill -9 of the driver while an LLM writes labels: what was answered is paid for once."""

import time
from collections import Counter
from pathlib import Path

import pytest

from actors.ledger import account
from tests.faults.driver import identities, kill_when, parts, run, start
from tests.llm_server import LlmServer, job_overrides

ROWS = 40

pytestmark = pytest.mark.faults


@pytest.mark.parametrize("workers", [0, 2])
def test_answers_survive_the_driver(tmp_path: Path, workers: int) -> None:
    log = tmp_path / "log"
    with LlmServer(pause_seconds=0.3) as server:
        # One shard a worker, so that no part is committed before the kill and only the ledger can remember.
        overrides = job_overrides(
            server,
            tmp_path,
            f"labels.count={ROWS}",
            f"labels.rows_per_shard={ROWS // max(1, workers)}",
            f"labels.workers={workers}",
            "labels.llm.labels_per_request=1",
            "labels.llm.limits.requests_in_flight=2",
        )
        process = start("labels", overrides, log)
        kill_when(process, lambda: len(server.received) >= 12, "12 requests")
        if workers:
            wait_until_quiet(server)
        assert not parts(tmp_path / "run", "drafts")
        killed = account(tmp_path / "run")
        asked = len(server.received)
        finished = run("labels", overrides, log)
        assert finished.code == 0, finished.output[-3000:]
    assert killed.answers >= 8
    assert len(server.received) - asked == ROWS - killed.answers
    prompts = Counter(request.prompt for request in server.received)
    assert len(prompts) == ROWS
    assert sum(prompts.values()) - ROWS == killed.unsettled
    found = identities(tmp_path / "run", "labels")
    assert len(found) == len(set(found)) == ROWS
    sums = account(tmp_path / "run")
    assert (sums.requests, sums.unsettled) == (len(server.received), killed.unsettled)
    assert sums.cost <= (server.billed_in + 2 * server.billed_out) / 1e6 <= sums.cost_at_most


def wait_until_quiet(server: LlmServer) -> None:
    """Until Ray's workers have noticed that their driver is gone."""
    seen = -1
    while seen != len(server.received):
        seen = len(server.received)
        time.sleep(3)
