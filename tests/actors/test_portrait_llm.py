"""Labels from an LLM, against a local server that speaks the protocol, through the real client."""

import json
from pathlib import Path
from typing import Any

import pytest

from actors.ledger import FOLDER, account
from actors.portrait_llm import LlmExtractor, response_format
from harken.errors import HarkenError
from harken.portrait_settings import PortraitLlmSettings
from harken.portraits.mentions import Mention
from harken.portraits.vocabulary import Label, Vocabulary
from tests.llm_server import LlmServer

VOCABULARY = Vocabulary([Label("gucci", "BRAND", ("古驰",)), Label("黑色", "COLOUR"), Label("老花", "LINES")])
GOOD = {"category": "BRAND", "label": "gucci", "quote": "古池", "wanted": True}


def extractor(server: LlmServer, folder: Path, **changes: Any) -> LlmExtractor:
    limits = {"retry_seconds": 0.01, "timeout_seconds": 4.0, "price_in": 1.0, "price_out": 2.0}
    limits |= changes.pop("limits", {})
    llm = {"base_url": server.url, "model": "local", "api_key_env": None, "limits": limits, "asks": 2}
    return LlmExtractor(VOCABULARY, PortraitLlmSettings.model_validate(llm | changes), folder)


def answer(*notes: list[dict[str, Any]]) -> str:
    numbered = [{"number": number, "labels": labels} for number, labels in enumerate(notes, start=1)]
    return json.dumps({"notes": numbered}, ensure_ascii=False)


def extract(made: LlmExtractor, *texts: str) -> list[list[Mention] | str]:
    return made.extract([{"id": f"r{place}"} for place in range(len(texts))], texts)


def test_labels_are_taken_with_their_quotes_and_refusals(tmp_path: Path) -> None:
    black = {"category": "COLOUR", "label": "黑色", "quote": "黑", "wanted": False}
    with LlmServer(script=[answer([GOOD, black], [])]) as server:
        found = extract(extractor(server, tmp_path), "不要黑的，喜欢古池", "今天天气很好", " ")
    assert found == [
        [
            Mention("COLOUR", "黑色", "黑", 2, 3, "llm", refused=True),
            Mention("BRAND", "gucci", "古池", 7, 9, "llm"),
        ],
        [],
        [],
    ]
    (request,) = server.received
    assert request.body["temperature"] == 0.0
    assert "BRAND: gucci (古驰)" in request.prompt
    assert "1. 不要黑的，喜欢古池\n2. 今天天气很好\n" in request.prompt
    assert "不要黑色" in request.prompt


@pytest.mark.parametrize(
    ("finding", "cause"),
    [
        (GOOD | {"label": "prada"}, "unknown label: BRAND prada"),
        (GOOD | {"category": "LINES"}, "unknown label: LINES gucci"),
        (GOOD | {"quote": "古驰"}, "no quote: '古驰'"),
        (GOOD | {"quote": ""}, "no quote"),
        ({"category": "BRAND", "label": "gucci"}, "malformed answer"),
    ],
)
def test_what_does_not_pass_is_asked_for_again_and_then_fails(
    tmp_path: Path, finding: dict[str, Any], cause: str
) -> None:
    bad = answer([finding], [GOOD])
    with LlmServer(script=[bad, answer([GOOD])]) as server:
        mended = extract(extractor(server, tmp_path / "mended"), "喜欢古池", "要古池的包")
    assert [isinstance(found, str) for found in mended] == [False, False]
    # The second note had passed, so only the first is asked about again.
    assert "2. " not in server.received[1].prompt
    with LlmServer(script=[bad, answer([finding])]) as server:
        failed, good = extract(extractor(server, tmp_path / "failed"), "喜欢古池", "要古池的包")
    assert isinstance(failed, str)
    assert failed.startswith(cause)
    assert good == [Mention("BRAND", "gucci", "古池", 1, 3, "llm")]


def test_answers_come_from_the_ledger_the_second_time(tmp_path: Path) -> None:
    with LlmServer(script=[answer([GOOD])]) as server:
        first = extract(extractor(server, tmp_path / FOLDER), "喜欢古池")
        again = extract(extractor(server, tmp_path / FOLDER), "喜欢古池")
        assert len(server.received) == 1
    assert first == again
    assert account(tmp_path).requests == 1


def test_faults_are_retried_and_the_spend_cap_holds(tmp_path: Path) -> None:
    with LlmServer(script=["429", "500", "garbled", answer([GOOD])]) as server:
        (found,) = extract(extractor(server, tmp_path / "faults"), "喜欢古池")
        assert len(server.received) == 4
    assert found == [Mention("BRAND", "gucci", "古池", 2, 4, "llm")]
    with LlmServer() as server:
        (refused,) = extract(extractor(server, tmp_path / "cap", limits={"spend_cap": 1e-6}), "喜欢古池")
        assert server.received == []
    assert isinstance(refused, str)
    assert refused.startswith("spend cap")


def test_a_wrong_key_is_told_at_once(tmp_path: Path) -> None:
    with LlmServer(script=["401"]) as server, pytest.raises(HarkenError, match="status 401"):
        extract(extractor(server, tmp_path), "喜欢古池")


def test_the_key_must_be_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTRAIT_KEY", raising=False)
    with LlmServer() as server, pytest.raises(HarkenError, match=r"PORTRAIT_KEY.*portraits\.llm\.api_key_env"):
        extractor(server, tmp_path, api_key_env="PORTRAIT_KEY")


def test_the_schema_that_is_sent_holds_the_known_labels_and_nothing_else() -> None:
    sent = response_format(VOCABULARY, "json_schema")
    assert sent is not None
    note = sent["json_schema"]["schema"]["properties"]["notes"]["items"]
    findings = note["properties"]["labels"]["items"]["anyOf"]
    known = {found["properties"]["category"]["const"]: found["properties"]["label"]["enum"] for found in findings}
    assert known == {"BRAND": ["gucci"], "COLOUR": ["黑色"], "LINES": ["老花"]}
    assert all(found["additionalProperties"] is False for found in (note, *findings))
    assert response_format(VOCABULARY, "text") is None
