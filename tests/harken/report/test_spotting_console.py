"""What `jobs.keywords` prints at its end."""

import io

from rich.console import Console

from harken.report.spotting_console import print_spotting
from tests.benchmarks.test_keywords import evaluation


def test_a_log_shows_every_set_and_every_note_on_one_line() -> None:
    page = io.StringIO()
    note = "The gate's selection [is the same] with 2 seeds. " * 4
    print_spotting(evaluation(0.8, 0.75) | {"notes": [note]}, Console(file=page))
    lines = page.getvalue().splitlines()
    assert "notes: 4 utterances, 3 terms, 5 of 12 pairs said" in lines[0]
    assert any("LHF" in line and "0.750 [0.650, 0.850]" in line and "500" in line for line in lines)
    assert note.rstrip() in [line.rstrip() for line in lines]


def test_what_was_not_measured_is_said_to_be_so() -> None:
    found = evaluation(0.8, 0.75) | {"notes": []}
    found["variants"]["LHF"]["sets"]["notes"]["rates"]["f1"] = {"value": None, "low": None, "high": None}
    page = io.StringIO()
    print_spotting(found, Console(file=page))
    assert "n/a" in page.getvalue()
