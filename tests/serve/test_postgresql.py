"""The service with its metadata in PostgreSQL: what holds in SQLite holds there, and with several processes."""

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("psycopg", reason="PostgreSQL's driver is not installed: pip install 'psycopg[binary]'")

from harken.errors import HarkenError
from serve.build_queue import BuildQueue
from serve.database import Database
from serve.errors import ServiceError
from serve.glossaries import GlossaryStore
from serve.keys import KeyStore, main
from serve.settings import BuildSettings, LimitSettings
from serve.terms import Term
from tests.serve import service
from tests.serve.postgresql import Cluster, cluster
from tests.serve.service import NanoBackend, Server, running

# The same tests over again, with the fixtures below in the place of those they were written for.
from tests.serve.test_access import (  # noqa: F401
    client_with,
    guarded,
    store,
    test_buckets_refill_and_large_costs_go_into_debt,
    test_keys_expire_rotate_and_end,
    test_quotas_over_http,
    test_requests_need_a_valid_key,
    test_what_is_another_tenants_is_not_there,
)
from tests.serve.test_glossaries import (  # noqa: F401
    client,
    glossary,
    test_a_build_whose_process_was_killed_is_taken_up_and_given_up_at_last,
    test_a_glossary_is_made_changed_and_deleted,
    test_a_glossary_without_a_version_conflicts,
    test_a_term_is_enrolled_by_recordings,
    test_an_import_becomes_a_version_that_transcripts_name,
    test_builds_survive_a_restart,
    test_single_terms,
    test_terms_are_paged_searched_replaced_and_removed,
)

_TENANT = "00000000-0000-7000-8000-000000000001"


@pytest.fixture(scope="module")
def postgresql() -> Iterator[Cluster]:
    with cluster() as made:
        yield made


@pytest.fixture(scope="module", autouse=True)
def _in_postgresql(postgresql: Cluster) -> Iterator[None]:
    """Every data folder has a database of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(service, "database_of", lambda data: postgresql.url(hashlib.sha1(str(data).encode()).hexdigest()))
        yield


@pytest.fixture(scope="module")
def open_service(
    tmp_path_factory: pytest.TempPathFactory, _in_postgresql: None, backend: NanoBackend
) -> Iterator[Server]:
    with running(tmp_path_factory.mktemp("postgresql"), backend) as server:
        assert server.service.database.engine.dialect.name == "postgresql"
        yield server


@pytest.fixture
def url(postgresql: Cluster, tmp_path: Path) -> str:
    return postgresql.url(hashlib.sha1(str(tmp_path).encode()).hexdigest())


class Process:
    """What one process of the service has of the database; several of them share it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.database = Database(url)
        self.glossaries = GlossaryStore(self.database, folder, LimitSettings(terms_per_glossary=50))
        self.builds = BuildQueue(self.database, self.glossaries, BuildSettings())
        keys = KeyStore(self.database)
        with self.database.write() as connection:
            keys.ensure_tenant(connection, "acme", _TENANT)


def at_once(count: int, work: Callable[[int], Any]) -> list[Any]:
    """The results or errors of so many calls that begin at the same moment."""
    gate = threading.Barrier(count)

    def run(number: int) -> object:
        gate.wait()
        try:
            return work(number)
        except ServiceError as refusal:
            return refusal

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


def test_processes_that_start_together_make_one_set_of_tables(url: str, tmp_path: Path) -> None:
    processes = at_once(6, lambda number: Process(url, tmp_path))
    assert all(isinstance(process, Process) for process in processes)
    with processes[0].database.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM tenants").scalar() == 1


def test_changes_at_the_same_time_are_one_build_and_never_too_many_terms(url: str, tmp_path: Path) -> None:
    processes = [Process(url, tmp_path) for _ in range(4)]
    made = processes[0].glossaries.create(_TENANT, "g", "")
    asked = at_once(8, lambda number: processes[number % 4].builds.ask(_TENANT, made.id))
    assert len({build.id for build in asked}) == 1

    def add(number: int) -> list[str]:
        found = []
        for index in range(10):
            term = Term(term=f"term {number} {index}")
            try:
                found.append(processes[number % 4].glossaries.put_term(_TENANT, made.id, term).id)
            except ServiceError as refusal:
                found.append(refusal.code)
        return found

    added = [one for found in at_once(8, add) for one in found]
    assert len(set(added) - {"glossary_full"}) == 50
    assert added.count("glossary_full") == 30
    assert processes[0].glossaries.get(_TENANT, made.id).terms == 50


def test_a_glossary_has_one_build_at_a_time_whoever_takes_it(url: str, tmp_path: Path) -> None:
    processes = [Process(url, tmp_path) for _ in range(4)]
    glossaries = [processes[0].glossaries.create(_TENANT, str(number), "").id for number in range(3)]
    for _ in range(3):
        for glossary_id in glossaries:
            processes[0].builds.ask(_TENANT, glossary_id)
        claimed = [one for one in at_once(8, lambda n: processes[n % 4].builds.claim(f"owner {n}")) if one is not None]
        assert sorted(build.glossary_id for build in claimed) == sorted(glossaries)
        # While they run, a further change waits.
        for glossary_id in glossaries:
            processes[0].builds.ask(_TENANT, glossary_id)
        assert at_once(4, lambda n: processes[n].builds.claim(f"owner {n}")) == [None] * 4
        with processes[0].database.write() as connection:
            connection.exec_driver_sql("UPDATE builds SET status = 'ready' WHERE status = 'building'")


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "ﷺ" * 3, "'; DROP TABLE terms; --", "%_\\"])
def test_no_text_of_a_client_is_a_failure_of_the_database(open_service: Server, text: str) -> None:
    with open_service.client(headers={"content-type": "application/json"}) as asking:
        url = f"/v1/glossaries/{asking.post('/v1/glossaries', json={'name': 'g'}).json()['id']}"
        quoted = "".join(f"%{byte:02x}" for byte in text.encode("utf-8", "surrogatepass"))
        paths = ("/terms?search=", "/terms?after=", "/builds?after=", "/builds/", "/terms/", "/../")
        answers = [asking.get(f"{url}{path}{quoted}") for path in paths]
        for field in ("term", "category", "spoken", "language"):
            # As JSON escapes it: half a character can be told in no other way.
            answers.append(asking.post(f"{url}/terms", content=json.dumps({"term": "a", field: text * 20})))
        for field in ("name", "description"):
            answers.append(asking.patch(url, content=json.dumps({field: text * 80})))
        assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
        assert asking.get(url).status_code == 200


def test_a_database_that_goes_away_and_comes_back(
    postgresql: Cluster, tmp_path: Path, backend: NanoBackend, caplog: pytest.LogCaptureFixture
) -> None:
    with running(tmp_path, backend) as server, server.client() as asking:
        made = asking.post("/v1/glossaries", json={"name": "g"}).json()["id"]
        postgresql.stop()
        try:
            for answer in (asking.get("/v1/glossaries"), asking.get("/readyz")):
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
                assert "retry-after" in answer.headers
                assert "swordfish" not in answer.text
            assert asking.get("/healthz").status_code == 200
        finally:
            postgresql.start()
        assert asking.get(f"/v1/glossaries/{made}").status_code == 200
        build = asking.post(f"/v1/glossaries/{made}/terms", json={"term": "Kelly"}).json()["build"]
        while asking.get(f"/v1/glossaries/{made}/builds/{build['id']}").json()["status"] != "ready":
            time.sleep(0.05)
    assert "swordfish" not in caplog.text


def test_the_password_is_in_no_error(url: str, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (url.replace("host=", "host=/nowhere"), url.replace("psycopg:", "nodriver:")):
        with pytest.raises(HarkenError) as failure:
            Database(wrong)
        assert "swordfish" not in str(failure.value)
        assert main(["--set", f"database={wrong}", "list"]) == 2
        assert "swordfish" not in capsys.readouterr().err
