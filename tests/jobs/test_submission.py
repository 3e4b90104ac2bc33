"""Every job runs under `ray job submit` against a real head with token authentication."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from ray._private.ray_constants import RAY_RUNTIME_ENV_DEFAULT_EXCLUDES
from ray._private.runtime_env.packaging import GCS_STORAGE_MAX_SIZE, create_package

ROOT = Path(__file__).resolve().parents[2]
BINARIES = Path(sys.executable).parent
PATIENCE_SECONDS = 120


@dataclass(frozen=True)
class Head:
    """A running head: where jobs are submitted, the environment that may, and a folder for what they write."""

    address: str
    environment: dict[str, str]
    folder: Path

    def submit(self, *entrypoint: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run `ray job submit` from the repository's root, with changes to the environment; wait for its end."""
        return subprocess.run(
            ["ray", "job", "submit", "--address", self.address, "--working-dir", ".", "--", *entrypoint],
            cwd=ROOT,
            env=self.environment | changes,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for_dashboard(port: int, head: subprocess.Popen[bytes], log: Path) -> None:
    """Block until the head's dashboard accepts connections; fail with the head's log if it ends before."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if head.poll() is not None:
            break
        with closing(socket.socket()) as client:
            if client.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.2)
    pytest.fail(f"the head did not come up:\n{log.read_text(errors='replace')}")


def end(head: subprocess.Popen[bytes]) -> None:
    """End this head and what it started, each by its own pid: `ray stop` would end every Ray on the machine."""
    processes = [psutil.Process(head.pid)] if head.poll() is None else []
    processes += [child for process in processes for child in process.children(recursive=True)]
    for signal in (psutil.Process.terminate, psutil.Process.kill):
        for process in processes:
            with suppress(psutil.NoSuchProcess):
                signal(process)
        _, processes = psutil.wait_procs(processes, timeout=10)
    head.wait()


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    # Not pytest's own folder: Ray's sockets lie under it, and a socket's path is limited to 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="hk"))
    token = folder / "token"
    token.write_text(secrets.token_hex(32), encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    environment = kept | {
        "HOME": str(folder / "home"),
        "PATH": f"{BINARIES}{os.pathsep}{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN_PATH": str(token),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    (folder / "home").mkdir()
    dashboard = free_port()
    options = {
        "node-ip-address": "127.0.0.1",
        "port": free_port(),
        "dashboard-port": dashboard,
        "dashboard-agent-listen-port": free_port(),
        "ray-client-server-port": free_port(),
        "temp-dir": folder / "ray",
        # With two logical CPUs a pool of actors can starve.
        "num-cpus": 8,
        "object-store-memory": 200 * 2**20,
    }
    command = ["ray", "start", "--head", "--block", *(f"--{name}={value}" for name, value in options.items())]
    log = folder / "head.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        wait_for_dashboard(dashboard, process, log)
        yield Head(f"http://127.0.0.1:{dashboard}", environment, folder)
        assert not (folder / "home" / ".ray" / "auth_token").exists()
    finally:
        end(process)
        shutil.rmtree(folder, ignore_errors=True)


def job(name: str, output: Path, *overrides: str) -> list[str]:
    """The command line of a job over the demo's configuration, made small."""
    settings = [f"run.output={output}", "labels.count=12", *overrides]
    changed = [part for setting in settings for part in ("--set", setting)]
    return ["python", "-m", f"jobs.{name}", "--config", "configs/demo.yaml", *changed]


@pytest.mark.slow
@pytest.mark.smoke
def test_job_succeeds_and_leaves_its_output(head: Head) -> None:
    output = head.folder / "labels"
    submitted = head.submit(*job("labels", output))
    assert submitted.returncode == 0, submitted.stdout
    assert "' succeeded" in submitted.stdout
    assert list(output.rglob("*.parquet"))


@pytest.mark.slow
@pytest.mark.smoke
def test_job_that_fails_says_why_and_fails_the_submission(head: Head) -> None:
    submitted = head.submit(*job("labels", head.folder / "failing", "keywords.path=nowhere/keywords.csv"))
    assert submitted.returncode != 0
    assert "' failed" in submitted.stdout
    errors = [line for line in submitted.stdout.splitlines() if line.startswith("error: ")]
    assert errors, submitted.stdout
    assert "'nowhere/keywords.csv'" in errors[0]
    assert "Traceback" not in submitted.stdout


@pytest.mark.slow
@pytest.mark.smoke
@pytest.mark.parametrize(
    ("client", "answer"),
    [({"RAY_AUTH_MODE": "disabled"}, "Unauthorized"), ({"RAY_AUTH_TOKEN": "0" * 64}, "Forbidden")],
    ids=["without", "wrong"],
)
def test_submission_without_the_right_token_is_refused(head: Head, client: dict[str, str], answer: str) -> None:
    output = head.folder / "refused"
    submitted = head.submit(*job("labels", output), **client)
    assert submitted.returncode != 0
    assert answer in submitted.stdout
    assert "submitted successfully" not in submitted.stdout
    assert not output.exists()


def first_lines(source: str, count: int, folder: Path) -> Path:
    """A manifest of the first rows of one of the examples."""
    path = folder / source.replace("/", "-")
    lines = (ROOT / source).read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:count]), encoding="utf-8")
    return path


@pytest.mark.slow
def test_every_stage_runs_as_a_job_of_its_own(head: Head) -> None:
    output = head.folder / "stages"
    small = (
        "finetune.epochs=1",
        "finetune.workers=1",
        f"finetune.replay.manifest={first_lines('examples/general/train.jsonl', 8, head.folder)}",
        f"evaluate.domain={first_lines('examples/luxury/test.jsonl', 8, head.folder)}",
        f"evaluate.general={first_lines('examples/general/test.jsonl', 8, head.folder)}",
    )
    for name in ("labels", "speech", "judge", "finetune", "evaluate"):
        submitted = head.submit(*job(name, output, *small))
        assert submitted.returncode == 0, f"{name}:\n{submitted.stdout}"
    summary = json.loads((output / "summary.json").read_text(encoding="utf-8"))
    assert {"base", "adapted"} <= set(summary)
    assert (output / "report.html").exists()


def packaged(folder: Path, archive: Path) -> set[str]:
    """Names of the files that `ray job submit --working-dir FOLDER` would upload."""
    create_package(str(folder), archive, include_gitignore=True, excludes=RAY_RUNTIME_ENV_DEFAULT_EXCLUDES.split(","))
    with zipfile.ZipFile(archive) as package:
        return {entry.filename for entry in package.infolist() if not entry.is_dir()}


def test_upload_leaves_outputs_environment_and_foreign_models_behind(tmp_path: Path) -> None:
    folder = tmp_path / "checkout"
    kept = {"jobs/labels.py", "configs/demo.yaml", "models/nano/model.safetensors"}
    left = {"outputs/demo/audio.parquet", ".venv/bin/python", "models/whisper-large-v2/model.safetensors"}
    for name in kept | left:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name, encoding="utf-8")
    shutil.copy(ROOT / ".gitignore", folder)
    assert packaged(folder, tmp_path / "package.zip") == kept | {".gitignore"}


def test_upload_stays_under_half_of_rays_limit(tmp_path: Path) -> None:
    archive = tmp_path / "package.zip"
    assert "jobs/labels.py" in packaged(ROOT, archive)
    assert archive.stat().st_size < GCS_STORAGE_MAX_SIZE / 2
