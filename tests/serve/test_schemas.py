"""Every endpoint against its own description: whatever is sent, no failure of the server and no undescribed answer."""

from collections.abc import Iterator

import httpx2
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.serve.service import NanoBackend, Server, running

_CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, backend: NanoBackend) -> Iterator[Server]:
    quotas = {"requests_per_minute": 1_000_000, "audio_seconds_per_minute": 1_000_000}
    with running(tmp_path_factory.mktemp("schemas"), backend, quotas=quotas) as server:
        yield server


def attack(server: Server, examples: int) -> int:
    """Send every operation that many requests, half of them to a glossary and a term that are there."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    sent = 0

    def of_operation(operation: schemathesis.APIOperation, known: dict[str, str]) -> None:
        @given(case=operation.as_strategy())
        @settings(
            max_examples=examples,
            phases=[Phase.generate],
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        def check(case: schemathesis.Case) -> None:
            nonlocal sent
            sent += 1
            if sent % 2:
                for name in set(known) & set(case.path_parameters or {}):
                    case.path_parameters[name] = known[name]
            case.validate_response(case.call(base_url=server.url), checks=_CHECKS)

        check()

    with server.client() as client:
        for found in schema.get_all_operations():
            of_operation(found.ok(), existing(client))
    return sent


def existing(client: httpx2.Client) -> dict[str, str]:
    """The ids of a new glossary and its term."""
    glossary = client.post("/v1/glossaries", json={"name": "g"}).json()["id"]
    term = client.post(f"/v1/glossaries/{glossary}/terms?build=false", json={"term": "Kelly"}).json()["term"]["id"]
    return {"glossary_id": glossary, "term_id": term}


@pytest.mark.smoke
def test_every_operation_answers_as_described_in_short(server: Server) -> None:
    assert attack(server, examples=3) > 40


@pytest.mark.slow
def test_every_operation_answers_as_described(server: Server) -> None:
    assert attack(server, examples=60) > 800
