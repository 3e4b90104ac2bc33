"""The glossary benchmark: nested terms, clear utterances, what counts as found, targets, and the whole in small."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.glossary import costs, figures, main, paper_seconds, tables
from benchmarks.glossary_judging import RECALLS, Identities, Judged, stress, summary
from benchmarks.glossary_page import render_costs
from benchmarks.glossary_vocabulary import draw_vocabulary
from compression.glossary.entry import Entry, Spelling
from tests.small_glossary import NANO, ROOT, save_models


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def test_a_smaller_glossary_is_the_beginning_of_a_larger_one(tmp_path: Path) -> None:
    words = tmp_path / "words"
    words.write_text("alpha\nbeta's\ngammon\ndelta\n", encoding="utf-8")
    small, large = (draw_vocabulary(size, 12, ["veshin"], words, 0) for size in (150, 400))
    assert large.terms[:150] == small.terms
    assert small.utterances == large.utterances
    names = [row["term"] for row in large.terms]
    said = {term for utterance in large.utterances for term in utterance.terms} | {"veshin"}
    assert said <= set(names[: large.needed])
    assert {term for others in large.confusable.values() for term in others} <= set(names[: large.needed])
    assert {"alpha", "gammon"} <= set(names)
    assert "beta's" not in names
    assert all(large.groups[name] for name in large.groups)


def test_utterances_without_a_term_hold_the_sound_of_none() -> None:
    vocabulary = draw_vocabulary(400, 12, [], None, 0)
    names = {row["term"] for row in vocabulary.terms}
    assert vocabulary.unsaid
    for said in vocabulary.unsaid:
        assert not names.intersection(said.text.split("，"))


def judged() -> Judged:
    return Judged(
        seconds=120,
        terms=["a", "b", "c", "d"],
        found=[0.9, 0.7, 0.4, 0.0],
        kept={"span": [True, True, True, True], "path": [True, True, True, False]},
        false=[0.95, 0.6, 0.1],
        confused=[True, False, False, False],
    )


def test_what_is_found_is_counted() -> None:
    found = summary({"espeak": judged(), "silence": Judged(seconds=60, false=[0.8])}, 0.5)
    espeak = found["espeak"]
    assert [espeak["recall"][stage]["value"] for stage in ("span", "path", "end", "any")] == [1.0, 0.75, 0.5, 0.75]
    assert espeak["false_per_minute"] == 1.0
    # Nine in ten are never found.
    assert espeak["threshold"] is None
    assert espeak["false_per_minute_at_recall"] is None
    by_recall = espeak["false_per_minute_by_recall"]
    assert [by_recall[recall] for recall in ("0.9", "0.8", "0.7", "0.5", "0.1")] == [None, None, 1.0, 0.5, 0.5]
    silence = found["silence"]
    assert (silence["minutes"], silence["false_per_minute"], silence["false_per_minute_at_recall"]) == (1.0, 1.0, None)
    # At the probability from which half of espeak's are found.
    assert silence["false_per_minute_by_recall"]["0.5"] == 1.0
    assert silence["false_per_minute_by_recall"]["0.1"] == 0.0


def test_false_alarms_are_those_at_the_threshold_of_nine_in_ten() -> None:
    one = Judged(seconds=60, terms=["a"] * 10, found=[0.9] * 8 + [0.3, 0.1], false=[0.5, 0.35, 0.2])
    assert one.threshold() == 0.3
    assert one.false_per_minute(one.threshold()) == 2.0


def test_hard_terms_are_told_by_group() -> None:
    found = stress(judged(), {"near": ["a", "b"], "none": ["x"]}, 0.5)
    assert (found["near"]["said"], found["near"]["recall"]["value"], found["near"]["confused"]["value"]) == (
        2,
        1.0,
        0.5,
    )
    assert found["none"]["recall"]["value"] is None


def test_spellings_know_their_entries() -> None:
    entries = [Entry("a b", (Spelling("ab"), Spelling("AB"))), Entry("c", (Spelling("ab"),))]
    known = Identities.of(entries)
    assert known.entries["ab"] == {entry.id for entry in entries}
    assert known.phonemes == {"ab": ("a b", "c"), "AB": ("a b",)}


def size(p50: float, false: float, exhaustive: float, recall: float = 0.9) -> dict[str, Any]:
    def interval(value: float) -> dict[str, float]:
        return {"value": value, "low": value, "high": value}

    def kind(end: float) -> dict[str, Any]:
        return {
            "minutes": 10.0,
            "false_per_minute": false,
            "false_per_minute_at_recall": false,
            "false_per_minute_by_recall": {str(one): false if one <= recall else None for one in RECALLS},
            "said": 50,
            "threshold": 0.4,
            "recall": {name: interval(end) for name in ("span", "path", "end", "any")},
        }

    kinds = {"espeak": kind(0.9), "unseen": kind(0.9)}
    times = {stage: {"p50": p50, "p99": 2 * p50} for stage in ("total", "span", "path", "verifier")}
    return {
        "spoken": 1000,
        "bits": 4,
        "bytes_per_term": 900.0,
        "opening_seconds": 0.1,
        "latency": times,
        "kinds": kinds,
        "stress": {"near": {"said": 1, "recall": interval(1.0), "confused": interval(0.0)}},
        "exhaustive": {
            "seconds_per_10_s": 2.0,
            "kinds": {name: kind(exhaustive) for name in kinds},
            "cascade": kinds,
        },
        "change": {"terms": 1000, "add_seconds": 1.0, "remove_seconds": 1.0},
    }


def measured(sizes: Mapping[str, Any]) -> dict[str, Any]:
    return figures(sizes, {"seconds_per_pair": 0.02}, {"terms_per_second": 20.0})


def test_targets_are_held_against_the_figures() -> None:
    good = measured({"1000": size(0.1, 0.5, 0.9), "100000": size(0.2, 1.0, 0.9)})
    assert paper_seconds(good["paper"], 100_000) == 2000
    assert all(facts["holds"] for facts in good["targets"].values())
    assert len([name for name in good["targets"] if "false alarms" in name]) == 2
    slow = measured({"1000": size(0.1, 0.5, 0.9), "100000": size(0.5, 3.0, 1.0)})["targets"]
    failed = {name for name, facts in slow.items() if not facts["holds"]}
    assert {name.partition(":")[2].strip() for name in failed} == {
        "p50 in ms per 10 s",
        "times faster than the paper's",
        "end recall over exhaustive's",
        "false alarms a minute at 90% recall, 100,000 over 1,000 terms",
    }


def test_tables_and_page_show_every_size() -> None:
    found = measured({"1000": size(0.1, 0.5, 0.9), "100000": size(0.2, 1.0, 0.9)})
    cost, recall, false, hard = tables(found)
    assert list(cost.columns[0].cells) == ["1,000", "100,000"]
    assert list(recall.columns[1].cells) == ["espeak", "unseen"] * 2
    assert false.row_count == 4
    assert hard.row_count == 2
    page = render_costs(found["sizes"], costs(found["sizes"], found["paper"]))
    assert "100,000 terms, 2e+03 s" in page


@pytest.mark.slow
def test_the_whole_in_small(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    models = save_models(tmp_path / "models")
    arguments = ["--quick", "--json", "--work", str(tmp_path / "work")]
    overrides = [f"model={NANO}", f"spotter={models}", f"search={models / 'search'}"]
    overrides += [f"resources.{kind}_workers=0" for kind in ("reader", "speech", "encoder")]
    for override in overrides:
        arguments += ["--set", override]
    assert main(arguments) == 0
    found = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert found["sizes"]["200"]["spoken"] > 150
    assert (tmp_path / "work" / "cost.html").exists()


def test_false_alarms_are_compared_at_the_greatest_recall_of_both_sizes() -> None:
    sizes = {"1000": size(0.1, 0.5, 0.9), "100000": size(0.1, 3.0, 0.9, recall=0.85)}
    targets = {name: facts for name, facts in measured(sizes)["targets"].items() if name.startswith("espeak: ")}
    assert targets["espeak: recall that false alarms are compared at"]["holds"] is False
    assert targets["espeak: recall that false alarms are compared at"]["value"] == 0.8
    grown = targets["espeak: false alarms a minute at 80% recall, 100,000 over 1,000 terms"]
    assert grown["value"] == pytest.approx(3.1 / 0.6)
