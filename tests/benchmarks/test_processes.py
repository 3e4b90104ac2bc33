"""Processes are sampled with their children and ended with them."""

import time
from pathlib import Path

import psutil
import pytest

from benchmarks.processes import Family, read_samples, start, watch

# A child that sits in a group of its own and does not notice the end of its parent.
PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""

UNTIL_SAMPLED = """
import os, sys, time
size = lambda: os.path.getsize(sys.argv[1]) if os.path.exists(sys.argv[1]) else 0
before = size()
while size() == before:
    time.sleep(0.02)
"""


def test_killing_the_head_leaves_no_orphan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.processes.SECONDS_TO_END_ALONE", 0.5)
    log = tmp_path / "log"
    process = start(["-c", PARENT], log)
    while not log.read_text(encoding="utf-8").strip():
        assert process.poll() is None
        time.sleep(0.05)
    child = psutil.Process(int(log.read_text(encoding="utf-8")))
    family = Family(process.pid)
    assert child in family.members()
    family.kill_head()
    process.wait()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE
    assert family.members() == []


def test_a_program_is_watched_over_all_its_sessions(tmp_path: Path) -> None:
    for _ in range(2):
        watch(["-c", UNTIL_SAMPLED, str(tmp_path / "samples.jsonl")], tmp_path)
    sessions = {}
    for sample in read_samples(tmp_path):
        sessions.setdefault(sample.session, []).append(sample)
    assert len(sessions) == 2
    for began, samples in sessions.items():
        assert max(sample.program for sample in samples) > 0
        assert began < samples[0].time < samples[-1].time


def test_a_program_that_fails_is_told_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"ended with 3:\nthis is why"):
        watch(["-c", "import sys; print('this is why'); sys.exit(3)"], tmp_path)
