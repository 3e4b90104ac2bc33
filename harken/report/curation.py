"""The page of `jobs.glossary`: what is in a glossary, what could not be enrolled, what a curator should look at."""

from collections.abc import Mapping
from typing import Any

from harken.curation import CONTAINS, MEANINGS
from harken.report.blocks import Column, TableRow, details, facts, nothing, plural, section, stack, table
from harken.report.markup import Markup, element, join
from harken.report.page import Chapters, assemble
from harken.report.run import duration, reproduction

Found = Mapping[str, Any]

_CHAPTERS: Chapters = (
    ("Results", (("summary", "Summary"), ("findings", "Findings"))),
    ("Enrolment", (("recordings", "Recordings"), ("lines", "Lines left out"))),
    ("Run", (("reproduction", "Configuration"),)),
)


def render_curation(found: Found) -> str:
    """The whole page as HTML text, to be written as UTF-8; every text of ``found`` is inert.

    Args:
        found: ::

            {"title": str, "entries": int, "enrolled": int, "config": str, "provenance": {str: Any},
             "terms": {"terms": int, "duplicates": int, "bad": {cause: int},
                       "bad_lines": [{"line": int, "cause": str, "value": str}]},
             "recordings": {engine: {"rows", "failed", "failures": {cause: int},
                                     "speech_seconds", "enrolment_seconds"}},
             "findings": {flag: {"count": int, "shown": [{"spellings": [str], "phonemes": str,
                                                          "contains": str | None}]}},
             "store": {"folder", "version", "entries", "bits", "bytes_per_entry", "bytes"}}
    """
    store = found["store"]
    below = f"{plural(store['entries'], 'entry', 'entries')} in {store['folder']}, version {store['version']}"
    sections = join(
        _summary(found),
        _findings(found["findings"]),
        _recordings(found["recordings"]),
        _lines(found["terms"]),
        reproduction(found["config"], found["provenance"]),
    )
    return assemble(found["title"], below, _CHAPTERS, sections)


def _summary(found: Found) -> Markup:
    terms, store = found["terms"], found["store"]
    pairs = [
        ("Terms in the list", f"{terms['terms']:,}"),
        ("Lines that repeat one", f"{terms['duplicates']:,}"),
        ("Lines left out", f"{sum(terms['bad'].values()):,}"),
        ("Different sounds (entries)", f"{found['entries']:,}"),
        ("of them enrolled", f"{found['enrolled']:,}"),
        ("Entries in the store", f"{store['entries']:,}"),
        ("Bytes of an entry", f"{store['bytes_per_entry']:,.0f} at {store['bits']} bits a value"),
    ]
    return section("summary", "Summary", facts(pairs))


def _findings(findings: Mapping[str, Found]) -> Markup:
    if not findings:
        return section("findings", "Findings", nothing("No term stands out."))
    parts = [
        details(f"{flag}: {finding['count']:,}", element("p", MEANINGS[flag]), _entries(flag, finding), opened=True)
        for flag, finding in findings.items()
    ]
    return section("findings", "Findings", stack(*parts), lead="What may make a term fire too often, or never.")


def _entries(flag: str, finding: Found) -> Markup:
    columns = [Column("Term"), Column("Other spellings"), Column("Phonemes")]
    columns += [Column("Contains")] if flag == CONTAINS else []
    rows: list[TableRow] = []
    for entry in finding["shown"]:
        first, *others = entry["spellings"]
        inner = [entry["contains"]] if flag == CONTAINS else []
        rows.append([first, ", ".join(others), entry["phonemes"], *inner])
    missing = finding["count"] - len(rows)
    caption = f"The first {len(rows)} of {finding['count']:,}" if missing else f"All {len(rows)}"
    return table(caption, columns, rows)


def _recordings(recordings: Mapping[str, Found]) -> Markup:
    columns = [Column("By"), Column("Recordings", numeric=True), Column("Failed", numeric=True), Column("Causes")]
    columns += [Column("Speaking", numeric=True), Column("Enrolling", numeric=True)]
    rows: list[TableRow] = [
        [
            name,
            made["rows"],
            made["failed"],
            ", ".join(f"{cause} {count}" for cause, count in made["failures"].items()),
            duration(made["speech_seconds"]),
            duration(made["enrolment_seconds"]),
        ]
        for name, made in recordings.items()
    ]
    return section("recordings", "Recordings", table("Recordings by who made them", columns, rows))


def _lines(terms: Found) -> Markup:
    if not terms["bad"]:
        return section("lines", "Lines left out", nothing("Every line of the list was a term."))
    columns = [Column("Line", numeric=True), Column("Cause"), Column("Text")]
    rows: list[TableRow] = [[bad["line"], bad["cause"], bad["value"]] for bad in terms["bad_lines"]]
    counts = facts((cause, f"{count:,}") for cause, count in terms["bad"].items())
    return section("lines", "Lines left out", counts, table("Lines", columns, rows))
