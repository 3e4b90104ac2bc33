"""The keyword benchmark's figures hold the compressed spotter against the baseline, set by set."""

from typing import Any

from benchmarks.keywords import figures
from harken.report.spotting_console import spotting_tables


def variant(f1: float, stored: float) -> dict[str, Any]:
    interval = {"value": f1, "low": f1 - 0.1, "high": f1 + 0.1}
    rates = dict.fromkeys(("f1", "f1_at_1", "mean_average_precision"), interval)
    judged = {"rates": rates, "curve": {}, "groups": {}, "false_alarms": [], "misses": []}
    sizes = {"bytes_per_keyword": stored, "padded_bytes_per_keyword": int(4 * stored)}
    return {"layers": [2, 3], **sizes, "pairs_per_second": 5.0, "sets": {"notes": judged}, "training": {}}


def evaluation(baseline: float, compressed: float) -> dict[str, Any]:
    return {
        "sets": {"notes": {"utterances": 4, "terms": 3, "pairs": 12, "said": 5}},
        "variants": {"baseline": variant(baseline, 64_000.0), "LHF": variant(compressed, 500.0)},
    }


def test_the_compressed_spotter_must_reach_the_baselines_lower_bound() -> None:
    name = "notes: F1 of LHF, at least the baseline's lower bound"
    reached = figures(evaluation(0.8, 0.75))["targets"][name]
    assert (reached["value"], reached["target"], reached["holds"]) == (0.75, ">= 0.7", True)
    assert not figures(evaluation(0.8, 0.65))["targets"][name]["holds"]


def test_bytes_are_counted_both_ways() -> None:
    measured = figures(evaluation(0.8, 0.8))
    assert measured["fewer_bytes"] == {"as stored": 128.0, "by the paper's count": 128.0}
    assert measured["targets"]["bytes of the baseline over LHF's, as stored"]["value"] == 128.0


def test_the_figures_hold_what_the_tables_show() -> None:
    measured = figures(evaluation(0.8, 0.75))
    assert measured["variants"]["LHF"]["sets"]["notes"]["f1"]["value"] == 0.75
    (table,) = spotting_tables(measured["sets"], measured["variants"])
    assert table.title == "notes: 4 utterances, 3 terms, 5 of 12 pairs said"
    shown = {str(column.header): list(column.cells) for column in table.columns}
    assert shown["variant"] == ["baseline", "LHF"]
    assert shown["F1"] == ["0.800 [0.700, 0.900]", "0.750 [0.650, 0.850]"]
    assert shown["bytes"] == ["64,000", "500"]
