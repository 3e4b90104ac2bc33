"""What a benchmark prints and records."""

from pathlib import Path

import pytest
from rich.table import Table

from benchmarks.results import RESULTS, machine, record, target


def test_a_target_says_whether_it_holds() -> None:
    assert target(1.05, "<=", 1.1) == {"value": 1.05, "target": "<= 1.1", "holds": True}
    assert not target(1.7, ">=", 1.8)["holds"]


def test_a_record_takes_the_place_of_the_last_one(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    results.write_text("# before\n<!-- soak:begin -->\nlast week's\n<!-- soak:end -->\nafter\n", encoding="utf-8")
    table = Table("kills", "rows", title="Killed")
    table.add_row("20", "5,000")
    for _ in range(2):
        record("soak", {"machine": machine(), "targets": {"kills": target(20, ">=", 20)}}, [table], results)
    text = results.read_text(encoding="utf-8")
    assert text.startswith("# before\n<!-- soak:begin -->\n")
    assert text.endswith("<!-- soak:end -->\nafter\n")
    assert text.count("| 20 | 5,000 |") == 1
    assert "| kills | 20 | >= 20 | yes |" in text
    assert "last week" not in text


def test_there_is_a_place_for_every_benchmark() -> None:
    text = RESULTS.read_text(encoding="utf-8")
    for name in ("synthesis", "soak"):
        assert f"<!-- {name}:begin -->\n" in text
        assert f"<!-- {name}:end -->" in text


def test_a_benchmark_without_a_place_is_an_error(tmp_path: Path) -> None:
    results = tmp_path / "RESULTS.md"
    results.write_text("nothing", encoding="utf-8")
    with pytest.raises(ValueError, match="no place for soak"):
        record("soak", {"machine": machine(), "targets": {}}, [], results)
