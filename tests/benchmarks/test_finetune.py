"""The fine-tuning benchmark runs, and its figures say what they should."""

import argparse
import json

import pytest

from benchmarks.finetune import PLAIN, figures, main, rate


def test_a_rate_counts_from_the_end_of_the_first_step() -> None:
    assert rate([10.0, 12.0, 14.0], 8) == 4.0


def test_ratios_are_taken_within_a_round() -> None:
    names = (PLAIN, "full windows", "trimmed windows", "trimmed windows, buckets")
    # The machine was three times slower in the second round.
    rounds = [dict(zip(names, speeds, strict=True)) for speeds in ((3, 6, 9, 18), (1, 2, 3, 6), (3, 3, 9, 9))]
    decoded = [{"one by one": 2.0, "batches": 5.0}]
    found = figures(rounds, decoded, 1.0, argparse.Namespace(batch_size=4, steps=3))
    values = {name: facts["value"] for name, facts in found["targets"].items()}
    assert values == {
        "fine-tuning over the Trainer, same work": 2.0,
        "fine-tuning over the Trainer, trimmed in buckets": 6.0,
        "buckets over none": 2.0,
        "decoding in batches over one by one": 2.5,
    }
    assert not found["targets"]["decoding in batches over one by one"]["holds"]


@pytest.mark.slow
def test_it_runs_and_ends_with_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--quick", "--json"]) == 0
    whole = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert whole["benchmark"] == "finetune"
    assert all(facts["value"] > 0 for facts in whole["targets"].values())
    assert whole["equal_texts"] > 0
