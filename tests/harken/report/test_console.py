import io

from rich.console import Console

from harken.report import print_table
from harken.report.console import print_biasing, print_customers
from tests.harken.report.sample import PAIRED, SYSTEMS, interval


def printed(systems, paired=None, width=80):
    console = Console(file=io.StringIO(), width=width)
    print_table(systems, console, paired)
    return console.file.getvalue()


def line_of(text, metric):
    (line,) = [line for line in text.splitlines() if line.startswith(f"{metric} ")]
    return line


def test_both_systems_and_the_change_fit_into_a_terminal():
    text = printed(SYSTEMS, PAIRED)
    assert "0.412 [0.392, 0.432]" in line_of(text, "CER")
    assert "0.153 [0.133, 0.173]" in line_of(text, "CER")
    assert "-62.9% *" in line_of(text, "CER")
    assert "+300.0% *" in line_of(text, "Keyword recall")
    assert "excludes 0" in text
    for metric in ("CER_cn", "CER_oth", "WER", "MER", "IER"):
        assert line_of(text, metric)


def test_a_change_that_may_be_chance_is_marked_as_such():
    systems = {"base": {"cer": interval(0.2)}, "adapted": {"cer": interval(0.19)}}
    assert "-5.0% ~" in printed(systems)
    paired = {"adapted": {"cer": {"value": -0.01, "low": -0.015, "high": -0.005}}}
    assert "-5.0% *" in printed(systems, paired)


def test_what_was_not_measured_says_so():
    systems = {"base": {"cer": interval(0.2), "ier": {"value": None, "low": None, "high": None}}, "adapted": {}}
    text = printed(systems)
    assert line_of(text, "CER").count("n/a") == 2
    assert line_of(text, "IER").count("n/a") == 3
    assert printed({}).strip() == "No system was evaluated."


def test_no_figure_is_cut_when_many_systems_meet_a_narrow_terminal():
    systems = dict.fromkeys(("base", "adapted", "biased", "adapted_biased"), SYSTEMS["base"])
    text = printed(systems, width=80)
    assert "…" not in text
    assert text.count("0.412") == 4
    assert text.count("[0.392, 0.432]") == 4
    # Two lines a metric, not a figure cut in two.
    assert len([line for line in text.splitlines() if "CER" in line or "[0.392" in line]) == 4


def test_what_biasing_changed_fits_into_a_terminal():
    counts = {"detected": 1482, "applied": 301, "already right": 1100, "rejected": 81, "refused": {}}
    metrics = {"mer": interval(-0.182), "cer": interval(0.01), "keyword_recall": {"value": None}}
    figures = {
        "entries": 100_000,
        "terms": {name: {"adapted_biased": counts} for name in ("domain", "general")},
        "comparisons": {
            name: {"adapted_biased": {"than": "adapted", "metrics": metrics}} for name in ("domain", "general")
        },
    }
    console = Console(file=io.StringIO(), width=80)
    print_biasing(figures, console)
    (first, _) = (line for line in console.file.getvalue().splitlines() if "of adapted" in line)
    assert " ".join(first.split()) == "of adapted domain -0.182 * +0.010 ~ n/a 301 1100 81"
    assert "100,000 entries" in console.file.getvalue()


def test_portraits_show_texts_as_they_are_and_count_who_is_served():
    suggestion = {"product": "1", "name": "dior", "score": 0.5, "causes": [{"label": "[bold]"}]}
    served = {"id": "a", "text": "[red]包", "portrait": [("BRAND", ["dior"])], "refused": [("COLOUR", ["黑色"])]}
    rows = [
        served | {"suggestions": [suggestion], "status": "ok"},
        {"id": "b", "text": "", "portrait": [], "refused": [], "suggestions": [], "status": "failed"},
    ]
    console = Console(file=io.StringIO(), width=120)
    print_customers(rows, console)
    text = console.file.getvalue()
    for words in ("[red]包", "BRAND dior", "COLOUR not 黑色", "0.50 1 dior <- [bold]"):
        assert words in text
    assert "2 customers, 1 with suggestions, 1 failed" in text
