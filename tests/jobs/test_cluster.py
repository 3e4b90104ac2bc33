"""A local Ray is closed to whoever lacks its token, and a user's home stays as it was."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from harken.errors import HarkenError
from harken.settings import ClusterSettings
from jobs.cluster import connect

ROOT = Path(__file__).resolve().parents[2]

OWNER = """
import os, subprocess, sys
import ray
from harken.settings import ClusterSettings
from jobs.cluster import connect

connect(ClusterSettings(cpus=1))
print("mode", os.environ["RAY_AUTH_MODE"])
"""
STRANGER = """
address = ray.get_runtime_context().gcs_address
code = f"import ray; ray.init(address={address!r})"
environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
environment["RAY_AUTH_MODE"] = "disabled"
tried = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
print("stranger", tried.returncode, tried.stdout, tried.stderr)
"""


def run_owner(code: str, home: Path) -> str:
    """What a process prints that starts a local Ray, with a home of its own and no setting of Ray's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    owner = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=kept | {"HOME": str(home)}, capture_output=True, text=True
    )
    assert owner.returncode == 0, owner.stderr
    return owner.stdout


def test_local_ray_has_a_token_and_leaves_the_home_alone(tmp_path: Path) -> None:
    assert "mode token" in run_owner(OWNER, tmp_path)
    assert not (tmp_path / ".ray").exists()


@pytest.mark.slow
def test_local_ray_lets_no_stranger_in(tmp_path: Path) -> None:
    printed = run_owner(OWNER + STRANGER, tmp_path)
    assert "stranger 1" in printed
    assert "AuthenticationError" in printed


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nothing_listens_is_told_at_once(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # Another test may have started a Ray in this process.
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    with socket.socket() as bound:
        # Bound but not listening: nobody else can take the port meanwhile.
        bound.bind(("127.0.0.1", 0))
        address = f"{scheme}127.0.0.1:{bound.getsockname()[1]}"
        with pytest.raises(HarkenError, match="No Ray cluster answers there"):
            connect(ClusterSettings(address=address))
