"""The portraits of a run whose hypotheses are there, and of any transcripts."""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from actors.speaker import SPEECH_SCHEMA
from actors.transcriber import HYPOTHESIS_SCHEMA
from harken.config import load_config
from harken.errors import HarkenError
from harken.records import FAILED, OK, Row, read_parquet, write_parquet
from harken.settings import PipelineSettings, TranscriptSettings
from harken.stages import Stage
from jobs.plan import Plan
from jobs.portraits import draw_portraits, main, portray
from tests.harken.report.document import Document
from tests.llm_server import LlmServer

ROOT = Path(__file__).resolve().parents[2]
SAID = ("女生，喜欢戴妃包，要红色", "想要birkin，不要黑色", "四川人，想要speedy 20", "喜欢老花")
HEARD = {
    "base": ("女生，喜欢大本营，要红色", "想要病，不要黑色", "四川人，想要死皮的", None),
    "adapted": ("女生，喜欢戴菲包，要红色", "想要birkin，要黑色", "四川人，想要speedy 20", "喜欢老花"),
}


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def write_rows(stage: Stage, rows: Sequence[Row], schema: Any) -> None:
    empty = dict.fromkeys(schema.names)
    stage.begin("")
    write_parquet(stage.part(0), [empty | {"status": OK} | row for row in rows], schema)
    stage.finish(0.0)


def heard_run(folder: Path, *overrides: str, **fields: dict[str, Any]) -> Plan:
    """A run in which everything up to the hypotheses of the domain set is there; ``fields`` add to its rows."""
    manifest = folder / "domain.jsonl"
    rows = [{"id": f"n{place}", "text": text} | fields.get(f"n{place}", {}) for place, text in enumerate(SAID)]
    manifest.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    changes = [f"run.output={folder / 'run'}", f"evaluate.domain={manifest}", "evaluate.bootstrap_samples=40"]
    plan = Plan(load_config("configs/demo.yaml", [*changes, *overrides], PipelineSettings))
    said = [{"id": row["id"], "text": row["text"]} for row in rows]
    write_rows(plan.domain.stage, said, SPEECH_SCHEMA)
    for system, texts in HEARD.items():
        heard = [
            {"id": row["id"], "hypothesis": text} | ({} if text else {"status": FAILED, "error": "audio: broken"})
            for row, text in zip(rows, texts, strict=True)
        ]
        write_rows(plan.hypotheses(plan.domain, system), heard, HYPOTHESIS_SCHEMA)
    return plan


def test_systems_are_compared_by_the_labels_they_heard(tmp_path: Path) -> None:
    plan = heard_run(tmp_path)
    record = draw_portraits(plan)
    # Said: 女士 戴妃包 红色 | birkin, not 黑色 | 四川人 speedy 20 | 老花.
    assert record["support"] == {"COLOUR": 2, "GENDER": 1, "LINES": 1, "NICKNAME": 1, "ORIGIN": 1, "SERIES": 2}
    rates = record["rates"]
    assert rates["base"]["recall"]["value"] == pytest.approx(4 / 8)
    # Heard 要黑色: one label too many and one too few.
    assert rates["adapted"]["recall"]["value"] == pytest.approx(7 / 8)
    assert rates["adapted"]["precision"]["value"] == pytest.approx(7 / 8)
    assert record["spelled"]["adapted"]["recall"]["value"] == pytest.approx(6 / 8)
    assert record["paired"]["adapted"]["f1"]["value"] > 0
    table = {(row["system"], row["id"]): row for row in read_parquet(tmp_path / "run/portraits.parquet")}
    assert len(table) == 12
    assert table["base", "n3"]["error"] == "audio: broken"
    heard = table["adapted", "n0"]
    assert [(m["label"], m["found_by"]) for m in heard["mentions"]][1] == ("戴妃包", "sound")
    assert heard["suggestions"][0]["name"].startswith("dior lady dior")


def test_a_second_time_nothing_is_drawn_and_a_deleted_part_is_made_again(tmp_path: Path) -> None:
    plan = heard_run(tmp_path)
    first = draw_portraits(plan)
    part = plan.portraits_of("adapted").part(0)
    made = part.stat().st_mtime_ns
    assert draw_portraits(Plan(plan.settings)) == first
    assert part.stat().st_mtime_ns == made
    part.unlink()
    assert plan.portraits is not None
    plan.portraits.marker.unlink()
    assert draw_portraits(Plan(plan.settings))["rates"] == first["rates"]


def test_labels_that_the_test_set_states_are_the_reference(tmp_path: Path) -> None:
    stated = {"portrait": {"LINES": ["老花"], "STYLE": ["经典"]}, "refused": {"COLOUR": "黑色"}}
    record = draw_portraits(heard_run(tmp_path, n3=stated))
    assert record["support"]["STYLE"] == 1
    assert record["support"]["COLOUR"] == 3
    assert record["rates"]["adapted"]["f1.STYLE"]["value"] == 0


def test_a_stated_label_must_be_known(tmp_path: Path) -> None:
    with pytest.raises(HarkenError, match=r"row n3, portrait: '老画'.*no known label of LINES"):
        draw_portraits(heard_run(tmp_path, n3={"portrait": {"LINES": ["老画"]}}))


def test_the_job_prints_what_it_found(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(heard_run(tmp_path).settings)
    printed = capsys.readouterr().out
    for part in ("Label F1", "Label F1, macro", "NICKNAME", "戴妃包", "4 customers", "portraits.parquet", "report:"):
        assert part in printed


def test_it_says_what_is_missing(tmp_path: Path) -> None:
    run = f"run.output={tmp_path / 'run'}"
    with pytest.raises(HarkenError, match="section portraits"):
        draw_portraits(Plan(load_config("configs/demo.yaml", [run, "portraits=null"], PipelineSettings)))
    with pytest.raises(HarkenError, match=r"speech-domain.*jobs\.speech"):
        draw_portraits(Plan(load_config("configs/demo.yaml", [run], PipelineSettings)))


def transcripts(folder: Path, *texts: str) -> Path:
    path = folder / "calls.jsonl"
    rows = [json.dumps({"id": f"c{place}", "text": text}) for place, text in enumerate(texts)]
    path.write_text("".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def alone(folder: Path, *overrides: str) -> TranscriptSettings:
    return load_config("configs/portraits.yaml", [f"run.output={folder / 'run'}", *overrides], TranscriptSettings)


def test_any_transcripts_get_portraits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = transcripts(tmp_path, "女生，喜欢戴菲包", "今天天气很好", "想要birkin 30")
    settings = alone(tmp_path, "portraits.rows_per_shard=2")
    main(settings, transcripts=str(path))
    rows = read_parquet(tmp_path / "run/portraits-calls.parquet")
    assert [row["id"] for row in rows] == ["c0", "c1", "c2"]
    assert [bool(row["suggestions"]) for row in rows] == [True, False, True]
    printed = capsys.readouterr().out
    assert "3 customers, 2 with suggestions" in printed
    assert "portraits-calls.html" in printed
    page = Document((tmp_path / "run/portraits-calls.html").read_text(encoding="utf-8"))
    assert "戴妃包 ← 戴菲包, by its sound" in page.one("customers").text
    assert "c2" in page.one("customers").text
    assert "No references were given" in page.one("rates").text
    path.write_text(path.read_text(encoding="utf-8").replace("birkin 30", "kelly"), encoding="utf-8")
    again = read_parquet(portray(settings, path))
    assert dict(again[2]["portrait"]) == {"SERIES": ["kelly"]}


def references(folder: Path, *rows: Row) -> Path:
    path = folder / "said.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def test_references_of_some_transcripts_tell_how_right_the_labels_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = transcripts(tmp_path, "女生，喜欢戴菲包，要红色", "喜欢老花", "想要birkin 30")
    said = references(
        tmp_path,
        {"id": "c0", "text": "女生，喜欢戴妃包，不要红色"},
        {"id": "c1", "text": "喜欢老花", "portrait": {"LINES": ["老花"], "STYLE": ["经典"]}},
    )
    main(alone(tmp_path), transcripts=str(path), references=str(said))
    printed = capsys.readouterr().out
    # 女士, 戴妃包 and 老花 are right, 红色 is wanted instead of refused, and nothing says 经典.
    assert re.search(r"Label F1\W+0\.667", printed)
    assert re.search(r"Label precision\W+0\.750", printed)
    shown = Document((tmp_path / "run/portraits-calls.html").read_text(encoding="utf-8")).one("rates").text
    assert "On 2 transcripts with a reference" in shown
    assert "0.667" in shown
    assert "STYLE" in shown


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"id": "c9", "text": "喜欢老花"}, r"calls\.jsonl has no transcript for the id: 'c9'"),
        ({"id": "c0", "text": "喜欢老花", "portrait": {"LINES": ["老画"]}}, r"row c0, portrait: '老画'"),
        ({"id": "c0"}, "'text'"),
    ],
)
def test_broken_references_are_told(tmp_path: Path, row: Row, message: str) -> None:
    path = transcripts(tmp_path, "喜欢老花")
    with pytest.raises(HarkenError, match=message):
        main(alone(tmp_path), transcripts=str(path), references=str(references(tmp_path, row)))


def test_references_belong_to_transcripts(tmp_path: Path) -> None:
    settings = load_config("configs/demo.yaml", [f"run.output={tmp_path}"], PipelineSettings)
    with pytest.raises(HarkenError, match=r"--references.*--transcripts"):
        main(settings, references="said.jsonl")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows"),
        ('{"id": "a", "text": ""}\n', r"calls\.jsonl, line 1.*'text'"),
        ('{"text": "a"}\n', r"line 1.*'id'"),
        ("{\n", "not valid JSON"),
    ],
)
def test_broken_transcripts_are_told(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "calls.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(HarkenError, match=message):
        portray(alone(tmp_path), path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("portraits.products=absent.csv", r"absent\.csv"),
        ("portraits.labels=absent.csv", r"absent\.csv"),
        ("portraits.columns={colour: COLOR}", r"columns\.colour: 'COLOR'.*COLOUR"),
        ("portraits.categories=[COLOUR, BUDGET]", r"portrait_labels\.csv, line \d+, category: 'GENDER'"),
        ("portraits.product_id=id", "'id' is missing"),
    ],
)
def test_broken_settings_are_told(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(HarkenError, match=message):
        portray(alone(tmp_path, override), transcripts(tmp_path, "喜欢老花"))


def llm_settings(folder: Path, server: LlmServer, spend_cap: float) -> TranscriptSettings:
    limits = {"timeout_seconds": 4.0, "requests_in_flight": 1, "price_in": 1.0, "price_out": 2.0}
    limits["spend_cap"] = spend_cap
    llm = {"base_url": server.url, "model": "m", "api_key_env": None, "notes_per_request": 1, "limits": limits}
    return alone(folder, "portraits.extractor=llm", f"portraits.llm={json.dumps(llm)}", "keywords.pronunciations=null")


def test_an_llm_that_runs_out_of_money_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = transcripts(tmp_path, "喜欢老画", "喜欢古池")
    finding = {"category": "LINES", "label": "老花", "quote": "老画", "wanted": True}
    brand = {"category": "BRAND", "label": "gucci", "quote": "古池", "wanted": True}
    notes = [{"notes": [{"number": 1, "labels": [found]}]} for found in (finding, brand)]
    first, second = (json.dumps(answer, ensure_ascii=False) for answer in notes)
    with LlmServer(script=[first, second]) as server:
        with pytest.raises(HarkenError, match=r"portraits\.llm\.limits\.spend_cap.*--retry-failed"):
            portray(llm_settings(tmp_path, server, 1e-9), path)
        assert server.received == []
        rows = read_parquet(portray(llm_settings(tmp_path, server, 10.0), path, retry_failed=True))
        assert len(server.received) == 2
    assert [dict(row["portrait"]) for row in rows] == [{"LINES": ["老花"]}, {"BRAND": ["gucci"]}]
    assert list(tmp_path.glob("run/stages/portraits-transcripts-*/ledger.json"))
