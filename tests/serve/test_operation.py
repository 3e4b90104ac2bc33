import json
import logging
import re
import socket
import time

import pytest

from serve.routes.pages import content_policy
from tests.serve.service import NANO, NanoBackend, Server


def lines(caplog: pytest.LogCaptureFixture) -> list[dict]:
    return [json.loads(record.message) for record in caplog.records if record.name == "harken.access"]


def test_every_request_is_logged_without_what_it_keeps_secret(
    open_service: Server, spoken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "harken.access")
    headers = {"authorization": "Bearer sk-very-secret", "x-request-id": "abc-1"}
    with open_service.client() as client:
        answer = client.post(
            "/v1/audio/transcriptions?token=very-secret", data={"model": NANO, "prompt": "very secret"},
            files={"file": ("very-secret.flac", spoken)}, headers=headers,
        )  # fmt: skip
        client.get("/v1/glossaries/very-secret")
        client.get("/nowhere/very-secret", headers={"x-request-id": "a\tb"})
    assert answer.headers["x-request-id"] == "abc-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    # A line is written after its answer was sent.
    while len(lines(caplog)) < 3:
        time.sleep(0.02)
    heard, glossary, nowhere = lines(caplog)
    assert (heard["request"], heard["method"], heard["route"], heard["status"]) == (
        "abc-1", "POST", "/v1/audio/transcriptions", 200,
    )  # fmt: skip
    assert heard["audio_seconds"] > 1
    assert heard["bytes"] > len(spoken)
    assert (glossary["route"], glossary["status"]) == ("/v1/glossaries/{glossary_id}", 404)
    assert (nowhere["route"], nowhere["status"]) == ("(none)", 404)
    assert re.fullmatch(r"[0-9a-f]{32}", nowhere["request"])
    assert "very" not in caplog.text


def test_a_client_that_leaves_during_its_upload_is_no_failure(
    open_service: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "harken.access")
    with socket.create_connection(("127.0.0.1", open_service.port)) as leaving:
        head = f"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1:{open_service.port}\r\n"
        leaving.sendall(
            f"{head}Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 99\r\n\r\n--x".encode()
        )
    while not lines(caplog):
        time.sleep(0.02)
    assert [(line["route"], line["status"]) for line in lines(caplog)] == [("/v1/audio/transcriptions", 499)]
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_metrics_count_what_was_asked(open_service: Server, spoken: bytes) -> None:
    with open_service.client() as client:
        client.post("/v1/audio/transcriptions", data={"model": NANO}, files={"file": spoken})
        client.post("/v1/audio/transcriptions", data={"model": NANO}, files={"file": b"no audio"})
        told = client.get("/metrics").text
    figures = dict(line.rsplit(" ", 1) for line in told.splitlines() if not line.startswith("#"))
    route = 'method="POST",route="/v1/audio/transcriptions"'
    assert float(figures[f'harken_requests_total{{{route},status="200"}}']) >= 1
    assert float(figures[f'harken_requests_total{{{route},status="415"}}']) >= 1
    assert float(figures['harken_uploads_refused_total{code="unsupported_audio"}']) >= 1
    assert float(figures['harken_stage_seconds_count{stage="decode"}']) >= 1
    assert float(figures["harken_audio_seconds_total"]) > 1
    assert float(figures["harken_requests_in_flight"]) == 1


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_pages_load_nothing_from_elsewhere_and_run_only_themselves(open_service: Server, path: str) -> None:
    with open_service.client() as client:
        page = client.get(path)
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert not re.search(r"""(src|href)=["']?(https?:)?//|@import|url\(""", page.text)
    assert "innerHTML" not in page.text
    # An attribute that runs or styles would be against the policy, which knows whole elements only.
    assert not re.search(r"<[^>]+ (on\w+|style)=", page.text.split("<script>")[0])
    policy = page.headers["content-security-policy"]
    assert policy == content_policy(page.text)
    assert policy.count("'sha256-") == 2
    assert "unsafe" not in policy


def test_a_failure_of_the_server_tells_nothing_of_it(
    open_service: Server, backend: NanoBackend, spoken: bytes, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    async def fail(request: object) -> None:
        raise RuntimeError("the password is zwiebel")

    monkeypatch.setattr(backend, "transcribe", fail)
    with open_service.client() as client:
        plain = client.post("/v1/audio/transcriptions", data={"model": NANO}, files={"file": spoken})
        streamed = client.post(
            "/v1/audio/transcriptions", data={"model": NANO, "stream": "true"}, files={"file": spoken}
        )
    for answer in (plain, streamed):
        assert answer.status_code == 500
        assert answer.json()["error"]["code"] == "internal_error"
        assert answer.headers["x-request-id"] in answer.json()["error"]["message"]
        assert "zwiebel" not in answer.text
    assert "the password is zwiebel" in caplog.text


def test_what_is_not_there_and_what_cannot_be_done(open_service: Server) -> None:
    with open_service.client() as client:
        missing, method = client.get("/v2"), client.put("/v1/glossaries")
        docs = client.get("/openapi.json").json()
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "unknown_url")
    assert (method.status_code, method.json()["error"]["code"]) == (405, "method_not_allowed")
    assert method.headers["allow"] == "GET, POST"
    body = docs["paths"]["/v1/audio/transcriptions"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert body["required"] == ["file", "model"]
    assert {"keywords[]", "timestamp_granularities[]", "glossary_id", "strict"} <= set(body["properties"])
