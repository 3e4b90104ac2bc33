"""What is another tenant's is not there, at every address that takes an id: read from the app's own document."""

import itertools
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from serve.keys import SCOPES, KeyStore
from tests.serve.service import NANO, NanoBackend, Server, running, wait_for_build

_UNKNOWN = "00000000-0000-7000-8000-000000000000"
# Shared by all tenants.
_PUBLIC = {"/v1/models/{model}"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, backend: NanoBackend) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("isolation"), backend, access={"anonymous": "never"}) as server:
        yield server


class Owner:
    """A tenant with one of everything that has an id."""

    def __init__(self, server: Server, name: str, spoken: bytes) -> None:
        self.key = KeyStore(server.service.database).create(name, "k", SCOPES)
        self.client = server.client(self.key)
        glossary = self.client.post("/v1/glossaries", json={"name": f"of {name}"}).json()["id"]
        url = f"/v1/glossaries/{glossary}"
        term = self.client.post(f"{url}/terms?build=false", json={"term": f"term of {name}"}).json()["term"]["id"]
        recording = self.client.post(f"{url}/terms/{term}/recordings", files={"file": spoken}).json()
        wait_for_build(self.client, recording["build"])
        self.ids = {
            "glossary_id": glossary, "term_id": term, "recording_id": recording["id"],
            "build_id": recording["build"]["id"],
        }  # fmt: skip

    def everything(self) -> list[Any]:
        """All that can be read of it."""
        url = f"/v1/glossaries/{self.ids['glossary_id']}"
        paths = (url, f"{url}/terms", f"{url}/builds", f"{url}/terms/{self.ids['term_id']}/recordings")
        return [self.client.get(path).json() for path in paths]


@pytest.fixture(scope="module")
def owners(server: Server, spoken: bytes) -> tuple[Owner, Owner]:
    return Owner(server, "mine", spoken), Owner(server, "theirs", spoken)


def operations(server: Server) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(method, path with places for ids, operation) of every address."""
    for path, methods in httpx2.get(f"{server.url}/openapi.json").raise_for_status().json()["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def request(client: httpx2.Client, method: str, path: str, operation: dict[str, Any], spoken: bytes) -> httpx2.Response:
    """A request that is refused for nothing but its ids."""
    kinds = operation.get("requestBody", {}).get("content", {})
    if "multipart/form-data" in kinds:
        return client.request(method, path, files={"file": spoken})
    if "application/json" in kinds:
        return client.request(method, path, json={"name": "x"} if path.count("/") == 3 else {"term": "x"})
    if "text/csv" in kinds:
        return client.request(method, path, content=b"x\n", headers={"content-type": "text/csv"})
    assert not kinds, f"send a body of {list(kinds)} to {path}"
    return client.request(method, path)


def test_ids_of_another_tenant_are_unknown_everywhere(
    server: Server, owners: tuple[Owner, Owner], spoken: bytes
) -> None:
    mine, theirs = owners
    before = theirs.everything()
    tried = 0
    for method, path, operation in operations(server):
        names = re.findall(r"{(\w+)}", path)
        if not names or path in _PUBLIC:
            continue
        assert set(names) <= set(mine.ids), f"give both tenants a {names} for {method} {path}"
        # Each id is mine, theirs or nobody's; all mine is what is allowed.
        for owned in itertools.product(("mine", "theirs", "nobody"), repeat=len(names)):
            if set(owned) == {"mine"}:
                continue
            ids = {
                name: {"mine": mine.ids[name], "theirs": theirs.ids[name], "nobody": _UNKNOWN}[whose]
                for name, whose in zip(names, owned, strict=True)
            }
            answer = request(mine.client, method, path.format(**ids), operation, spoken)
            assert answer.status_code == 404, (method, path, owned, answer.text)
            error = answer.json()["error"]
            # In the words of what does not exist: of the first id that is not mine.
            wrong = next(name for name, whose in zip(names, owned, strict=True) if whose != "mine")
            assert error["message"] == f"There is no {wrong.removesuffix('_id')} {ids[wrong]!r}: list those there are."
            tried += 1
    assert tried > 50
    assert theirs.everything() == before


def test_fields_that_name_an_id_know_only_ones_own(server: Server, owners: tuple[Owner, Owner], spoken: bytes) -> None:
    mine, theirs = owners
    tried = 0
    for method, path, operation in operations(server):
        schema = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {}).get("schema", {})
        for name in [name for name in schema.get("properties", {}) if name.endswith("_id")]:
            for identifier in (theirs.ids[name], _UNKNOWN, "../" + theirs.ids[name], theirs.ids[name].upper()):
                sent = {"model": NANO, name: identifier}
                answer = mine.client.request(method, path, data=sent, files={"file": spoken})
                assert answer.status_code == 404, (path, identifier, answer.text)
                tried += 1
    assert tried == 8


def test_every_address_asks_for_a_key(server: Server, owners: tuple[Owner, Owner], spoken: bytes) -> None:
    wrong = "hk_" + "0" * 16 + "_" + "0" * 64
    for key in (None, wrong, owners[1].key[:-1], owners[1].key.upper()):
        with server.client(key) as client:
            for method, path, operation in operations(server):
                answer = request(client, method, path.format(model=NANO, **owners[1].ids), operation, spoken)
                assert answer.status_code == (401 if path.startswith("/v1/") else 200), (method, path)


def test_lists_hold_only_ones_own(owners: tuple[Owner, Owner]) -> None:
    for own in owners:
        assert [one["id"] for one in own.client.get("/v1/glossaries").json()["data"]] == [own.ids["glossary_id"]]


def test_keys_are_in_no_log_answer_figure_or_file(
    server: Server, owners: tuple[Owner, Owner], spoken: bytes, caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    key = owners[0].key
    secret = key.rpartition("_")[2]

    async def fail(asked: object) -> None:
        raise RuntimeError("of the server")

    told = []
    with server.client(key) as client:
        for path in (f"/v1/glossaries/{key}", f"/v1/models/{key}", f"/v1/glossaries?after={key}", f"/nowhere/{key}"):
            told.append(client.get(path))
        told.append(client.post("/v1/glossaries", content=json.dumps({key: key}).encode()))
        for fields in ({"model": key}, {"model": NANO, key: key}, {"model": NANO, "glossary_id": key}):
            told.append(client.post("/v1/audio/transcriptions", data=fields, files={"file": spoken}))
        monkeypatch.setattr(server.service.backend, "transcribe", fail)
        told.append(client.post("/v1/audio/transcriptions", data={"model": NANO}, files={"file": spoken}))
        figures = client.get("/metrics").text
    with server.client(key + "0") as client:
        told.append(client.get("/v1/models"))
    assert {answer.status_code for answer in told} >= {401, 404, 500}
    # What a client sends as an id or a name is told back to it; nobody else may see it.
    ours = [record.getMessage() for record in caplog.records if record.name.startswith(("harken", "ray", "uvicorn"))]
    assert not any(secret in line for line in ours)
    assert secret not in figures
    assert secret not in told[-1].text
    for path in Path(server.service.settings.data).rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes(), path
