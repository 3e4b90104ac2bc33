import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import numpy as np
import pytest

from harken.audio import SAMPLE_RATE, decode_audio, encode_flac
from tests.serve.service import NANO, FileBuilder, NanoBackend, Server, running, wait_for_build


@pytest.fixture
def client(open_service: Server) -> Iterator[httpx2.Client]:
    with open_service.client() as client:
        yield client


@pytest.fixture
def glossary(client: httpx2.Client) -> str:
    return client.post("/v1/glossaries", json={"name": "包　袋\x00"}).raise_for_status().json()["id"]


def names(client: httpx2.Client, glossary: str, **query: object) -> list[str]:
    page = client.get(f"/v1/glossaries/{glossary}/terms", params=query).raise_for_status().json()
    return [entry["term"] for entry in page["data"]]


def version_file(server: Server, glossary: str, version: int) -> Path:
    return server.service.glossaries.folder / glossary / f"version-{version:06d}" / "terms.json"


def test_a_glossary_is_made_changed_and_deleted(client: httpx2.Client, glossary: str) -> None:
    url = f"/v1/glossaries/{glossary}"
    made = client.get(url).json()
    assert (made["name"], made["status"], made["version"], made["terms"]) == ("包 袋", "empty", None, 0)
    assert client.patch(url, json={"description": "d"}).json() == {**made, "description": "d"}
    assert client.patch(url, json={"name": "\x07"}).status_code == 422
    assert glossary in [found["id"] for found in client.get("/v1/glossaries").json()["data"]]
    assert client.delete(url).json() == {"id": glossary, "object": "glossary", "deleted": True}
    assert client.get(url).status_code == 404


def test_an_import_becomes_a_version_that_transcripts_name(
    open_service: Server, client: httpx2.Client, glossary: str, backend: NanoBackend, spoken: bytes
) -> None:
    table = "term,category\r\nSpeedy 20,SERIES\r\n铂金包,NICKNAME\r\nspeedy20,SERIES\r\n"
    sent = client.post(f"/v1/glossaries/{glossary}/imports", content=table, headers={"content-type": "text/csv"})
    assert sent.status_code == 202
    assert (sent.json()["accepted"], sent.json()["removed"]) == (2, 0)
    build = wait_for_build(client, sent.json()["build"])
    assert (build["status"], build["version"], build["terms"], build["progress"]) == ("ready", 1, 2, 1.0)
    # Two spellings of one term are one term, as the last was sent.
    assert names(client, glossary) == ["speedy20", "铂金包"]
    assert [term["term"] for term in json.loads(version_file(open_service, glossary, 1).read_text())] == [
        "speedy20",
        "铂金包",
    ]
    assert backend.published[-1].glossary_id == glossary
    answer = client.post(
        "/v1/audio/transcriptions", data={"model": NANO, "glossary_id": glossary}, files={"file": spoken}
    )
    biasing = answer.raise_for_status().json()["biasing"]
    assert (biasing["glossary_id"], biasing["glossary_version"]) == (glossary, 1)
    assert (answer.headers["x-harken-glossary"], answer.headers["x-harken-glossary-version"]) == (glossary, "1")
    assert backend.asked[-1].glossary.folder == version_file(open_service, glossary, 1).parent


def test_terms_are_paged_searched_replaced_and_removed(client: httpx2.Client, glossary: str) -> None:
    url = f"/v1/glossaries/{glossary}"
    lines = "".join(json.dumps({"term": f"term {number}"}) + "\n" for number in range(25))
    headers = {"content-type": "application/jsonl"}
    assert client.post(f"{url}/imports", content=lines, headers=headers).json()["accepted"] == 25
    found, after = [], ""
    while True:
        page = client.get(f"{url}/terms", params={"after": after, "limit": 10}).json()
        found += [entry["term"] for entry in page["data"]]
        after = page["last_id"]
        if not page["has_more"]:
            break
    assert found == [f"term {number}" for number in range(25)]
    assert names(client, glossary, search="TERM 2") == ["term 2", "term 20", "term 21", "term 22", "term 23", "term 24"]
    assert names(client, glossary, search="%") == []
    replaced = client.post(
        f"{url}/imports?mode=replace",
        content=b"term 3\tX\nnew\t\n",
        headers={"content-type": "text/tab-separated-values"},
    ).json()
    assert (replaced["accepted"], replaced["removed"]) == (2, 24)
    assert names(client, glossary) == ["term 3", "new"]


def test_single_terms(client: httpx2.Client, glossary: str) -> None:
    url = f"/v1/glossaries/{glossary}/terms"
    made = client.post(url, json={"term": "Kelly", "category": "SERIES"})
    assert made.status_code == 201
    term = made.json()["term"]
    assert made.json()["build"]["status"] in ("pending", "building", "ready")
    assert client.post(url, json={"term": "KELLY"}).status_code == 409
    changed = client.put(f"{url}/{term['id']}?build=false", json={"term": "Kelly bag", "spoken": "凯莉包"}).json()
    assert changed["build"] is None
    assert changed["term"] == {**term, "term": "Kelly bag", "spoken": "凯莉包", "category": ""}
    assert client.get(f"{url}/{term['id']}").json() == changed["term"]
    gone = client.delete(f"{url}/{term['id']}").json()
    # Whoever builds may have taken it before the answer was read from the database.
    assert gone["deleted"] is True
    assert gone["build"]["status"] in ("pending", "building", "ready")
    assert client.delete(f"{url}/{term['id']}").status_code == 404


@pytest.mark.parametrize(
    ("kind", "content", "told"),
    [
        ("application/jsonl", b'{"term": "a"}\n{"term": }\n', "line 2: it is not valid JSON"),
        ("application/jsonl", b'{"term": "a"}\n{"name": "b"}\n', "line 2: term: Field required"),
        ("application/jsonl", b"[]\n", "line 1"),
        ("application/jsonl", b"[" * 10_000, "line 1"),
        ("application/jsonl", b'{"term": "<|endoftext|>"}\n', "it has no letter"),
        ("application/jsonl", b'{"term": "' + b"a" * 257 + b'"}\n', "at most 256"),
        ("application/jsonl", b"a" * 100_000, "line 1: it is longer than"),
        ("text/csv", b"term,colour\na,red\n", "unknown column 'colour'"),
        ("text/csv", b"a,b,c\n", "3 cells for 2 columns"),
        ("text/csv", b"\xff\xfe\n", "line 1: it is not UTF-8"),
        ("text/csv", b"a\0\n", "NUL"),
        ("text/csv", b"term,category\n", "holds no term"),
        ("text/csv", b"", "holds no term"),
    ],
)
def test_an_import_with_a_wrong_line_changes_nothing(
    client: httpx2.Client, glossary: str, kind: str, content: bytes, told: str
) -> None:
    answer = client.post(f"/v1/glossaries/{glossary}/imports", content=content, headers={"content-type": kind})
    assert answer.status_code == 422
    assert told in answer.json()["error"]["message"]
    assert client.get(f"/v1/glossaries/{glossary}").json()["terms"] == 0


def test_imports_of_another_type_are_refused(client: httpx2.Client, glossary: str) -> None:
    answer = client.post(f"/v1/glossaries/{glossary}/imports", json={"url": "http://localhost/terms.csv"})
    assert answer.status_code == 415
    assert "text/csv" in answer.json()["error"]["message"]


def test_a_term_is_enrolled_by_recordings(
    open_service: Server, client: httpx2.Client, glossary: str, spoken: bytes
) -> None:
    term = client.post(f"/v1/glossaries/{glossary}/terms?build=false", json={"term": "Kelly"}).json()["term"]["id"]
    url = f"/v1/glossaries/{glossary}/terms/{term}/recordings"
    made = client.post(url, files={"file": spoken}).raise_for_status().json()
    assert wait_for_build(client, made["build"])["status"] == "ready"
    assert json.loads(version_file(open_service, glossary, 1).read_text()) == [{"term": "Kelly", "recordings": [True]}]
    kept = open_service.service.glossaries.folder / glossary / "recordings" / f"{made['id']}.flac"
    assert np.array_equal(decode_audio(kept.read_bytes())[0], decode_audio(spoken)[0])
    assert client.get(f"/v1/glossaries/{glossary}/terms/{term}").json()["recordings"] == 1
    assert [found["id"] for found in client.get(url).json()["data"]] == [made["id"]]
    long = encode_flac(np.zeros(11 * SAMPLE_RATE, dtype=np.float32), SAMPLE_RATE)
    assert client.post(url, files={"file": long}).status_code == 413
    assert client.post(url, files={"file": b"no audio at all"}).status_code == 415
    assert client.delete(f"{url}/{made['id']}").json()["deleted"] is True
    assert not kept.exists()
    assert client.delete(f"{url}/{made['id']}").status_code == 404


def test_a_glossary_without_a_version_conflicts(tmp_path: Path, backend: NanoBackend, spoken: bytes) -> None:
    builder = FileBuilder()
    builder.gate.clear()
    with running(tmp_path, backend, builder) as server, server.client() as client:
        glossary = client.post("/v1/glossaries", json={"name": "g"}).json()["id"]

        def transcribe() -> httpx2.Response:
            sent = {"model": NANO, "glossary_id": glossary}
            return client.post("/v1/audio/transcriptions", data=sent, files={"file": spoken})

        assert (transcribe().status_code, "retry-after" in transcribe().headers) == (409, False)
        url = f"/v1/glossaries/{glossary}/terms"
        build = client.post(url, json={"term": "unspeakable"}).json()["build"]
        assert (transcribe().status_code, "retry-after" in transcribe().headers) == (409, True)
        builder.gate.set()
        failed = wait_for_build(client, build)
        builder.gate.clear()
        assert failed["status"] == "failed"
        assert "No voice can say it" in failed["failure_reason"]
        assert str(tmp_path) not in failed["failure_reason"]
        assert "retry-after" not in transcribe().headers
        # While one build is under way, all further changes are one more.
        client.delete(f"{url}/{client.get(url).json()['data'][0]['id']}?build=false")
        first = client.post(url, json={"term": "Kelly"}).json()["build"]
        while client.get(f"/v1/glossaries/{glossary}/builds/{first['id']}").json()["status"] != "building":
            time.sleep(0.05)
        second = client.post(url, json={"term": "Speedy"}).json()["build"]
        third = client.post(url, json={"term": "Alma"}).json()["build"]
        assert second["id"] == third["id"] != first["id"]
        builder.gate.set()
        assert wait_for_build(client, third)["terms"] == 3
        builds = client.get(f"/v1/glossaries/{glossary}/builds").json()["data"]
        assert [(build["version"], build["status"]) for build in builds] == [(1, "failed"), (2, "ready"), (3, "ready")]
        assert transcribe().json()["biasing"]["glossary_version"] == 3
        wait_for_build(client, client.post(f"/v1/glossaries/{glossary}/builds").json())
        folder = server.service.glossaries.folder / glossary
        # A build is ready before what nobody reads any more is gone.
        for _ in range(200):
            if len(kept := sorted(path.name for path in folder.iterdir())) <= 2:
                break
            time.sleep(0.05)
        assert kept == ["version-000003", "version-000004"]
        assert client.delete(f"/v1/glossaries/{glossary}").status_code == 200
        assert not folder.exists()


def test_builds_survive_a_restart(tmp_path: Path, backend: NanoBackend) -> None:
    builder = FileBuilder()
    builder.gate.clear()
    with running(tmp_path, backend, builder) as server, server.client() as client:
        glossary = client.post("/v1/glossaries", json={"name": "g"}).json()["id"]
        build = client.post(f"/v1/glossaries/{glossary}/terms", json={"term": "Kelly"}).json()["build"]
        url = f"/v1/glossaries/{glossary}/builds/{build['id']}"
        while client.get(url).json()["progress"] != 0.5:
            time.sleep(0.05)
    with running(tmp_path, backend) as server, server.client() as client:
        found = wait_for_build(client, build)
        assert (found["status"], found["version"]) == ("ready", 1)
        assert names(client, glossary) == ["Kelly"]


def test_a_build_whose_process_was_killed_is_taken_up_and_given_up_at_last(
    tmp_path: Path, backend: NanoBackend
) -> None:
    builder = FileBuilder()
    builder.gate.clear()
    with running(tmp_path, backend, builder) as server, server.client() as client:
        glossary = client.post("/v1/glossaries", json={"name": "g"}).json()["id"]
        build = client.post(f"/v1/glossaries/{glossary}/terms", json={"term": "Kelly"}).json()["build"]
        queue = server.service.builds
    # As kill -9 leaves it: building, in nobody's hands, without a sign of life.
    queue._settings = queue._settings.model_copy(update={"lease_seconds": 0.0})
    for _ in range(3):
        claimed = queue.claim("00000000-0000-0000-0000-00000000dead")
        assert claimed is not None
        assert claimed.id == build["id"]
        time.sleep(0.01)
    assert queue.claim("x") is None
    with running(tmp_path, backend, builder) as server, server.client() as client:
        found = wait_for_build(client, build)
    assert found["status"] == "failed"
    assert "interrupted 3 times" in found["failure_reason"]
