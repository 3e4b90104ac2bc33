import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import Request
from sqlalchemy import event

from harken.config import check
from harken.errors import HarkenError
from serve.app import create_app
from serve.callers import Gate
from serve.database import Database, default_url
from serve.errors import ServiceError
from serve.keys import SCOPES, KeyStore, Tenant, main
from serve.quotas import Quotas
from serve.settings import AccessSettings, QuotaSettings, ServiceSettings
from tests.serve import service
from tests.serve.service import NANO, ROOT, FileBuilder, NanoBackend, Server, running, wait_for_build


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory, backend: NanoBackend) -> Iterator[Server]:
    """A service that asks for keys."""
    with running(tmp_path_factory.mktemp("guarded"), backend, access={"anonymous": "never"}) as server:
        yield server


@pytest.fixture
def store(tmp_path: Path) -> KeyStore:
    return KeyStore(Database(service.database_of(tmp_path)))


@pytest.fixture
def client_with(guarded: Server) -> Callable[..., httpx2.Client]:
    """Clients with a key of a tenant."""
    keys = KeyStore(guarded.service.database)

    def make(tenant: str, *scopes: str) -> httpx2.Client:
        return guarded.client(keys.create(tenant, "test", scopes or SCOPES))

    return make


def test_requests_need_a_valid_key(guarded: Server, spoken: bytes) -> None:
    wrong = "hk_" + "0" * 16 + "_" + "0" * 64
    for key in (None, "sk-other", wrong):
        with guarded.client(key) as client:
            for answer in (
                client.get("/v1/models"),
                client.post("/v1/audio/transcriptions", data={"model": NANO}, files={"file": spoken}),
                client.post("/v1/glossaries", content=b"no json"),
            ):
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"] == "Bearer"
                assert answer.json()["error"]["code"] == "invalid_api_key"
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").json() == {"status": "ok", "shards": 4, "answered": 4}


def test_keys_reach_as_far_as_their_scopes(client_with: Callable[..., httpx2.Client], spoken: bytes) -> None:
    with client_with("acme", "transcribe") as client:
        assert client.post("/v1/audio/transcriptions", data={"model": NANO}, files={"file": spoken}).status_code == 200
        refused = client.get("/v1/glossaries")
        assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
        sent = {"model": NANO, "glossary_id": "x"}
        named = client.post("/v1/audio/transcriptions", data=sent, files={"file": spoken})
        assert named.status_code == 403
    with client_with("acme", "glossaries:read") as client:
        assert client.get("/v1/glossaries").status_code == 200
        assert client.post("/v1/glossaries", json={"name": "g"}).status_code == 403
        assert client.get("/v1/models").status_code == 403
    with client_with("acme", "admin") as client:
        assert client.post("/v1/glossaries", json={"name": "g"}).status_code == 201


def test_what_is_another_tenants_is_not_there(client_with: Callable[..., httpx2.Client], spoken: bytes) -> None:
    with client_with("one") as mine, client_with("two") as theirs:
        glossary = mine.post("/v1/glossaries", json={"name": "secret"}).json()["id"]
        url = f"/v1/glossaries/{glossary}"
        term = mine.post(f"{url}/terms", json={"term": "Kelly"}).json()
        recording = mine.post(f"{url}/terms/{term['term']['id']}/recordings", files={"file": spoken}).json()
        build = wait_for_build(mine, recording["build"])
        own = theirs.post("/v1/glossaries", json={"name": "own"}).json()["id"]
        of_term = f"terms/{term['term']['id']}"
        paths = ["", "/terms", f"/{of_term}", f"/{of_term}/recordings", "/builds", f"/builds/{build['id']}"]
        requests = [("GET", path, {}) for path in paths]
        requests += [
            ("PATCH", "", {"json": {"name": "x"}}),
            ("DELETE", "", {}),
            ("POST", "/terms", {"json": {"term": "x"}}),
            ("PUT", f"/{of_term}", {"json": {"term": "x"}}),
            ("DELETE", f"/{of_term}", {}),
            ("POST", "/imports", {"content": b"a", "headers": {"content-type": "text/csv"}}),
            ("POST", "/builds", {}),
            ("POST", f"/{of_term}/recordings", {"files": {"file": spoken}}),
            ("DELETE", f"/{of_term}/recordings/{recording['id']}", {}),
        ]
        for method, path, options in requests:
            answer = theirs.request(method, url + path, **options)
            assert answer.status_code == 404, (method, path, answer.text)
            unknown = "00000000-0000-7000-8000-000000000000"
            nothing = theirs.request(method, url.replace(glossary, unknown) + path, **options)
            # In the same words as for what does not exist at all.
            assert nothing.text.replace(unknown, glossary) == answer.text
            # Nor can one's own glossary be the way to what is in another's.
            if path not in ("", "/terms", "/builds", "/imports"):
                assert theirs.request(method, url.replace(glossary, own) + path, **options).status_code == 404
        for endpoint in ("transcriptions", "keywords"):
            sent = {"model": NANO, "glossary_id": glossary}
            answer = theirs.post(f"/v1/audio/{endpoint}", data=sent, files={"file": spoken})
            assert answer.status_code == 404
        assert [found["id"] for found in theirs.get("/v1/glossaries").json()["data"]] == [own]
        assert mine.get(url).json()["terms"] == 1


def test_only_digests_of_keys_are_stored(tmp_path: Path, store: KeyStore) -> None:
    key = store.create("acme", "ci", ["transcribe"])
    found = store.find(key)
    assert found is not None
    assert (found[0].name, found[1]) == ("acme", ("transcribe",))
    secret = key.rpartition("_")[2]
    for path in tmp_path.iterdir():
        assert secret.encode() not in path.read_bytes()
    assert store.find(key[:-1] + ("0" if key[-1] != "0" else "1")) is None


def test_keys_expire_rotate_and_end(store: KeyStore) -> None:
    assert store.find(store.create("acme", "old", ["transcribe"], expires=time.time() - 1)) is None
    first = store.create("acme", "ci", ["transcribe", "glossaries:read"])
    identifier = first.split("_")[1]
    second = store.rotate(identifier, grace_seconds=3600)
    assert store.find(second) is not None
    assert store.find(first) == store.find(second)
    store.revoke(identifier)
    assert store.find(first) is None
    assert store.find(second) is not None
    with pytest.raises(HarkenError, match="No active key"):
        store.rotate(identifier, 0)
    with pytest.raises(HarkenError, match="No key has this id"):
        store.revoke("x")
    with pytest.raises(HarkenError, match="Use some of transcribe"):
        store.create("acme", "ci", ["everything"])


def test_keys_from_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "serve.keys", "--set", f"data={tmp_path}"]
    made = subprocess.run(
        [*command, "create", "--tenant", "acme", "--name", "ci"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    key = made.stdout.strip()
    assert re.fullmatch(r"hk_[0-9a-f]{16}_[0-9a-f]{64}", key)
    listed = subprocess.run([*command, "list"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert listed.split("\t")[1:4] == ["active", "acme", "ci"]
    assert key.split("_")[2] not in listed


def test_the_command_line_tells_mistakes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--set", f"data={tmp_path}", "revoke", "x"]) == 2
    assert "No key has this id" in capsys.readouterr().err
    assert main(["--set", "dat=x", "list"]) == 2
    assert "'data'" in capsys.readouterr().err


def test_a_public_address_needs_keys_unless_told_otherwise(tmp_path: Path, backend: NanoBackend) -> None:
    def settings(anonymous: str) -> ServiceSettings:
        tree = {"data": str(tmp_path), "listen": {"host": "0.0.0.0"}, "access": {"anonymous": anonymous}}
        return check(tree, ServiceSettings, "test")

    for refused in ("local", "never"):
        with pytest.raises(HarkenError, match=r"serve\.keys create"):
            create_app(settings(refused), backend, FileBuilder())
    create_app(settings("always"), backend, FileBuilder())
    KeyStore(Database(default_url(tmp_path))).create("acme", "ci", ["transcribe"])
    create_app(settings("local"), backend, FileBuilder())


def test_pages_of_others_cannot_use_an_open_local_service(open_service: Server) -> None:
    with open_service.client() as client:
        own = client.get("/v1/glossaries", headers={"origin": open_service.url})
        foreign = client.post("/v1/glossaries", json={"name": "x"}, headers={"origin": "https://evil.example"})
        rebound = client.get("/v1/glossaries", headers={"host": "evil.example"})
        broken = [
            client.get("/v1/glossaries", headers=headers).status_code
            for headers in ({"host": "["}, {"host": "[x]:1"}, {"origin": "http://["})
        ]
        wrong_key = client.get("/v1/glossaries", headers={"authorization": "Bearer hk_wrong"})
    assert own.status_code == 200
    assert broken == [403] * 3
    assert (foreign.status_code, rebound.status_code, wrong_key.status_code) == (403, 403, 401)


def test_a_tenant_has_as_many_requests_under_way_as_have_not_left(store: KeyStore, tmp_path: Path) -> None:
    quotas = Quotas(Database(service.database_of(tmp_path)), QuotaSettings(requests_at_once=1))
    gate = Gate(store, quotas, ServiceSettings(access=AccessSettings(anonymous="never")))
    key = store.create("acme", "ci", ["transcribe"])

    def admit() -> Request:
        request = Request({"type": "http", "headers": [], "state": {}})
        asyncio.run(gate.admit(request, key, "transcribe"))
        return request

    under_way = admit()
    with pytest.raises(ServiceError, match="under way"):
        admit()
    under_way.scope["state"]["leave"]()
    admit()


def tenant_in(database: Database) -> Tenant:
    keys = KeyStore(database)
    found = keys.find(keys.create("acme", "ci", ["transcribe"]))
    assert found is not None
    return found[0]


def test_buckets_refill_and_large_costs_go_into_debt(tmp_path: Path) -> None:
    database = Database(service.database_of(tmp_path))
    tenant = tenant_in(database)
    now = [1000.0]
    quotas = Quotas(database, QuotaSettings(requests_per_minute=3, audio_seconds_per_minute=60), lambda: now[0])

    def wait(kind: str, cost: float, who: Tenant = tenant) -> float:
        refused: list[ServiceError] = []
        try:
            asyncio.run(quotas.charge(who, kind, cost))  # type: ignore[arg-type]
        except ServiceError as refusal:
            refused.append(refusal)
        assert [refusal.status for refusal in refused] in ([], [429])
        return (refused[0].retry_after or 0.0) if refused else 0.0

    assert [wait("requests", 1) for _ in range(4)] == [0.0, 0.0, 0.0, pytest.approx(20)]
    now[0] += 20
    assert [wait("requests", 1) for _ in range(2)] == [0.0, pytest.approx(20)]
    # Two minutes of audio in a bucket of one: let through once, then paid off.
    assert wait("audio_seconds", 120) == 0.0
    assert wait("audio_seconds", 30) == pytest.approx(90)
    now[0] += 90
    assert wait("audio_seconds", 30) == 0.0
    assert wait("requests", 1, Tenant(tenant.id, "acme", requests_per_minute=100)) == 0.0


def test_processes_take_a_second_s_worth_at_a_time_and_give_nothing_twice(tmp_path: Path) -> None:
    database = Database(service.database_of(tmp_path))
    tenant = tenant_in(database)
    statements: list[str] = []
    event.listen(database.engine, "after_cursor_execute", lambda *told: statements.append(told[2]))
    processes = [Quotas(database, QuotaSettings(requests_per_minute=600), lambda: 1000.0) for _ in range(2)]

    def admitted(quotas: Quotas) -> bool:
        try:
            asyncio.run(quotas.charge(tenant, "requests", 1))
        except ServiceError:
            return False
        return True

    assert [admitted(processes[0]) for _ in range(10)] == [True] * 10
    assert sum("buckets" in statement for statement in statements) == 1
    count = 10
    for quotas in (*processes, processes[0]):
        while admitted(quotas):
            count += 1
            if count % 7 == 0:
                quotas = processes[count % 2]
    assert count == 600


def test_requests_that_come_together_share_what_one_of_them_takes(tmp_path: Path) -> None:
    database = Database(service.database_of(tmp_path))
    tenant = tenant_in(database)
    quotas = Quotas(database, QuotaSettings(requests_per_minute=600), lambda: 1000.0)

    async def ask(count: int) -> int:
        asked = (quotas.charge(tenant, "requests", 1) for _ in range(count))
        return sum(failure is None for failure in await asyncio.gather(*asked, return_exceptions=True))

    assert asyncio.run(ask(100)) == 100
    assert asyncio.run(ask(600)) == 500


def test_quotas_over_http(tmp_path: Path, backend: NanoBackend, spoken: bytes) -> None:
    quotas = {"requests_per_minute": 5, "audio_seconds_per_minute": 2}
    with running(tmp_path, backend, access={"anonymous": "never"}, quotas=quotas) as server:
        keys = KeyStore(server.service.database)
        with (
            server.client(keys.create("one", "k", SCOPES)) as one,
            server.client(keys.create("two", "k", SCOPES)) as two,
        ):
            sent = {"data": {"model": NANO}, "files": {"file": spoken}}
            first, second = (one.post("/v1/audio/transcriptions", **sent) for _ in range(2))
            assert (first.status_code, second.status_code) == (200, 429)
            assert int(second.headers["retry-after"]) >= 1
            assert "audio seconds" in second.json()["error"]["message"]
            statuses = [one.get("/v1/models").status_code for _ in range(4)]
            assert statuses == [200, 200, 200, 429]
            assert two.get("/v1/models").status_code == 200
