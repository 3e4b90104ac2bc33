import base64
import dataclasses
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from harken.audio import encode_flac
from harken.report import ReportData, render_report
from harken.report.data import (
    CategoryRecall,
    GeneralCheck,
    Hypothesis,
    JudgeReport,
    LabelReport,
    Span,
    SpeechReport,
    StageRun,
    TrainingReport,
    Utterance,
)
from tests.harken.report.document import Document
from tests.harken.report.sample import sample, utterance
from tests.harken.report.speech import speechlike

HOSTILE = "</title></style></script>'\"><script>alert(1)</script><img src=x onerror=alert(1)>&lt;\x00\ud800<!--"

SECTIONS = {
    "summary": ("Adapted against Base", "0.153", "Synthetic speech only."),
    "metrics": ("CER_oth", "0.153 [0.133, 0.173]", "−62.9%"),
    "general": ("80 utterances", "+5.0%"),
    "biasing": ("879 entries", "Base and with the glossary, domain set", "−20.0%", "30 (75.0%)", "sound different"),
    "keywords": ("SERIES", "90.0%", "n/a"),
    "spread": ("median CER", "fewer errors"),
    "utterances": ("test-1", "喜欢老花speedy 20", "cmn+f5", "0.97 applied", "in place of 斯必", "0.61 rejected"),
    "portraits": ("0.770 [0.750, 0.790]", "0.710", "refused: 黑色", "HK-009 gucci ophidia", "of 200"),
    "labels": ("想看neverfull托特包", "客户喜欢老花", "73.5%"),
    "speech": ("cmn+f2", "noise"),
    "judge": ("CER above 0.15", "rejected", "66.7%"),
    "training": ("epochs", "optimiser step"),
    "stages": ("speech longer than max_seconds", "1 min 10 s"),
    "reproduction": ("model: models/nano", "python -m jobs.pipeline", "2.60.0"),
}


def test_every_section_shows_its_figures():
    page = Document(render_report(sample()))
    for identity, expected in SECTIONS.items():
        text = page.one(identity).text
        for words in expected:
            assert words in text, f"{words!r} is missing in {identity}"


def test_the_page_asks_for_nothing_outside_itself():
    page = Document(render_report(sample()))
    referring = {"src", "href", "srcset", "poster", "action", "data", "xlink:href", "background", "formaction"}
    found = [value for node in page.nodes for name, value in node.attributes.items() if name in referring]
    assert found
    assert all(value.startswith(("#", "data:")) for value in found)
    (style,) = page.all("style")
    assert "url(" not in style.text
    assert "@import" not in style.text
    assert not {node.tag for node in page.nodes} & {"iframe", "object", "embed", "base", "img"}


def test_the_policy_admits_the_own_script_and_style_only():
    page = Document(render_report(sample()))
    (policy,) = [node.attributes["content"] for node in page.all("meta") if "http-equiv" in node.attributes]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    for tag in ("script", "style"):
        (node,) = page.all(tag)
        digest = base64.b64encode(hashlib.sha256(node.text.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert not [node for node in page.nodes if "style" in node.attributes], "the policy blocks style attributes"


@pytest.mark.parametrize("keys_too", [False, True])
def test_hostile_text_everywhere_is_inert(keys_too):
    page = render_report(poisoned(sample(), keys_too))
    assert page.encode("utf-8")
    document = Document(page)
    (script,) = document.all("script")
    assert "alert" not in script.text
    assert not document.all("img")
    assert not [name for node in document.nodes for name in node.attributes if name.startswith("on")]
    clean = Document(render_report(sample()))
    if not keys_too:
        assert [node.tag for node in document.nodes] == [node.tag for node in clean.nodes]
    assert document.all("h1")[0].text.startswith("</title></style></script>'\"><script>alert(1)</script><img")


def test_hostile_keyword_is_shown_as_written():
    term = "<script>alert(1)</script>"
    shown = Utterance("u", term, {"base": Hypothesis(term, 0.0, (True,))}, (Span(0, len(term), "SERIES"),))
    page = Document(render_report(dataclasses.replace(sample(), utterances=(shown,))))
    assert term in page.one("utterances").text
    assert len(page.all("script")) == 1


EMPTY = {
    "nothing at all": ReportData("Empty", {}),
    "systems without metrics": ReportData("Empty", {"base": {}, "adapted": {}}, general=GeneralCheck({})),
    "one system": ReportData("Empty", {"base": {"cer": {"value": 0.2, "low": 0.1, "high": 0.3}}}),
    "values of None": ReportData(
        "Empty",
        {name: {"cer": {"value": None, "low": None, "high": None}} for name in ("base", "adapted")},
        general=GeneralCheck({"base": {"cer": {"value": None}}}),
        recalls=(CategoryRecall("SERIES", 0, {}),),
        utterances=(Utterance("u", "", {}), Utterance("v", "", {"base": Hypothesis("")})),
        training=TrainingReport(()),
        stages=(StageRun("labels"),),
    ),
    "rows of zero": ReportData(
        "Empty",
        {"base": {"cer": {"value": 0.0, "low": 0.0, "high": 0.0}}, "adapted": {"cer": {"value": 0.0}}},
        recalls=(),
        utterances=(),
        labels=LabelReport(0),
        speech=SpeechReport(()),
        judge=JudgeReport((), 0.15, 0),
        stages=(),
    ),
    "not a number": ReportData(
        "Empty",
        {"base": {"cer": {"value": float("nan"), "low": float("nan"), "high": float("inf")}}},
        speech=SpeechReport((float("nan"),)),
        judge=JudgeReport((float("inf"),), 0.0, 1),
        utterances=(Utterance("u", "a", {"base": Hypothesis("b", float("nan"))}),),
    ),
}


@pytest.mark.parametrize("name", EMPTY)
def test_missing_data_makes_a_whole_page(name):
    page = Document(render_report(EMPTY[name]))
    assert {node.attributes["id"] for node in page.all("section")} == set(SECTIONS)
    shown = "".join(page.one(identity).text for identity in SECTIONS).lower()
    assert not re.findall(r"\b(?:nan|inf|none)\b", shown)


@pytest.mark.parametrize(
    ("name", "section", "words"),
    [
        ("nothing at all", "summary", "No system was evaluated in this run."),
        ("nothing at all", "general", "forgetting was not measured"),
        ("nothing at all", "judge", "The judge stage was not part of this run."),
        ("nothing at all", "stages", "The run recorded no stages."),
        ("rows of zero", "keywords", "No keyword is mentioned in the test set."),
        ("rows of zero", "utterances", "The test set has no utterances."),
        ("rows of zero", "labels", "The label stage produced no rows."),
        ("rows of zero", "speech", "The speech stage produced no audio."),
        ("rows of zero", "judge", "The judge saw no rows."),
        ("values of None", "training", "The training recorded no learning curve."),
        ("values of None", "metrics", "n/a"),
        ("values of None", "stages", "No row failed in any stage."),
        ("values of None", "utterances", "No utterance carries a recording."),
    ],
)
def test_missing_data_is_said_plainly(name, section, words):
    assert words in Document(render_report(EMPTY[name])).one(section).text


def test_failures_whose_causes_are_unknown_are_not_hidden():
    data = dataclasses.replace(sample(), stages=(StageRun("speech", 1.0, rows=5, failed=2),))
    text = Document(render_report(data)).one("stages").text
    assert "Rows failed in speech, but their causes were not recorded." in text


def test_recordings_play_from_the_page_itself():
    recording = encode_flac(speechlike(0.3), 16_000)
    data = dataclasses.replace(sample(), utterances=(utterance(1, recording),), labels=None)
    (player,) = Document(render_report(data)).all("audio")
    assert player.attributes["src"] == f"data:audio/flac;base64,{base64.b64encode(recording).decode()}"
    assert player.attributes["aria-label"] == "Recording of utterance test-1"


def test_twelve_ordinary_recordings_fit_into_six_megabytes():
    recording = encode_flac(speechlike(9.0), 16_000)
    data = dataclasses.replace(sample(), utterances=[utterance(n, recording) for n in range(12)], labels=None)
    page = render_report(data)
    assert len(Document(page).all("audio")) == 12
    assert len(page.encode()) < 6_000_000


def test_recordings_beyond_the_budget_are_left_out_and_said_to_be():
    noise = encode_flac(speechlike(10.0, noise=0.4), 16_000)
    data = dataclasses.replace(sample(), utterances=[utterance(n, noise) for n in range(400)], labels=None)
    page = render_report(data)
    assert len(page.encode()) < 6_000_000
    document = Document(page)
    left_out = [node for node in document.nodes if node.tag == "span" and "the page is full" in node.text]
    assert len(document.all("audio")) + len(left_out) == 400
    assert document.all("audio")
    assert left_out


def test_long_test_sets_are_cut_and_said_to_be():
    data = dataclasses.replace(sample(), utterances=[utterance(n) for n in range(1000)])
    text = Document(render_report(data)).one("utterances").text
    assert "the first 400 of 1,000 utterances" in text
    assert "test-399" in text
    assert "test-400" not in text


def test_the_page_can_be_read_without_eyes_or_mouse():
    page = Document(render_report(sample()))
    assert page.all("html")[0].attributes["lang"] == "en"
    assert len(page.all("h1")) == 1
    identities = [node.attributes["id"] for node in page.nodes if "id" in node.attributes]
    assert len(identities) == len(set(identities))
    for section in page.all("section"):
        assert section.attributes["aria-labelledby"] in identities
    links = [node.attributes["href"][1:] for node in page.all("a")]
    assert set(links) == {node.attributes["id"] for node in page.all("section")}
    for picture in page.all("svg"):
        assert picture.attributes.get("aria-hidden") == "true" or len(picture.attributes["aria-label"]) > 20
    for player in page.all("audio"):
        assert player.attributes["aria-label"]
    for field in [*page.all("input"), *page.all("select")]:
        assert "label" in field.parents
    for table in page.all("table"):
        assert "caption" in [child.tag for child in table.children]
    assert {node.attributes["lang"] for node in page.all("bdi")} == {"zh"}


def test_no_module_grows_too_long():
    folder = Path(render_report.__code__.co_filename).parent
    lengths = {path.name: len(path.read_text().splitlines()) for path in folder.iterdir() if path.is_file()}
    assert max(lengths.values()) <= 400, lengths


def poisoned(value, keys_too):
    """The same value with hostile text in front of every text of it."""
    if isinstance(value, str):
        return HOSTILE + value
    if dataclasses.is_dataclass(value):
        names = [part.name for part in dataclasses.fields(value)]
        return type(value)(**{name: poisoned(getattr(value, name), keys_too) for name in names})
    if isinstance(value, Mapping):
        # The three parts of an interval and, without keys_too, systems and metrics keep their names.
        keeps = not keys_too or set(value) & {"value", "low", "high"}
        return {key if keeps else HOSTILE + key: poisoned(inner, keys_too) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [poisoned(inner, keys_too) for inner in value]
    return value
