"""The benchmark of the speech stage, in its smallest form."""

import json
from pathlib import Path

import pytest

from benchmarks.synthesis import figures, main


def pair(workers: int, stage: float, loop: float) -> dict[str, object]:
    return {"workers": workers, "stage": {"steady": stage}, "loop": {"steady": loop}}


def grown(rows: int, rate: float, peak: int, spilled: int = 0) -> dict[str, object]:
    return {"rows": rows, "speech_per_second": rate, "driver_peak_bytes": peak, "spilled_bytes": spilled}


def test_targets_are_judged_on_medians_of_pairs() -> None:
    comparison = [
        pair(1, 10, 10.5),
        pair(1, 10, 14),
        pair(1, 5, 5.4),
        pair(2, 19, 20),
        pair(2, 19, 20),
        pair(2, 19, 20),
    ]
    targets = figures(comparison, [grown(10, 20, 100), grown(100, 18, 104), grown(1000, 16, 120)])["targets"]
    assert targets["time of the stage over the loop, 1 workers"]["value"] == pytest.approx(1.08)
    assert targets["speed of 2 workers over 1"] == {"value": 1.9, "target": ">= 1.8", "holds": True}
    assert targets["slowest over fastest rate as rows grow"]["value"] == pytest.approx(0.8)
    assert not targets["slowest over fastest rate as rows grow"]["holds"]
    assert not targets["driver's peak memory, most rows over fewest"]["holds"]
    assert targets["bytes spilled"]["holds"]


@pytest.mark.slow
def test_quick_measures_both_parts_and_measures_nothing_twice(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--quick", "--json", "--work", str(tmp_path / "work")]
    assert main(arguments) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert first["comparison"][0]["same_audio"]
    assert first["growth"][0]["rows"] == first["growth"][0]["dataset"]["rows"] == 16
    assert first["growth"][0]["spilled_bytes"] == 0
    assert first["growth"][0]["worker_peak_bytes"] > 0
    assert set(first["targets"]) == {"time of the stage over the loop, 1 workers", "bytes spilled"}
    assert not list((tmp_path / "work").rglob("*.flac"))
    assert main(arguments) == 0
    again = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (again["comparison"], again["growth"]) == (first["comparison"], first["growth"])
