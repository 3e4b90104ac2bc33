"""Every endpoint does what its OpenAPI document says, asked what that allows and what it forbids."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from serve.keys import SCOPES, KeyStore
from tests.serve.service import ROOT, NanoBackend, Server, running

_QUOTAS = {"requests_per_minute": 1_000_000, "audio_seconds_per_minute": 1_000_000}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, backend: NanoBackend) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("contract")
    with running(folder, backend, access={"anonymous": "never"}, quotas=_QUOTAS) as server:
        yield server


@pytest.mark.parametrize(
    ("phases", "examples"),
    [
        pytest.param("coverage,stateful", 2, marks=pytest.mark.smoke, id="short"),
        pytest.param(
            "examples,coverage,fuzzing,stateful",
            30,
            marks=[pytest.mark.slow, pytest.mark.timeout(3600)],
            id="long",
        ),
    ],
)
def test_the_service_does_what_its_document_says(server: Server, tmp_path: Path, phases: str, examples: int) -> None:
    key = KeyStore(server.service.database).create("acme", "contract", SCOPES)
    report = tmp_path / "report.json"
    command = [
        Path(sys.executable).parent / "schemathesis", "--config-file", "tests/serve/schemathesis.toml",
        "run", f"{server.url}/openapi.json", "--header", f"Authorization: Bearer {key}", "--no-color", "--seed", "1",
        "--phases", phases, "--max-examples", str(examples), "--report-json-path", report,
    ]  # fmt: skip
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert told.returncode == 0, told.stdout[-8000:] + told.stderr[-2000:]
    documented = httpx2.get(f"{server.url}/openapi.json").json()["paths"]
    operations = sum(len(methods) for methods in documented.values())
    assert f"Tested: {operations}" in told.stdout
    assert json.loads(report.read_text())
